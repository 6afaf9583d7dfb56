//! The driver: it waits, starts runs, and gives the engine its turns.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::engine::Engine;
use crate::executor::{End, RunId, Task, ThreadPool, Work};
use crate::run_loop::Clock;
use crate::store::{Store, StoreError};

/// The driver looks at its clock at least this often, in case that was set.
const LOOK: Duration = Duration::from_secs(60);

/// Both ends of the channel that a pool reports to.
pub type Channel = (Sender<(RunId, End)>, Receiver<(RunId, End)>);

/// Runs an engine until `until`, or until nothing is left to fire. Then waits
/// for the runs in progress.
///
/// The pool reports to `channel`. What the pool refuses is reported there too.
/// `task` makes work from the command of a job.
///
/// # Errors
/// If the store fails.
pub fn drive<S: Store>(
    engine: &mut Engine<S>,
    clock: &dyn Clock,
    until: DateTime<Utc>,
    pool: &ThreadPool,
    (refused, reports): &Channel,
    task: impl Fn(&str) -> Task,
) -> Result<(), StoreError> {
    unimplemented!("chapter 7: turn, submit, wait for a time or a report")
}
