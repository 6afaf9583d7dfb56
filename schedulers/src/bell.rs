//! What wakes a driver.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use matins_core::{Clock, CompletionSink, RunReport};

/// Wakes the thread that waits at it. Rung while nobody waits, it lets the next one through at once.
#[derive(Default)]
pub(crate) struct Bell {
    is_rung: Mutex<bool>,
    rung: Condvar,
}

impl Bell {
    pub(crate) fn ring(&self) {
        *self.lock() = true;
        self.rung.notify_one();
    }

    /// Waits until it is rung or (as `clock` has it) `until` is past. A look at the clock that finds nothing to do costs no turn.
    pub(crate) fn wait(&self, until: Option<DateTime<Utc>>, clock: &dyn Clock) {
        let mut is_rung = self.lock();
        while !*is_rung {
            is_rung = match until.and_then(|until| clock.sleep_until(until)) {
                Some(time) if time.is_zero() => break,
                Some(time) => self.rung.wait_timeout(is_rung, time).unwrap_or_else(PoisonError::into_inner).0,
                None => self.rung.wait(is_rung).unwrap_or_else(PoisonError::into_inner),
            };
        }
        *is_rung = false;
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_rung.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the runs of one store report to, and what wakes whoever drives that store.
pub(crate) struct Inbox {
    reports: Mutex<Vec<RunReport>>,
    bell: Bell,
    /// The bell of the scheduler's own driver, which drives the store until it has a thread of its own.
    driver: Arc<Bell>,
    has_own_thread: AtomicBool,
}

impl Inbox {
    pub(crate) fn new(driver: Arc<Bell>) -> Self {
        Self {
            reports: Mutex::default(),
            bell: Bell::default(),
            driver,
            has_own_thread: AtomicBool::new(false),
        }
    }

    /// From now on a thread waits at [`bell`](Self::bell).
    pub(crate) fn has_own_thread(&self, has: bool) {
        self.has_own_thread.store(has, Ordering::Release);
    }

    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    pub(crate) fn ring(&self) {
        if self.has_own_thread.load(Ordering::Acquire) { self.bell.ring() } else { self.driver.ring() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(crate) fn take(&self) -> Vec<RunReport> {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<RunReport>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CompletionSink for Inbox {
    fn completed(&self, report: RunReport) {
        let was_empty = {
            let mut reports = self.lock();
            reports.push(report);
            reports.len() == 1
        };
        if was_empty {
            self.ring();
        }
    }
}
