//! What the scheduler alone knows of a store's jobs, beside what it claims.

use ahash::AHashMap as HashMap;
use matins_core::RunId;

use crate::decide::postponed::Postponed;
use crate::occupied::Occupations;

#[derive(Debug, Default)]
pub(crate) struct Local {
    /// Runs that could not begin, and have not begun or ended since.
    pub(crate) postponed: HashMap<RunId, Postponed>,
    /// Work of jobs that is in progress outside of the scheduler.
    pub(crate) occupations: Occupations,
}

impl Local {
    /// A run has ended.
    pub(crate) fn ended(&mut self, run: RunId) {
        if !self.postponed.is_empty() {
            self.postponed.remove(&run);
        }
    }
}
