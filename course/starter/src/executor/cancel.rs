//! A flag that asks a run to end.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::End;

/// Why a run should end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Somebody has cancelled it.
    Cancelled,
    /// Its time limit is over.
    TimedOut,
}

impl From<Reason> for End {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Cancelled => End::Cancelled,
            Reason::TimedOut => End::TimedOut,
        }
    }
}

/// Asks a run to end. A thread cannot be stopped from outside, so a task must
/// look at this flag, or wait with `sleep`. Clones are the same flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<(Mutex<Option<Reason>>, Condvar)>);

impl Cancel {
    /// Asks the run to end. The first reason counts.
    pub fn set(&self, reason: Reason) {
        unimplemented!("chapter 6: keep the first reason, wake who sleeps")
    }

    /// Returns why the run should end, or `None` if it may continue.
    pub fn reason(&self) -> Option<Reason> {
        unimplemented!("chapter 6: the reason, if there is one")
    }

    /// Waits for a time, or until the run should end. Returns why it should.
    pub fn sleep(&self, time: Duration) -> Option<Reason> {
        unimplemented!("chapter 6: wait for a time or for a reason")
    }
}
