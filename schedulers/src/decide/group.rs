//! Whether a run begins or waits where its job is in a concurrency group.

use std::cmp::Reverse;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{GroupTurn, Job, JobState, MissedReason, Outcome, Overlap, Run, RunId, Transition};

use super::overlap::is_too_late;
use super::tick::Tick;
use crate::occupied::WHEN_IT_ENDS;
use crate::running::Start;

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
        let run = run.with(|run| run.started = None);
        let applicant =
            Applicant { at, job: job.clone(), run: run.id, recorded: Some(self.batch.len()), turn: None };
        self.record(run.clone());
        // Further fires are folded into a fire of the schedule that waits.
        let is_scheduled = run.attempt == 1 && !run.manual && run.cause.is_none();
        let runs = &mut self.jobs[at].runs;
        if is_scheduled && job.policy.overlap == Overlap::QueueOne && runs.waiting.is_none() {
            runs.waiting = Some(Box::new(run));
        } else {
            runs.ready.push(run.with(|run| run.turn = Some(WHEN_IT_ENDS)));
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
        // One that is too late makes way for what has waited for it.
        while !self.applicants.is_empty() {
            self.begin_applicants();
        }
    }

    fn begin_applicants(&mut self) {
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
        if recorded.is_none() && run.attempt == 1 && !run.manual && is_too_late(job, &run, self.now) {
            let outcome = Some(Outcome::Missed(MissedReason::TooLate));
            let run = Arc::new(run.with(|run| {
                run.finished = Some(self.now);
                run.outcome = outcome;
            }));
            self.batch.push(Transition::Finish(run.clone()));
            self.missed.push(run);
            self.start_waiting(*at);
            self.end_if_over(*at);
            return;
        }
        let is_paused = |job: &Job| job.state == JobState::Paused && !run.manual;
        let is_paused = is_paused(job) || self.jobs[*at].job.as_deref().is_some_and(is_paused);
        // A group that the claim does not tell of is counted by the next one.
        let has_room = self.groups.get(&group.name).is_some_and(|running| *running < group.limit());
        if has_room && !is_paused {
            // One that could not begin, and is tried again, was counted before.
            let is_counted = run.attempt > 1 || run.manual || run.message.is_some();
            if !is_counted && self.has_had_all_runs(*at) {
                self.give_up_waiting(run);
                return self.end_if_over(*at);
            }
            *self.groups.entry(group.name.clone()).or_default() += 1;
            self.began.push((*id, group.name.clone()));
            self.jobs[*at].runs.running.push(*id);
            let run = run.with(|run| run.turn = *turn);
            let run = match recorded.and_then(|place| self.batch.get_mut(place)) {
                Some(Transition::Record(row)) => {
                    Arc::make_mut(row).started = Some(self.now);
                    row.clone()
                }
                _ => self.start_waited(run),
            };
            if !is_counted {
                self.count_run(*at, &run);
            }
            self.starts.push(Start::new(job, run));
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
            Some(Transition::Record(row)) => Arc::make_mut(row).turn = Some(WHEN_IT_ENDS),
            _ if *turn != Some(WHEN_IT_ENDS) => self.batch.push(Transition::Finish(run.clone().into())),
            _ => {}
        }
        self.jobs[*at].runs.ready.push(run);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use matins_core::{Claim, Claimed, Group, GroupName, JobId, JobRuns, Policy, RunReport};
    use proptest::prelude::*;

    use super::*;
    use crate::decide::rig::{job, second};
    use crate::decide::tick::MayStart;
    use crate::local::Local;
    use crate::pruning::Pruning;
    use crate::retention::Retention;
    use crate::running::Running;

    /// A job of the model: its limit, its priority, and the fire that waits or runs.
    #[derive(Debug, Clone, Copy)]
    struct Member {
        limit: usize,
        priority: i32,
        waits: Option<i64>,
        runs: bool,
    }

    /// What the rule comes to for jobs that skip, told without rows: which of them begin, with the fires that they begin for.
    fn begin(members: &mut [Member], fires: &[bool], now: i64) -> Vec<(usize, i64)> {
        for (member, _) in members.iter_mut().zip(fires).filter(|(_, fires)| **fires) {
            if !member.runs && member.waits.is_none() {
                member.waits = Some(now);
            }
        }
        let mut begun = Vec::new();
        loop {
            let running = members.iter().filter(|member| member.runs).count();
            let waiting =
                members.iter().enumerate().filter_map(|(at, member)| Some((at, member, member.waits?)));
            let next = waiting
                .filter(|(_, member, _)| running < member.limit)
                .min_by_key(|(at, member, fire)| (Reverse(member.priority), *fire, *at));
            let Some((at, _, fire)) = next else { return begun };
            (members[at].waits, members[at].runs) = (None, true);
            begun.push((at, fire));
        }
    }

    /// The run that it waited for is missed in the same tick.
    #[test]
    fn what_waits_for_a_run_that_turns_out_too_late_begins() {
        let (local, retention, mut pruning) = (Local::default(), Retention::EVERYTHING, Pruning::default());
        let name = GroupName::new("group").unwrap();
        let policy = Policy::default().with(|policy| {
            policy.overlap = Overlap::QueueOne;
            policy.group = Some(Group::new(&name, 1).unwrap());
            policy.misfire_grace = Some(std::time::Duration::from_secs(5));
        });
        let job = job(policy).with(|job| job.next_fire = Some(second(100)));
        // Its job was paused while it waited, and has been resumed.
        let late = Run::waiting(RunId(1), job.id.clone(), second(10)).with(|run| run.turn = Some(second(99)));
        let runs = JobRuns { ready: vec![late], ..JobRuns::default() };
        let mut claim = crate::decide::rig::claim(second(100), &job, runs, true, RunId(2));
        claim.groups.insert(name, 0);
        let mut tick = Tick::new(claim, &local, &retention, &mut pruning);
        tick.start_what_waits();
        tick.due(0);
        let (_, effects) = tick.into_parts();
        let fires = |runs: &[Arc<Run>]| runs.iter().map(|run| run.scheduled()).collect::<Vec<_>>();
        assert_eq!(fires(&effects.missed), [second(10)]);
        assert_eq!(
            effects.starts.iter().map(|start| start.running.run.scheduled()).collect::<Vec<_>>(),
            [second(100)]
        );
    }

    fn members() -> impl Strategy<Value = Vec<Member>> {
        let member = (1_usize..4, -1_i32..2);
        let member =
            member.prop_map(|(limit, priority)| Member { limit, priority, waits: None, runs: false });
        prop::collection::vec(member, 1..6)
    }

    proptest! {
        /// Each second some jobs of the group fire, and before that some of the runs in progress end.
        #[test]
        fn runs_of_a_group_begin_as_the_model_says(
            mut members in members(),
            turns in prop::collection::vec((prop::collection::vec(any::<bool>(), 6), 0_usize..3), 1..40),
        ) {
            let (local, retention, mut pruning) = (Local::default(), Retention::EVERYTHING, Pruning::default());
            let name = GroupName::new("group").unwrap();
            let jobs: Vec<Job> = members.iter().enumerate().map(|(at, member)| {
                let group = Some(Group::new(&name, member.limit as u32).unwrap());
                let policy = Policy::default().with(|policy| { policy.group = group; policy.priority = member.priority; });
                job(policy).with(|job| job.id = JobId::new(format!("job {at}")).unwrap())
            }).collect();
            let place = |id: &JobId| jobs.iter().position(|job| job.id == *id).unwrap();
            let mut runs: Vec<JobRuns> = vec![JobRuns::default(); jobs.len()];
            let (mut in_flight, mut next_run) = (Vec::<Running>::new(), RunId(1));
            for (now, (fires, ends)) in (0_i64..).zip(turns) {
                // Those that are due come first.
                let mut order: Vec<usize> = (0..jobs.len()).collect();
                order.sort_by_key(|at| !fires[*at]);
                let claimed = |at: &usize| Claimed {
                    id: jobs[*at].id.clone(),
                    job: Some(Arc::new(jobs[*at].clone().with(|job| job.next_fire = Some(second(now))))),
                    runs: runs[*at].clone(),
                    abandoned: Vec::new(),
                    followers: Vec::new(),
                };
                let claim = Claim {
                    now: second(now),
                    jobs: order.iter().map(claimed).collect(),
                    due: fires[..jobs.len()].iter().filter(|fires| **fires).count(),
                    first_run: next_run,
                    groups: BTreeMap::from([(name.clone(), in_flight.len())]),
                };
                let due = claim.due;
                let mut tick = Tick::new(claim, &local, &retention, &mut pruning);
                for ended in in_flight.drain(..ends.min(in_flight.len())) {
                    members[place(&ended.run.job)].runs = false;
                    let report = RunReport::new(ended.run.id, second(now), Outcome::Succeeded);
                    tick.report(&ended, &report, MayStart::Yes);
                }
                tick.start_what_waits();
                (0..due).for_each(|at| tick.due(at));
                let (settlement, effects) = tick.into_parts();
                next_run = settlement.batch.iter().filter_map(|row| match row {
                    Transition::Record(run) => Some(run.id.next()),
                    _ => None,
                }).max().map_or(next_run, |next| next.max(next_run));
                prop_assert_eq!(settlement.groups.len(), effects.starts.len());
                let begun: Vec<(usize, i64)> = effects.starts.iter().map(|start| {
                    let run = &start.running.run;
                    (place(&run.job), run.scheduled().timestamp())
                }).collect();
                let mut expected = begin(&mut members, &fires, now);
                let mut found = begun.clone();
                expected.sort_unstable();
                found.sort_unstable();
                prop_assert_eq!(found, expected, "second {}", now);
                in_flight.extend(effects.starts.into_iter().map(|start| start.running));
                for (id, left) in settlement.runs {
                    let member = &members[place(&id)];
                    prop_assert_eq!(left.group.as_ref().map(|turn| turn.fire), member.waits.map(second));
                    prop_assert_eq!(left.occupied(), usize::from(member.runs || member.waits.is_some()));
                    runs[place(&id)] = left;
                }
            }
        }
    }
}
