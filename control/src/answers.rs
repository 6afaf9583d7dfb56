//! What is done for requests that the operator answers with more than a call of the handle.

use std::collections::BTreeMap;

use matins_core::{JobOrder, JobQuery, RunId};
use matins_scheduler::SchedulerState;
use matins_triggers::tzdb;
use serde_json::{Value, json};

use crate::operator::Done;
use crate::server::HEARTBEAT;
use crate::{EventView, HistoryEvent, Item, ItemSink, Operator, Problem, ProblemKind, Status};

impl Operator {
    pub(crate) fn status(&self) -> Done {
        let jobs = self.handle().count(&JobQuery::default())?;
        let first = JobQuery::default().order(JobOrder::NextFire).limit(1);
        let listed = self.handle().list(&first)?;
        let next = listed.iter().filter_map(|(_, job)| Some((job.next_fire?, job.id.to_string()))).min();
        let stats = self.handle().stats();
        let tz_database = tzdb::version();
        let outcomes: BTreeMap<String, u64> = stats
            .finished
            .iter()
            .chain(&stats.missed)
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect();
        let (running, unfinished) = self.unfinished()?;
        Ok(json!(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            application: self.application().map(str::to_owned),
            since: self.since(),
            state: match self.handle().state() {
                SchedulerState::Running => "running",
                SchedulerState::Paused => "paused",
                SchedulerState::ShuttingDown => "stopping",
                SchedulerState::ShutDown => "stopped",
                _ if !self.host().fires_jobs() => "visiting",
                _ => "starting",
            }
            .to_owned(),
            store: self.describe_store()?,
            timezone: self.time_zone().to_string(),
            tz_database: tz_database.to_string(),
            tz_problems: tz_database.problems,
            jobs,
            next: next.map(|(at, job)| (job, at)),
            unfinished,
            running,
            orphans: self.host().orphans(),
            outcomes,
            store_failures: stats.store_failures,
            nodes: self.nodes()?,
            files_refused: self.host().files_refused(),
        }))
    }

    pub(crate) fn run_now(&self, id: &str, wait: bool, by: &str, items: &mut dyn ItemSink) -> Done {
        let pending = self.handle().run_now(id)?;
        self.note(HistoryEvent::RunNow { job: id.to_owned() }, by);
        if !wait {
            return Ok(json!({"job": id}));
        }
        loop {
            match pending.wait_within(HEARTBEAT)? {
                Some(run) => return Ok(json!(run)),
                None if !heartbeat(items) => return Ok(json!({"job": id})),
                None => {}
            }
        }
    }

    pub(crate) fn cancel(&self, run: u64, store: Option<&str>, by: &str) -> Done {
        let (store, row) = self.find_run(run, store)?;
        if !self.handle().cancel(&store, RunId(run))? {
            let message = match row.outcome {
                Some(outcome) => format!("run {run} of {} has ended: {}", row.job, outcome.as_str()),
                None => format!("run {run} of {} is not in progress: it waits, and can start later", row.job),
            };
            return Err(Problem::new(ProblemKind::Failed, message));
        }
        self.note(HistoryEvent::Cancelled { job: row.job.to_string(), run }, by);
        Ok(json!({"run": run, "job": row.job}))
    }

    pub(crate) fn watch(&self, items: &mut dyn ItemSink) -> Value {
        let events = self.handle().subscribe();
        while self.handle().state() != SchedulerState::ShutDown {
            let item = match events.next_within(HEARTBEAT) {
                Some(event) => match EventView::of(event) {
                    Some(event) => Item::of(&event.at(self.now())),
                    None => continue,
                },
                // Shows whether anybody still listens.
                None => Item::heartbeat(),
            };
            if !items.put(item) || !items.flush() {
                break;
            }
        }
        Value::Null
    }
}

/// Says that the server is still there. Returns `false` if nobody waits any more.
fn heartbeat(items: &mut dyn ItemSink) -> bool {
    items.put(Item::heartbeat()) && items.flush()
}
