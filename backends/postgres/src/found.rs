//! What a claim has locked and read, before it is a [`Claim`](matins_core::Claim).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{AfterOutcome, GroupName, GroupTurn, Job, JobId, Run};
use tokio_postgres::Row;

use crate::rows::after_outcome;

/// A job that is locked.
#[derive(Debug)]
pub(crate) struct LockedJob {
    pub(crate) key: i64,
    pub(crate) lane: i32,
    pub(crate) next_fire: Option<DateTime<Utc>>,
    /// Its runs that have begun and have not ended.
    pub(crate) running: Vec<i64>,
    /// Its runs that have not begun.
    pub(crate) waiting: Vec<i64>,
    pub(crate) turn: Option<GroupTurn>,
    pub(crate) revision: u64,
}

/// An open claim: its transaction has begun, and has not ended.
#[derive(Debug, Default)]
pub(crate) struct Open {
    pub(crate) jobs: HashMap<JobId, LockedJob>,
    /// Runs of dead schedulers that it may end.
    pub(crate) given: Vec<i64>,
    /// Where jobs are that are not locked, and may get a run that waits.
    pub(crate) followers: HashMap<JobId, (i64, i32)>,
    /// The numbers that were taken for runs: the first and the last.
    pub(crate) numbers: Option<(i64, i64)>,
    /// Somebody asked for a change, so the others are told.
    pub(crate) is_command: bool,
}

/// The runs of a job that were begun here and have not ended.
#[derive(Debug, Clone)]
pub(crate) struct Mine {
    pub(crate) key: i64,
    pub(crate) runs: Vec<(i64, Option<GroupName>)>,
}

/// A row of the table `due` that is locked.
pub(crate) struct Locked {
    pub(crate) held: LockedJob,
    pub(crate) is_due: bool,
    pub(crate) job: Option<Arc<Job>>,
    pub(crate) version: i64,
    pub(crate) group: Option<String>,
    /// Limit, priority and fire time of one that waits for its group.
    pub(crate) turn: Option<(i32, i32, DateTime<Utc>)>,
}

/// What a claim has found.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) now: DateTime<Utc>,
    pub(crate) locked: Vec<Locked>,
    pub(crate) keys: HashSet<i64>,
    /// The runs of locked jobs that have not ended, with the keys of their jobs.
    pub(crate) live: Vec<(Run, i64)>,
    pub(crate) runs: HashSet<i64>,
    /// The runs of dead schedulers, with the keys of their jobs.
    pub(crate) abandoned: Vec<(Run, i64)>,
    pub(crate) followers: HashMap<JobId, Vec<(JobId, AfterOutcome)>>,
    pub(crate) places_of_followers: HashMap<JobId, (i64, i32)>,
    /// How many runs of each locked group are in progress.
    pub(crate) groups: BTreeMap<GroupName, usize>,
    pub(crate) numbers: Option<(i64, i64)>,
    /// There are runs that wait.
    pub(crate) has_work: bool,
    /// There are runs of dead schedulers.
    pub(crate) has_dead: bool,
    /// There are schedulers whose lease has ended.
    pub(crate) has_expired: bool,
}

impl Found {
    /// A row of the table `due` is locked. It may have been before.
    pub(crate) fn lock(&mut self, row: &Row, is_due: bool) {
        let key = row.get(0);
        if !self.keys.insert(key) {
            return;
        }
        let turn: (Option<i32>, Option<i32>, Option<DateTime<Utc>>) = (row.get(5), row.get(6), row.get(7));
        let held = LockedJob {
            key,
            lane: row.get(3),
            next_fire: row.get(2),
            running: Vec::new(),
            waiting: Vec::new(),
            turn: None,
            revision: 0,
        };
        let turn = turn.0.zip(turn.1).zip(turn.2).map(|((limit, priority), fire)| (limit, priority, fire));
        self.locked.push(Locked { held, is_due, job: None, version: row.get(1), group: row.get(4), turn });
    }

    /// A job follows another one.
    pub(crate) fn follow(&mut self, row: &Row) {
        let (job, outcome, follower): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        let (Ok(job), Ok(follower)) = (JobId::new(job), JobId::new(follower)) else { return };
        self.places_of_followers.insert(follower.clone(), (row.get(3), row.get(4)));
        self.followers.entry(job).or_default().push((follower, after_outcome(outcome)));
    }

    /// A job that cannot be read here, or whose group another scheduler has, is left to the others with its runs.
    pub(crate) fn leave_out_of_dropped(&mut self) {
        let kept: HashSet<i64> = self.locked.iter().map(|locked| locked.held.key).collect();
        self.abandoned.retain(|(_, key)| kept.contains(key) || !self.keys.contains(key));
    }

    pub(crate) fn runs_abandoned(&self) -> Vec<i64> {
        self.abandoned.iter().map(|(run, _)| run.id.0 as i64).collect()
    }
}
