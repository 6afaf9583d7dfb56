//! What happens to the fires of a job that are due? A pure decision.

use std::iter;

use chrono::{DateTime, TimeDelta, Utc};

use crate::trigger::Trigger;

/// What happens to fires that are late, many, or overlapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How late a fire may be. `None` if it may be as late as it likes.
    pub grace: Option<TimeDelta>,
    /// What happens if several are due.
    pub coalesce: Coalesce,
    /// What happens if the job is still running.
    pub overlap: Overlap,
}

/// What happens if several fires of a job are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coalesce {
    /// The latest one stands for all.
    Latest,
    /// Each of them counts.
    All,
}

/// What happens if a fire is due and the job is still running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// It is missed.
    Skip,
    /// It stays due until the run has ended.
    Wait,
    /// It starts, if fewer runs than this are running.
    Allow(usize),
}

/// What happens to a fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It starts.
    Start,
    /// It is missed, for a reason.
    Miss(Reason),
}

/// Why a fire is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is later than its job allows.
    TooLate,
    /// A later one stands for it.
    Coalesced,
    /// The job is still running.
    Overlapping,
}

/// What happens to the fires of a job that are due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Fires in order, each with what happens to it.
    pub fires: Vec<(DateTime<Utc>, Decision)>,
    /// The next fire time of the job. If it is due, it waits.
    pub next_fire: Option<DateTime<Utc>>,
}

/// Decides what happens to the fires of a job from `next_fire` to `now`, while
/// so many of its runs are `running`.
pub fn plan(
    trigger: &dyn Trigger,
    policy: &Policy,
    next_fire: DateTime<Utc>,
    now: DateTime<Utc>,
    running: usize,
) -> Plan {
    unimplemented!("chapter 7: walk the fires that are due, decide each")
}
