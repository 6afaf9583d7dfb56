//! What is known of a job's past: its rows of the ledger, and the history.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Job, JobId, Run, RunId, RunOrder, RunQuery};

use super::group::GroupRuns;
use super::sharing::Sharing;
use crate::{HistoryEntry, HistoryEvent, Operator, OrphanView, Problem};

pub(super) struct Past {
    /// The newest first.
    pub(super) runs: Vec<Run>,
    /// The oldest first; those of other jobs are left out.
    entries: Vec<HistoryEntry>,
    /// The runs that the executor has taken, with when the work of each began.
    in_flight: BTreeMap<RunId, Option<DateTime<Utc>>>,
    /// A command of the job that a daemon which was killed has left running.
    pub(super) orphan: Option<OrphanView>,
    /// Where the job is in a concurrency group: what ran of that.
    pub(super) group: Option<GroupRuns>,
    /// Who shares the store, if it is shared.
    pub(super) sharing: Option<Sharing>,
    /// Whether the process that answers fires jobs, or another one that shares the store.
    pub(super) is_up: bool,
}

/// When the scheduler went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was stopped.
    InOrder(DateTime<Utc>),
    /// It did not say; this is the last that is known of it.
    LastSeen(DateTime<Utc>),
}

impl End {
    fn at(self) -> DateTime<Utc> {
        let (Self::InOrder(at) | Self::LastSeen(at)) = self;
        at
    }
}

