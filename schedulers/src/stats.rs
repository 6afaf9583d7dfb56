//! What a scheduler has done since it was made, in numbers.

use std::collections::BTreeMap;

use matins_core::{Outcome, Run};

/// What a scheduler has done since it was made, and what is in progress.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Runs that were handed to executors, further attempts included.
    pub started: u64,
    /// Runs that ended, by outcome as the ledger has it: `succeeded`, `timed out`.
    pub finished: BTreeMap<&'static str, u64>,
    /// Fires that were missed, by reason: `missed: too late`.
    pub missed: BTreeMap<&'static str, u64>,
    /// Runs that are in progress: their work has begun.
    pub running: usize,
    /// Runs that an executor has taken and whose work has not begun: they wait for a free thread or worker.
    pub queued: usize,
    /// Runs that wait for an earlier one of their job, and attempts that wait for their turn.
    pub waiting: usize,
    /// Failures of stores.
    pub store_failures: u64,
}

impl Stats {
    pub(crate) fn finished<'r>(&mut self, runs: impl Iterator<Item = &'r Run>) {
        // Most have succeeded: these are counted together.
        let mut succeeded = 0;
        for run in runs {
            if run.outcome == Some(Outcome::Succeeded) {
                succeeded += 1;
            } else {
                *self.finished.entry(name(run)).or_default() += 1;
            }
        }
        if succeeded > 0 {
            *self.finished.entry(Outcome::Succeeded.as_str()).or_default() += succeeded;
        }
    }

    pub(crate) fn missed(&mut self, run: &Run) {
        *self.missed.entry(name(run)).or_default() += run.fires.count;
    }
}

fn name(run: &Run) -> &'static str {
    run.outcome.map_or("none", Outcome::as_str)
}
