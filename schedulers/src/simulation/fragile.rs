//! A trigger that panics when the simulation says so.

use std::cell::Cell;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::Trigger;
use serde::{Deserialize, Serialize};

thread_local! {
    static PANICS: Cell<bool> = const { Cell::new(false) };
}

/// Does `work` while such triggers panic, if `panics` says so.
pub(super) fn while_panicking<T>(panics: bool, work: impl FnOnce() -> T) -> T {
    PANICS.set(panics);
    let done = work();
    PANICS.set(false);
    done
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Fragile {
    pub(super) of: Arc<dyn Trigger>,
}

#[typetag::serde(name = "fragile, of the simulation")]
impl Trigger for Fragile {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if PANICS.get() {
            // Without a message on standard error each time.
            std::panic::resume_unwind(Box::new("told to"));
        }
        self.of.next_after(after)
    }

    fn has_fixed_times(&self) -> bool {
        self.of.has_fixed_times()
    }
}