impl Past {
    pub(super) fn of(operator: &Operator, id: &JobId, job: Option<&Job>) -> Result<Self, Problem> {
        let store = operator.store_of(id)?;
        let query = RunQuery::of_job(id).order(RunOrder::NewestFirst);
        let mut entries = operator.history().entries();
        entries.retain(|entry| entry.what.job().is_none_or(|job| job == id.as_str()));
        let runs = operator.handle().runs_in(&store, &query)?;
        let sharing = Sharing::of(operator, &store, &runs)?;
        Ok(Self {
            group: GroupRuns::of(operator, job)?,
            in_flight: operator.handle().in_flight(&store)?,
            orphan: operator.host().orphans().into_iter().find(|orphan| orphan.job == id.as_str()),
            runs,
            entries,
            is_up: operator.host().fires_jobs() || sharing.as_ref().is_some_and(Sharing::is_any_alive),
            sharing,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.entries.iter().all(|entry| entry.what.job().is_none())
    }

    /// The row that says what happened to a fire: the last attempt at it, or the range that it is in, if it is a fire at all.
    pub(super) fn run_for(&self, at: DateTime<Utc>, is_fire: bool) -> Option<&Run> {
        let is_at = |run: &&Run| run.scheduled() == at;
        let covers = |run: &&Run| is_fire && run.fires.first <= at && at <= run.fires.last;
        let by_schedule = || self.runs.iter().filter(|run| !run.manual);
        by_schedule()
            .filter(is_at)
            .max_by_key(|run| (run.attempt, run.id))
            .or_else(|| by_schedule().find(covers))
            .or_else(|| self.runs.iter().find(is_at))
    }

    /// The last attempt to follow a run of another job.
    pub(super) fn following(&self, cause: RunId) -> Option<&Run> {
        let following = self.runs.iter().filter(|run| run.cause == Some(cause));
        following.max_by_key(|run| (run.attempt, run.id))
    }

    /// When the first run was due that was due then.
    pub(super) fn run_between(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.runs.iter().map(Run::scheduled).filter(|due| (from..until).contains(due)).min()
    }

    /// The last attempt at each fire that was due then, in their order; ranges that reach beyond are left out.
    pub(super) fn due_between(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<&Run> {
        let mut last_attempts: BTreeMap<DateTime<Utc>, &Run> = BTreeMap::new();
        let within = |run: &&Run| !run.manual && from <= run.fires.first && run.fires.last < until;
        for run in self.runs.iter().filter(within) {
            let known = last_attempts.entry(run.scheduled()).or_insert(run);
            if (run.attempt, run.id) > (known.attempt, known.id) {
                *known = run;
            }
        }
        last_attempts.into_values().collect()
    }

    /// The run that was going at that instant, other than the one itself.
    pub(super) fn going_at(&self, at: DateTime<Utc>, but: &Run) -> Option<&Run> {
        self.runs.iter().find(|run| {
            run.id != but.id
                && run.started.is_some_and(|started| started <= at)
                && run.finished.is_none_or(|finished| finished >= at)
        })
    }

    /// The run that stands for a fire that was folded into it: it began when that was decided, or soon after. `None` if
    /// the fire that was to stand for it did not run either.
    pub(super) fn stands_for(&self, folded: &Run) -> Option<&Run> {
        let decided = folded.finished?;
        self.runs
            .iter()
            .filter(|run| run.started.is_some() && !run.manual)
            .map(|run| ((run.started.unwrap_or(decided) - decided).abs(), run))
            .filter(|(distance, _)| *distance < TimeDelta::minutes(1))
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, run)| run)
    }

    /// Whether the executor has taken a run and not begun it.
    pub(super) fn is_queued(&self, run: &Run) -> bool {
        matches!(self.in_flight.get(&run.id), Some(None))
    }

    /// When the work of a run began: that of one that was queued, later than it was handed over.
    pub(super) fn began(&self, run: &Run) -> Option<DateTime<Utc>> {
        self.in_flight.get(&run.id).copied().flatten().or(run.started)
    }

    pub(super) fn oldest_run(&self) -> Option<DateTime<Utc>> {
        self.runs.iter().map(Run::scheduled).min()
    }

    fn of_job(&self) -> impl DoubleEndedIterator<Item = &HistoryEntry> {
        self.entries.iter().filter(|entry| entry.what.job().is_some())
    }

    pub(super) fn removed(&self) -> Option<&HistoryEntry> {
        self.of_job().rfind(|entry| matches!(entry.what, HistoryEvent::Removed { .. }))
    }

    /// Where the last that happened to the job's being there, up to that instant, was its removal.
    pub(super) fn removed_before(&self, at: DateTime<Utc>) -> Option<&HistoryEntry> {
        self.of_job()
            .filter(|entry| matches!(entry.what, HistoryEvent::Added { .. } | HistoryEvent::Removed { .. }))
            .rfind(|entry| entry.at <= at)
            .filter(|entry| matches!(entry.what, HistoryEvent::Removed { .. }))
    }

    pub(super) fn added_after(&self, at: DateTime<Utc>) -> Option<&HistoryEntry> {
        self.of_job().find(|entry| entry.at > at && matches!(entry.what, HistoryEvent::Added { .. }))
    }

    /// The first that is known of the job.
    pub(super) fn first_known(&self) -> Option<DateTime<Utc>> {
        self.of_job().map(|entry| entry.at).next().into_iter().chain(self.oldest_run()).min()
    }

    pub(super) fn edited_after(&self, at: DateTime<Utc>) -> Option<&HistoryEntry> {
        self.of_job().find(|entry| entry.at > at && matches!(entry.what, HistoryEvent::Edited { .. }))
    }

    /// The pause that an instant lies in, and what ended it. A job that is paused now, and whose resuming is not known,
    /// is paused in the future too.
    pub(super) fn paused_at(
        &self,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
        is_paused: bool,
    ) -> Option<(&HistoryEntry, Option<&HistoryEntry>)> {
        let ends = |entry: &&HistoryEntry| {
            matches!(
                entry.what,
                HistoryEvent::Resumed { .. } | HistoryEvent::Removed { .. } | HistoryEvent::Added { .. }
            )
        };
        let paused = self
            .of_job()
            .filter(|entry| ends(entry) || matches!(entry.what, HistoryEvent::Paused { .. }))
            .rfind(|entry| entry.at <= at.min(now))
            .filter(|entry| matches!(entry.what, HistoryEvent::Paused { .. }))?;
        let resumed = self.of_job().filter(ends).find(|entry| entry.at > paused.at);
        match resumed {
            // Known to be over, or known to go on.
            Some(resumed) => (at < resumed.at).then_some((paused, Some(resumed))),
            None => is_paused.then_some((paused, None)),
        }
    }

    /// The correction of a clock that was ahead, if that can be why nothing is recorded for an instant before it, or why something
    /// is recorded for an instant that is still to come.
    pub(super) fn clock_correction(
        &self,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Option<(&HistoryEntry, TimeDelta)> {
        self.entries.iter().rev().find_map(|entry| {
            let HistoryEvent::ClockCorrected { by_seconds, .. } = entry.what else { return None };
            let by = TimeDelta::try_seconds(by_seconds)?;
            let is_before = at <= entry.at && entry.at - at <= by;
            let was_shown = at > now && at - entry.at <= by;
            (is_before || was_shown).then_some((entry, by))
        })
    }

    /// The times without a scheduler: from when, and until when if that is over.
    fn downtimes(&self) -> Vec<(End, Option<DateTime<Utc>>)> {
        let mut downtimes = Vec::new();
        let mut up_since: Option<DateTime<Utc>> = None;
        let mut end: Option<End> = None;
        for entry in &self.entries {
            match entry.what {
                HistoryEvent::Started => {
                    // Up already: it was killed in between.
                    let went = up_since.map(|since| End::LastSeen(self.last_seen(since, entry.at))).or(end);
                    downtimes.extend(went.map(|went| (went, Some(entry.at))));
                    (up_since, end) = (Some(entry.at), None);
                }
                HistoryEvent::Stopped => (up_since, end) = (None, Some(End::InOrder(entry.at))),
                _ => {}
            }
        }
        if !self.is_up {
            let went =
                up_since.map(|since| End::LastSeen(self.last_seen(since, DateTime::<Utc>::MAX_UTC))).or(end);
            downtimes.extend(went.map(|went| (went, None)));
        }
        downtimes
    }

    /// The last that is known to have happened between two instants.
    fn last_seen(&self, from: DateTime<Utc>, before: DateTime<Utc>) -> DateTime<Utc> {
        let runs = self.runs.iter().flat_map(|run| [run.started, run.finished]).flatten();
        // What was found interrupted at the next start was written then, and not before.
        runs.chain(self.entries.iter().map(|entry| entry.at))
            .filter(|at| *at < before)
            .fold(from, DateTime::max)
    }

    pub(super) fn down_at(&self, at: DateTime<Utc>) -> Option<(End, Option<DateTime<Utc>>)> {
        self.downtimes()
            .into_iter()
            .find(|(from, until)| from.at() <= at && until.is_none_or(|until| at < until))
    }

    /// Since when no scheduler has been running, if none is running now.
    pub(super) fn down_now(&self) -> Option<DateTime<Utc>> {
        self.downtimes().last().filter(|(_, until)| until.is_none()).map(|(from, _)| from.at())
    }
}
