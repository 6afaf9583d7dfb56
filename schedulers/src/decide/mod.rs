//! What becomes of fires and runs: pure functions, each rule in a file of its own. They read no clock and touch no store.

pub(crate) mod postponed;
pub(crate) mod retry;
