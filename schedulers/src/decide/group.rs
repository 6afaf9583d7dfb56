//! Whether a run begins or waits where its job is in a concurrency group.

use std::cmp::Reverse;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{GroupTurn, Job, JobState, MissedReason, Outcome, Overlap, Run, RunId, Transition};

use super::overlap::is_too_late;
use super::tick::Tick;
use crate::occupied::WHEN_IT_ENDS;

/// A run that everything but its group lets begin. It is among the runs of its job that wait until the end of the tick: then those begin
/// that their groups have room for.
pub(super) struct Applicant {
    at: usize,
    /// The job, as the run is decided about.
    job: Arc<Job>,
    run: RunId,
    /// Where the batch records it, if this tick does.
    recorded: Option<usize>,
    /// When its turn was, by the row.
    turn: Option<DateTime<Utc>>,
}

impl Tick<'_> {
    /// A new run of a job that is in a group.
    pub(super) fn apply_new(&mut self, at: usize, job: &Arc<Job>, run: Run) {
        let run = Run { started: None, ..run };
        let applicant =
            Applicant { at, job: job.clone(), run: run.id, recorded: Some(self.batch.len()), turn: None };
        self.record(run.clone());
        // Further fires are folded into a fire of the schedule that waits.
        let is_scheduled = run.attempt == 1 && !run.by_hand && run.cause.is_none();
        let runs = &mut self.jobs[at].runs;
        if is_scheduled && job.policy.overlap == Overlap::QueueOne && runs.waiting.is_none() {
            runs.waiting = Some(Box::new(run));
        } else {
            runs.ready.push(Run { turn: Some(WHEN_IT_ENDS), ..run });
        }
        self.applicants.push(applicant);
    }

    /// One of the runs in `ready`, whose turn has come.
    pub(super) fn apply_ready(&mut self, at: usize, job: &Arc<Job>, id: RunId) {
        let Some(run) = self.jobs[at].runs.ready.iter_mut().find(|run| run.id == id) else { return };
        let turn = run.turn.replace(WHEN_IT_ENDS);
        self.applicants.push(Applicant { at, job: job.clone(), run: id, recorded: None, turn });
    }

    /// The run that has waited for others of its job.
    pub(super) fn apply_waiting(&mut self, at: usize, job: &Arc<Job>, id: RunId) {
        self.applicants.push(Applicant { at, job: job.clone(), run: id, recorded: None, turn: None });
    }

    /// A run of a group has ended, or was put off.
    pub(super) fn leave_group(&mut self, group: Option<&matins_core::GroupName>) {
        if let Some(running) = group.and_then(|group| self.groups.get_mut(group)) {
            *running = running.saturating_sub(1);
        }
    }

    /// Begins the applicants that their groups have room for: by priority, then by fire time. The others wait.
    pub(super) fn begin_in_groups(&mut self) {
        let mut applicants = std::mem::take(&mut self.applicants);
        let fire_of = |applicant: &Applicant| {
            let runs = &self.jobs[applicant.at].runs;
            let mut all = runs.ready.iter().chain(runs.waiting.as_deref());
            all.find(|run| run.id == applicant.run).map(Run::scheduled)
        };
        applicants.sort_by_cached_key(|applicant| {
            (Reverse(applicant.job.policy.priority), fire_of(applicant), applicant.run)
        });
        applicants.dedup_by_key(|applicant| applicant.run);
        for applicant in applicants {
            self.begin_or_wait(&applicant);
        }
    }

    fn begin_or_wait(&mut self, applicant: &Applicant) {
        let Applicant { at, job, run: id, recorded, turn } = applicant;
        let Some(group) = &job.policy.group else { return };
        let runs = &mut self.jobs[*at].runs;
        let waits_for_others = runs.waiting.as_ref().is_some_and(|run| run.id == *id);
        let taken =
            if waits_for_others { runs.waiting.take().map(|run| *run) } else { self.take_ready(*at, *id) };
        let Some(run) = taken else { return };
        // Only an earlier tick can have kept it waiting.
        if recorded.is_none() && run.attempt == 1 && !run.by_hand && is_too_late(job, &run, self.now) {
            let outcome = Some(Outcome::Missed(MissedReason::TooLate));
            let run = Run { finished: Some(self.now), outcome, ..run };
            self.batch.push(Transition::Finish(run.clone()));
            self.missed.push(run);
            self.end_if_over(*at);
            return;
        }
        let is_paused = job.state == JobState::Paused && !run.by_hand;
        // A group that the claim does not tell of is counted by the next one.
        let has_room = self.groups.get(&group.name).is_some_and(|running| *running < group.limit());
        if has_room && !is_paused {
            *self.groups.entry(group.name.clone()).or_default() += 1;
            self.began.push((*id, group.name.clone()));
            self.jobs[*at].runs.running.push(*id);
            let run = Run { turn: *turn, ..run };
            let run = match recorded.and_then(|place| self.batch.get_mut(place)) {
                Some(Transition::Record(row)) => {
                    row.started = Some(self.now);
                    row.clone()
                }
                _ => self.start_waited(run),
            };
            self.starts.push((job.clone(), run));
            return;
        }
        if !is_paused {
            let runs = &mut self.jobs[*at].runs;
            let fire = runs.group.as_ref().map_or(run.scheduled(), |before| before.fire.min(run.scheduled()));
            runs.group = GroupTurn::of(job, fire).map(Box::new);
        }
        if waits_for_others {
            self.jobs[*at].runs.waiting = Some(Box::new(run));
            return;
        }
        match recorded.and_then(|place| self.batch.get_mut(place)) {
            Some(Transition::Record(row)) => row.turn = Some(WHEN_IT_ENDS),
            _ if *turn != Some(WHEN_IT_ENDS) => self.batch.push(Transition::Finish(run.clone())),
            _ => {}
        }
        self.jobs[*at].runs.ready.push(run);
    }
}
