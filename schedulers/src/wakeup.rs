//! What wakes a driver.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
#[cfg(feature = "tokio")]
use std::task::{Context, Poll, Waker};

use chrono::{DateTime, Utc};
use matins_core::{Clock, CompletionSink, RunId, RunReport};

use crate::reading::Reading;

/// Wakes the thread that waits for it. If nobody waits, the next wait returns at once.
#[derive(Default)]
pub(crate) struct Wakeup {
    is_woken: Mutex<bool>,
    woken: Condvar,
    /// Of a driver that is a future.
    #[cfg(feature = "tokio")]
    waker: Mutex<Option<Waker>>,
}

impl Wakeup {
    pub(crate) fn wake(&self) {
        *self.lock() = true;
        self.woken.notify_one();
        #[cfg(feature = "tokio")]
        {
            let waker = lock(&self.waker).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Returns whether it was woken since; wakes the task when it is.
    #[cfg(feature = "tokio")]
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        // Before it looks: what wakes it afterwards finds it.
        *lock(&self.waker) = Some(context.waker().clone());
        if self.take() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Returns whether it was woken since it was last waited at, or asked.
    pub(crate) fn take(&self) -> bool {
        std::mem::take(&mut *self.lock())
    }

    /// Waits until it is woken, `until` is past (as `clock` has it), or the clock was set. A look at the clock that finds nothing to do
    /// costs no turn.
    pub(crate) fn wait(&self, until: Option<DateTime<Utc>>, clock: &dyn Clock) {
        let mut before = None;
        let mut is_woken = self.lock();
        while !*is_woken {
            is_woken = match until.and_then(|until| clock.sleep_until(until)) {
                Some(time) if time.is_zero() => break,
                Some(_) if was_set(clock, &mut before) => break,
                Some(time) => {
                    self.woken.wait_timeout(is_woken, time).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.woken.wait(is_woken).unwrap_or_else(PoisonError::into_inner),
            };
        }
        *is_woken = false;
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        lock(&self.is_woken)
    }
}

/// Whether a clock was set since the reading before, whose place this one takes.
fn was_set(clock: &dyn Clock, before: &mut Option<Reading>) -> bool {
    let reading = Reading::of(clock);
    before.replace(reading).is_some_and(|before| reading.step_since(&before).is_some())
}

/// Where the runs of one store report to, and what wakes whoever drives that store.
pub(crate) struct Inbox {
    reports: Mutex<Vec<RunReport>>,
    left: Mutex<LeftRuns>,
    has_left: AtomicBool,
    wakeup: Wakeup,
    /// The wakeup of the scheduler's own driver, which drives the store until it has a thread of its own.
    driver: Arc<Wakeup>,
    has_own_thread: AtomicBool,
}

/// What has been reported of runs that were left behind.
#[derive(Default)]
pub(crate) struct LeftRuns {
    /// Of runs whose work continues. They are among the other reports once their work is counted.
    pub(crate) reports: Vec<RunReport>,
    /// Runs whose work has ended.
    pub(crate) ended: Vec<RunId>,
}

impl Inbox {
    pub(crate) fn new(driver: Arc<Wakeup>) -> Self {
        Self {
            reports: Mutex::default(),
            left: Mutex::default(),
            has_left: AtomicBool::new(false),
            wakeup: Wakeup::default(),
            driver,
            has_own_thread: AtomicBool::new(false),
        }
    }

    /// From now on a thread waits for [`wakeup`](Self::wakeup).
    pub(crate) fn has_own_thread(&self, has: bool) {
        self.has_own_thread.store(has, Ordering::Release);
    }

    pub(crate) fn wakeup(&self) -> &Wakeup {
        &self.wakeup
    }

    pub(crate) fn wake(&self) {
        if self.has_own_thread.load(Ordering::Acquire) { self.wakeup.wake() } else { self.driver.wake() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.reports).is_empty() && lock(&self.left).reports.is_empty()
    }

    /// Returns what was reported. `spare` takes its place: room for what is reported next.
    pub(crate) fn take(&self, spare: Vec<RunReport>) -> Vec<RunReport> {
        std::mem::replace(&mut lock(&self.reports), spare)
    }

    /// What has been reported of runs that were left behind; `None` if that is nothing.
    pub(crate) fn take_left(&self) -> Option<LeftRuns> {
        self.has_left.swap(false, Ordering::AcqRel).then(|| std::mem::take(&mut *lock(&self.left)))
    }

    /// Puts in the reports of runs that were left behind, once their work is counted.
    pub(crate) fn put(&self, reports: Vec<RunReport>) {
        lock(&self.reports).extend(reports);
    }

    fn note_left(&self, note: impl FnOnce(&mut LeftRuns)) {
        note(&mut lock(&self.left));
        self.has_left.store(true, Ordering::Release);
        self.wake();
    }
}

impl CompletionSink for Inbox {
    fn completed(&self, report: RunReport) {
        let was_empty = {
            let mut reports = lock(&self.reports);
            reports.push(report);
            reports.len() == 1
        };
        if was_empty {
            self.wake();
        }
    }

    fn left_behind(&self, report: RunReport) {
        self.note_left(|left| left.reports.push(report));
    }

    fn work_ended(&self, run: RunId) {
        self.note_left(|left| left.ended.push(run));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
