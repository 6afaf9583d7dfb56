//! A store in the engine's hands: what goes on with its jobs, and how it fares.

use std::sync::Arc;

use ahash::AHashMap as HashMap;
use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    CompletionSink, JobId, JobStore, RunId, RunReport, SetAside, StoreError, StoreName, TaskName,
};

use crate::leaving::Leaving;
use crate::live::Live;

/// A store under its name, and where the runs of its jobs report.
pub(crate) type StorePart = (StoreName, Box<dyn JobStore>, Arc<dyn CompletionSink>);

pub(crate) struct StoreSlot {
    /// What reports and waiters know it by.
    pub(crate) number: usize,
    pub(crate) name: StoreName,
    pub(crate) store: Box<dyn JobStore>,
    pub(crate) sink: Arc<dyn CompletionSink>,
    pub(crate) live: Live,
    pub(crate) next_run: RunId,
    /// Reports that are not committed yet.
    pub(crate) reports: Vec<RunReport>,
    pub(crate) unpruned: HashMap<JobId, u32>,
    pub(crate) prune_by_age_at: DateTime<Utc>,
    /// Its ledger may hold rows that grow too old.
    pub(crate) has_rows: bool,
    pub(crate) failing: Option<Failing>,
    /// What the store holds as unfinished was compared with what goes on here: at the start, and after a failure, since a
    /// commit may have been done and its answer lost.
    pub(crate) is_known: bool,
    /// The tasks of jobs that were added as closures.
    pub(crate) closures: HashMap<JobId, TaskName>,
    pub(crate) next_job_number: u64,
    /// The jobs that are set aside, as the listeners have been told.
    pub(crate) set_aside: Vec<SetAside>,
    /// It is to be given back.
    pub(crate) leaving: Option<Leaving>,
}

impl StoreSlot {
    pub(crate) fn new(
        number: usize,
        name: StoreName,
        mut store: Box<dyn JobStore>,
        sink: Arc<dyn CompletionSink>,
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            next_run: store.next_run_id()?,
            number,
            name,
            store,
            sink,
            live: Live::default(),
            reports: Vec::new(),
            unpruned: HashMap::new(),
            prune_by_age_at: now,
            has_rows: true,
            failing: None,
            is_known: false,
            closures: HashMap::new(),
            next_job_number: 1,
            set_aside: Vec::new(),
            leaving: None,
        })
    }

    /// Whether it has failed and has not recovered yet.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.is_some()
    }
}

/// A store that has failed, and when it is tried again.
pub(crate) struct Failing {
    pub(crate) retry_at: DateTime<Utc>,
    /// The wait up to then.
    pub(crate) delay: TimeDelta,
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use matins_core::{Clock, ExecutorName, Policy, RunQuery};
    use matins_store_memory::MemoryStore;
    use matins_task_function::TaskRegistry;
    use matins_triggers::at;

    use super::*;
    use crate::engine::{Engine, Next, Parts};
    use crate::{Retention, Schedule, VirtualClock};

    #[derive(Default)]
    struct Reports(Mutex<Vec<(usize, RunReport)>>);

    impl CompletionSink for Reports {
        fn completed(&self, report: RunReport) {
            self.0.lock().unwrap().push((0, report));
        }
    }

    /// What the driver would wait for, with nothing left to do before.
    fn waits_until(engine: &mut Engine, reports: &Reports) -> Option<DateTime<Utc>> {
        loop {
            engine.take_reports(std::mem::take(&mut *reports.0.lock().unwrap()));
            let (submissions, next) = engine.turn();
            let is_idle = submissions.is_empty();
            for run in submissions {
                run.done.finish(run.request.execute());
            }
            match next {
                Next::WaitUntil(until) if is_idle => return until,
                _ => {}
            }
        }
    }

    #[test]
    fn rows_that_grow_too_old_go_though_no_job_is_due_and_then_nobody_wakes_up() {
        let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let (clock, reports) = (VirtualClock::new(start), Arc::<Reports>::default());
        let store: StorePart = (StoreName::default(), Box::new(MemoryStore::new()), reports.clone());
        let mut engine = Engine::new(Parts {
            clock: Arc::new(clock.clone()),
            tasks: TaskRegistry::default(),
            stores: vec![store],
            executors: [ExecutorName::default()].into(),
            retention: Retention { runs_per_job: None, age: Some(Duration::from_secs(3 * 3600)) },
            job_defaults: Policy::default(),
        })
        .unwrap();
        engine.start();
        assert_eq!(waits_until(&mut engine, &reports), None, "an empty ledger");
        engine.add(at("2026-01-01T00:30:00Z").run(|| ())).unwrap();
        let mut looks = 0;
        while let Some(until) = waits_until(&mut engine, &reports) {
            clock.set(until);
            looks += 1;
        }
        assert!(clock.now() > start + TimeDelta::hours(3), "{}", clock.now());
        assert!(looks <= 6, "{looks} looks: once an hour, and once for the job");
        assert!(engine.stores[0].store.runs(&RunQuery::default()).unwrap().is_empty());
    }
}
