//! The rules that decide about fires and runs: pure functions, each rule in a file of its own. They read no clock and touch no store; what they
//! need to know of a job is claimed before, and what they decide is a batch of transitions ([`tick::Tick`]).

pub(crate) mod clock_set;
mod counts;
mod follow;
mod group;
mod missed;
mod others;
mod overlap;
pub(crate) mod plan;
pub(crate) mod postponed;
mod recovery;
mod retry;
#[cfg(test)]
pub(crate) mod rig;
pub(crate) mod tick;
mod update;
