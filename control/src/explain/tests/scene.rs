//! A job with a past, made by hand.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    FireRange, JobId, JobState, JobStore, MissedReason, OnConflict, Outcome, Run, RunId, Trigger,
};
use matins_executor_thread::ThreadExecutor;
use matins_scheduler::{BlockingScheduler, NewJob, Schedule, SchedulerBuilder, VirtualClock};
use matins_store_memory::MemoryStore;
use matins_triggers::{CronTrigger, Zone, tzdb};
use serde_json::Value;

use crate::explain::{Explanation, ExplanationKind, explain};
use crate::{HistoryEvent, Host, Operator, Problem, Request};

/// A process as a test wants it.
#[derive(Clone, Default)]
pub(super) struct Process(Arc<Mutex<Facts>>);

#[derive(Default)]
struct Facts {
    is_down: bool,
}

impl Process {
    fn facts(&self) -> std::sync::MutexGuard<'_, Facts> {
        self.0.lock().unwrap()
    }

    /// No scheduler fires jobs from now on.
    pub(super) fn goes_down(&self) {
        self.facts().is_down = true;
    }
}

impl Host for Process {
    fn refuse(&self, _operator: &Operator, _request: &Request) -> Option<Problem> {
        None
    }

    fn fires_jobs(&self) -> bool {
        !self.facts().is_down
    }
}

/// A scheduler on a clock that stands, which is never started: what it finds is put there by hand.
pub(super) struct Scene {
    pub(super) operator: Operator,
    pub(super) process: Process,
    pub(super) clock: VirtualClock,
    runs: u64,
    /// Never run: once it is dropped, its handles are refused.
    _scheduler: BlockingScheduler,
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
        scheduler.register("command", |_: Value| ()).unwrap();
        let job = trigger.task("command").id("backup");
        scheduler.add(change(job)).unwrap();
        let process = Process::default();
        let operator = Operator::new(&scheduler.handle())
            .with_clock(Arc::new(clock.clone()))
            .with_time_zone(Zone::utc())
            .with_host(process.clone());
        let scene = Self { operator, process, clock, runs: 0, _scheduler: scheduler };
        scene.note(added, HistoryEvent::Started, "root (uid 0)");
        scene.note(added, HistoryEvent::Added { job: "backup".into() }, "ada (uid 1000)");
        scene
    }

    pub(super) fn note(&self, at: &str, what: HistoryEvent, by: &str) {
        self.operator.history().note(instant(at), what, by);
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
        self.operator.handle().with_store("default", advance).unwrap();
    }

    pub(super) fn put(&mut self, change: impl FnOnce(&mut Run)) -> u64 {
        self.runs += 1;
        let job = JobId::new("backup").unwrap();
        let mut run = Run::waiting(RunId(self.runs), job, instant("2026-02-01T01:30:00Z"));
        change(&mut run);
        let put = |store: &mut dyn JobStore| store.import(Vec::new(), vec![run], OnConflict::Refuse);
        self.operator.handle().with_store("default", put).unwrap().unwrap();
        self.runs
    }

    /// A run that began `late` after its time and took two minutes.
    pub(super) fn ran(&mut self, due: &str, late: TimeDelta, outcome: Outcome) -> u64 {
        let due = instant(due);
        self.put(|run| {
            run.fires = FireRange::single(due);
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
        let fires = FireRange { first: instant(first), last: instant(last), count };
        self.put(|run| {
            run.fires = fires;
            run.finished = Some(instant(decided));
            run.outcome = Some(Outcome::Missed(reason));
        })
    }

    #[track_caller]
    pub(super) fn asked(&self, at: &str, kind: ExplanationKind, words: &[&str]) -> Explanation {
        let why = explain(&self.operator, "backup", at).unwrap();
        assert_eq!(why.kind, kind, "{}", why.answer);
        for word in words {
            assert!(why.answer.contains(word), "{word:?} is not in {:?}", why.answer);
        }
        why
    }
}
