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

// ANCHOR: drive
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
    let mut in_progress = 0;
    let mut ended = Vec::new();
    loop {
        let now = clock.now().min(until);
        in_progress -= ended.len();
        let turn = engine.turn(now, &ended)?;
        for (run, command) in turn.start {
            in_progress += 1;
            let run = run.id;
            let work = Work { run, limit: None, task: task(&command) };
            if let Err(reason) = pool.submit(work) {
                // It did not run, and the ledger should say so.
                let end = End::Failed(format!("not started: {reason:?}"));
                let _ = refused.send((run, end));
            }
        }
        let next = turn.next.filter(|next| *next <= until);
        if next.is_none() && in_progress == 0 {
            return Ok(());
        }
        let wait = match next {
            Some(next) => (next - clock.now()).to_std().unwrap_or_default(),
            None => LOOK,
        };
        ended = match reports.recv_timeout(wait.min(LOOK)) {
            Ok(first) => {
                [first].into_iter().chain(reports.try_iter()).collect()
            }
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            // `refused` is an end of the same channel, so it is open.
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
    }
}
// ANCHOR_END: drive
