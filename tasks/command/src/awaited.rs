//! Which child processes of this process are commands that somebody waits for.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

static AWAITED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// How many commands are just being started: their process ids are not in [`AWAITED`] yet.
static STARTING: AtomicUsize = AtomicUsize::new(0);

/// Returns `true` if a [`CommandTask`](crate::CommandTask) of this process waits for the child process with this id, or may
/// be about to.
///
/// A program that reaps the orphans that it inherits, because it is process 1 of a container, must leave the other children
/// alone: whoever waits for them would not learn their exit status.
///
/// ```
/// assert!(!matins_task_command::is_awaited(std::process::id()), "it is no child of itself");
/// ```
pub fn is_awaited(process: u32) -> bool {
    STARTING.load(Ordering::SeqCst) > 0 || awaited().contains(&process)
}

fn awaited() -> MutexGuard<'static, BTreeSet<u32>> {
    AWAITED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A command that is being started.
pub(crate) struct Starting;

impl Starting {
    pub(crate) fn new() -> Self {
        STARTING.fetch_add(1, Ordering::SeqCst);
        Self
    }

    /// It has become this process.
    pub(crate) fn started(self, process: u32) -> Awaited {
        awaited().insert(process);
        // Not before.
        drop(self);
        Awaited(process)
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        STARTING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A child process that is waited for, until this is dropped. To be dropped after the process has been reaped.
pub(crate) struct Awaited(u32);

impl Drop for Awaited {
    fn drop(&mut self) {
        awaited().remove(&self.0);
    }
}
