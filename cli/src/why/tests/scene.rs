//! A job with a past, made by hand.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins::Command;
use matins::JobId;
use matins::prelude::*;
use matins::triggers::{Zone, tzdb};
use matins::{Clock, JobState, JobStore, MissedReason, Run, RunId, Stretch, VirtualClock};

use crate::control::operator::Operator;
use crate::history::{Happening, History};
use crate::orphans::Orphans;
use crate::why::{Kind, Why, why};

/// A scheduler on a clock that stands, which is never started: what it finds is put there by hand.
pub(super) struct Scene {
    pub(super) operator: Operator,
    pub(super) clock: VirtualClock,
    runs: u64,
    /// Never run: once it is dropped, its handles are refused.
    _scheduler: matins::BlockingScheduler,
}

pub(super) fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

impl Scene {
    /// The job `backup`, at 02:30 in Berlin, added on 1 January 2026; a daemon answers.
    pub(super) fn new() -> Self {
        Self::with(|job| job)
    }

    pub(super) fn with(change: impl FnOnce(NewJob) -> NewJob) -> Self {
        let nightly = CronTrigger::parse("30 2 * * *", "Europe/Berlin").unwrap();
        Self::of(nightly, "2026-01-01T00:00:00Z", change)
    }

    pub(super) fn of(
        trigger: impl Trigger + 'static,
        added: &str,
        change: impl FnOnce(NewJob) -> NewJob,
    ) -> Self {
        // The same answers on every machine.
        tzdb::use_bundled();
        let clock = VirtualClock::new(instant(added));
        let scheduler = SchedulerBuilder::new()
            .store("default", MemoryStore::new())
            .executor("default", ThreadExecutor::builder().workers(1).build())
            .clock(clock.clone())
            .blocking()
            .unwrap();
        scheduler.register("command", CommandTask::default()).unwrap();
        let job = trigger.task("command").id("backup").arguments(Command::new("true"));
        scheduler.add(change(job)).unwrap();
        let history = Arc::new(History::open(None).unwrap());
        let operator = Operator {
            handle: scheduler.handle(),
            history,
            clock: Arc::new(clock.clone()),
            zone: Zone::utc(),
            store: "memory:".parse().unwrap(),
            since: clock.now(),
            refused: crate::reload::Refused::default(),
            orphans: Orphans::default(),
            reload: Some(Box::new(|_| Err("there are no files".to_owned()))),
        };
        let scene = Self { operator, clock, runs: 0, _scheduler: scheduler };
        scene.note(added, Happening::Started, "root (uid 0)");
        scene.note(added, Happening::Added { job: "backup".into() }, "ada (uid 1000)");
        scene
    }

    pub(super) fn note(&self, at: &str, what: Happening, by: &str) {
        self.operator.history.note(instant(at), what, by);
    }

    /// It is so late now, and all that was due has been seen to.
    pub(super) fn now(&self, now: &str) {
        let now = instant(now);
        self.clock.set(now);
        let advance = |store: &mut dyn JobStore| {
            let mut job = store.get(&JobId::new("backup").unwrap()).unwrap().unwrap();
            job.next_fire = job.trigger.next_after(now).filter(|_| job.state == JobState::Active);
            store.update(job).unwrap();
        };
        self.operator.handle.with_store("default", advance).unwrap();
    }

    pub(super) fn put(&mut self, change: impl FnOnce(&mut Run)) -> u64 {
        self.runs += 1;
        let job = JobId::new("backup").unwrap();
        let mut run = Run::waiting(RunId(self.runs), job, instant("2026-02-01T01:30:00Z"));
        change(&mut run);
        let put = |store: &mut dyn JobStore| store.import(Vec::new(), vec![run], OnConflict::Refuse);
        self.operator.handle.with_store("default", put).unwrap().unwrap();
        self.runs
    }

    /// A run that began `late` after its time and took two minutes.
    pub(super) fn ran(&mut self, due: &str, late: TimeDelta, outcome: Outcome) -> u64 {
        let due = instant(due);
        self.put(|run| {
            run.fires = Stretch::single(due);
            run.started = Some(due + late);
            run.finished = Some(due + late + TimeDelta::minutes(2));
            run.outcome = Some(outcome);
        })
    }

    pub(super) fn missed(
        &mut self,
        first: &str,
        last: &str,
        count: u64,
        reason: MissedReason,
        decided: &str,
    ) -> u64 {
        let fires = Stretch { first: instant(first), last: instant(last), count };
        self.put(|run| {
            run.fires = fires;
            run.finished = Some(instant(decided));
            run.outcome = Some(Outcome::Missed(reason));
        })
    }

    #[track_caller]
    pub(super) fn asked(&self, at: &str, kind: Kind, words: &[&str]) -> Why {
        let why = why(&self.operator, "backup", at).unwrap();
        assert_eq!(why.kind, kind, "{}", why.answer);
        for word in words {
            assert!(why.answer.contains(word), "{word:?} is not in {:?}", why.answer);
        }
        why
    }
}
