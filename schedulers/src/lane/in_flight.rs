//! The runs of a lane that executors have, or will have in a moment.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use foldhash::HashMap;
use matins_core::{CancelToken, Clock, Progress, RunId};

use crate::running::Running;

/// Its lock is held for moments only, and never during I/O.
#[derive(Default)]
pub(crate) struct InFlight(Mutex<HashMap<RunId, Running>>);

impl InFlight {
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(crate) fn token(&self, run: RunId) -> Option<CancelToken> {
        self.lock().get(&run).map(|running| running.cancel.clone())
    }

    pub(crate) fn tokens(&self) -> Vec<CancelToken> {
        self.lock().values().map(|running| running.cancel.clone()).collect()
    }

    /// Those of runs that end with their scheduler.
    pub(crate) fn tokens_at_shutdown(&self) -> Vec<CancelToken> {
        let in_flight = self.lock();
        in_flight.values().filter(|run| !run.survives).map(|running| running.cancel.clone()).collect()
    }

    /// Runs that their executors keep when this process ends are nobody's here: their rows stay, and the next owner takes them up.
    pub(crate) fn let_go_of_survivors(&self) -> Vec<Running> {
        self.lock().extract_if(|_, running| running.survives).map(|(_, running)| running).collect()
    }

    pub(crate) fn progress(&self, run: RunId) -> Option<Progress> {
        self.lock().get(&run).and_then(|running| running.log.last_progress())
    }

    /// What a run has logged and printed so far.
    pub(crate) fn output(&self, run: RunId) -> Option<String> {
        let log = self.lock().get(&run).map(|running| running.log.clone());
        log.and_then(|log| log.text())
    }

    /// Each with the time at which its work began, by the clock as it is set now.
    pub(crate) fn begun(&self, clock: &dyn Clock) -> BTreeMap<RunId, Option<DateTime<Utc>>> {
        self.lock().iter().map(|(run, running)| (*run, running.log.began_by(clock))).collect()
    }

    /// How many have begun, and how many have not.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let in_flight = self.lock();
        let begun = in_flight.values().filter(|running| running.log.began().is_some()).count();
        (begun, in_flight.len() - begun)
    }
}
