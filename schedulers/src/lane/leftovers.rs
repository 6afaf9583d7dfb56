//! What runs leave behind that is others' code.

use matins_core::{CancelCallbacks, RunRequest, drop_caught};

use crate::running::Running;

/// What tasks have registered or captured, of runs that are over or let go of. It is dropped once no lock is held, as it may use a handle.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    registered: Vec<CancelCallbacks>,
    runs: Vec<Running>,
    requests: Vec<RunRequest>,
}

impl Leftovers {
    /// A run is over: what it has registered is called no more.
    pub(super) fn add_ended(&mut self, running: &Running) {
        let registered = running.cancel.release();
        if !registered.is_empty() {
            self.registered.push(registered);
        }
    }

    /// Runs that continue without this scheduler.
    pub(super) fn add_let_go(&mut self, runs: impl IntoIterator<Item = Running>) {
        self.runs.extend(runs);
    }

    /// A run that is not handed over.
    pub(super) fn add_request(&mut self, request: RunRequest) {
        self.requests.push(request);
    }

    /// Drops all, and catches what panics.
    pub(crate) fn discard(self) {
        let Self { registered, runs, requests } = self;
        registered.into_iter().for_each(CancelCallbacks::discard);
        runs.into_iter().for_each(drop_caught);
        requests.into_iter().for_each(drop_caught);
    }
}
