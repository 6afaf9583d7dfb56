//! Who does the work? An executor takes runs, and reports how each has ended.

use std::fmt;
use std::sync::mpsc::Sender;
use std::time::Duration;

pub use crate::store::RunId;

mod cancel;
mod pool;
mod process;
mod tasks;

pub use cancel::{Cancel, Reason};
pub use pool::ThreadPool;
pub use process::command;
pub use tasks::TokioExecutor;

// ANCHOR: types
/// How a run has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The work was done.
    Succeeded,
    /// The work returned an error, or panicked.
    Failed(String),
    /// The run was cancelled.
    Cancelled,
    /// The run took longer than its time limit.
    TimedOut,
}

/// What is to be done: a function that looks at its `Cancel` now and then.
pub type Task = Box<dyn FnOnce(&Cancel) -> Result<(), String> + Send>;

/// A run that is to be done.
pub struct Work {
    /// Its number.
    pub run: RunId,
    /// How long it may take.
    pub limit: Option<Duration>,
    /// What is to be done.
    pub task: Task,
}

/// Where reports go: the number of a run, and how it has ended.
pub type Reports = Sender<(RunId, End)>;

/// Why a run was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// As many runs are waiting as there may be.
    Full,
    /// The executor is shutting down.
    ShuttingDown,
}
// ANCHOR_END: types

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("run", &self.run)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

// ANCHOR: promise
/// The duty to report once how a run has ended. Whoever loses it reports that
/// the run was lost.
#[derive(Debug)]
pub struct Promise(Option<(RunId, Reports)>);

impl Promise {
    /// Returns the duty to report on a run.
    pub fn new(run: RunId, reports: Reports) -> Self {
        Self(Some((run, reports)))
    }

    /// Reports how the run has ended.
    pub fn report(mut self, end: End) {
        self.send(end);
    }

    fn send(&mut self, end: End) {
        if let Some((run, reports)) = self.0.take() {
            // Nobody listens any more when the scheduler has gone.
            let _ = reports.send((run, end));
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.send(End::Failed("the run was lost".to_owned()));
    }
}
// ANCHOR_END: promise
