//! Answers requests: for clients of the socket, and for a program that has opened a store itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{Clock, Job, JobOrder, JobQuery, RunId, StoreName};
use matins_scheduler::{Handle, SchedulerState, SystemClock};
use matins_triggers::{Zone, tzdb};
use serde_json::{Value, json};

use crate::host::{Application, Host};
use crate::items::{Hiding, Item, ItemSink};
use crate::protocol::Received;
use crate::server::HEARTBEAT;
use crate::{
    EventView, History, HistoryEvent, JobView, Problem, ProblemKind, Request, Status, explain, secrets,
};

pub(crate) type Done = Result<Value, Problem>;

/// Answers requests about a scheduler.
///
/// [`serve`](crate::serve) makes one. Make it yourself to give the history a file, to name the application, or to add requests
/// with a [`Host`].
///
/// ```
/// use matins_control::{Operator, Request};
/// # use matins_executor_thread::ThreadExecutor;
/// # use matins_scheduler::SchedulerBuilder;
/// # use matins_store_memory::MemoryStore;
/// # let scheduler = SchedulerBuilder::new()
/// #     .store("default", MemoryStore::new())
/// #     .executor("default", ThreadExecutor::new())
/// #     .background()
/// #     .unwrap();
/// let operator = Operator::new(&scheduler.handle()).with_application("reports");
/// let status = operator.answer(Request::Status, "ada", &[], &mut |_item| true).unwrap();
/// assert_eq!(status["application"], "reports");
/// ```
pub struct Operator {
    handle: Handle,
    history: Arc<History>,
    clock: Arc<dyn Clock>,
    zone: Zone,
    application: Option<String>,
    store: Option<String>,
    since: DateTime<Utc>,
    host: Box<dyn Host>,
}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operator").field("application", &self.application).finish_non_exhaustive()
    }
}

impl Operator {
    /// Returns an operator of a scheduler, with a history in memory. It is that of an application, whose name is that of its
    /// program.
    pub fn new(handle: &Handle) -> Self {
        let clock = Arc::new(SystemClock);
        let program = std::env::current_exe().ok();
        let program = program.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        Self {
            handle: handle.clone(),
            history: Arc::new(History::in_memory()),
            // A name that is no zone is reported when a job needs it.
            zone: Zone::named(handle.time_zone()).unwrap_or(Zone::utc()),
            application: Some(program.unwrap_or_else(|| "an application".to_owned())),
            store: None,
            since: clock.now(),
            clock,
            host: Box::new(Application),
        }
    }

    /// Sets the name of the application, which `matins status` shows.
    #[must_use]
    pub fn with_application(self, name: impl Into<String>) -> Self {
        Self { application: Some(name.into()), ..self }
    }

    /// Makes this the operator of a daemon, which runs nothing but jobs: it has no application's name.
    #[must_use]
    pub fn without_application(self) -> Self {
        Self { application: None, ..self }
    }

    /// Sets the history, for one in a file.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use matins_control::{History, Operator};
    /// # use matins_scheduler::SchedulerBuilder;
    /// # let scheduler = SchedulerBuilder::new().background().unwrap();
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("jobs.db-history");
    /// let history = History::open(&path).unwrap();
    /// let operator = Operator::new(&scheduler.handle()).with_history(Arc::new(history));
    /// ```
    #[must_use]
    pub fn with_history(self, history: Arc<History>) -> Self {
        Self { history, ..self }
    }

    /// Sets the clock: the scheduler's own, if that is not the system's. It also says since when the scheduler runs.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { since: clock.now(), clock, ..self }
    }

    /// Sets the zone of times in explanations of jobs that have none. By default, it is the scheduler's time zone.
    #[must_use]
    pub fn with_time_zone(self, zone: Zone) -> Self {
        Self { zone, ..self }
    }

    /// Sets the description of the store, such as its URL. By default, it is the names of the scheduler's stores.
    #[must_use]
    pub fn with_store_description(self, store: impl Into<String>) -> Self {
        Self { store: Some(store.into()), ..self }
    }

    /// Sets what the process adds.
    #[must_use]
    pub fn with_host(self, host: impl Host) -> Self {
        Self { host: Box::new(host), ..self }
    }

    /// Returns the scheduler.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Returns the history.
    pub fn history(&self) -> &Arc<History> {
        &self.history
    }

    /// Returns the current time.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Returns the zone of jobs that name none.
    pub fn time_zone(&self) -> Zone {
        self.zone
    }

    /// Returns the name of the application; `None` for a daemon.
    pub fn application(&self) -> Option<&str> {
        self.application.as_deref()
    }

    pub(crate) fn host(&self) -> &dyn Host {
        &*self.host
    }

    /// Answers a request as [`answer`](Self::answer) does, and hides secrets in the answer unless the client asks for them. An
    /// export is exact.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub fn answer_received(
        &self,
        received: Received,
        by: &str,
        imported: &[u8],
        items: &mut dyn ItemSink,
    ) -> Result<Value, Problem> {
        if received.shows_secrets || matches!(received.request, Request::Export) {
            return self.answer(received.request, by, imported, items);
        }
        match self.answer(received.request, by, imported, &mut Hiding(items)) {
            Ok(mut done) => {
                secrets::hide(&mut done);
                Ok(done)
            }
            Err(Problem { kind, message }) => {
                Err(Problem { kind, message: secrets::hide_in_text(&message).into_owned() })
            }
        }
    }

    /// Does what `request` asks for, and returns the end of the answer. `by` is the client's user, `imported` what follows the
    /// request, and `items` takes what comes before the end.
    ///
    /// # Errors
    /// If the request is not done. Nothing has changed then.
    pub fn answer(
        &self,
        request: Request,
        by: &str,
        imported: &[u8],
        items: &mut dyn ItemSink,
    ) -> Result<Value, Problem> {
        if let Some(problem) = self.host.refuse(self, &request) {
            return Err(problem);
        }
        match request {
            Request::Status => self.status(),
            Request::Jobs(request) => self.jobs(&request, items),
            Request::Job { job } => Ok(json!(JobView::of(self.job(&job)?))),
            Request::Runs(request) => self.runs(&request, items),
            Request::Run { run, store } => self.run(run, store.as_deref()),
            Request::Add { job, keys, on_conflict } => self.host.add(self, &job, &keys, on_conflict, by),
            Request::Edit { job, keys } => self.host.edit(self, &job, &keys, by),
            Request::Remove { job } => {
                self.handle.remove(&job)?;
                self.note(HistoryEvent::Removed { job: job.clone() }, by);
                Ok(json!({"job": job}))
            }
            Request::RemoveMany(request) => self.remove_many(request, by),
            Request::Pause { job } => {
                self.handle.pause(&job)?;
                self.note(HistoryEvent::Paused { job: job.clone() }, by);
                Ok(json!({"job": job}))
            }
            Request::Resume { job } => {
                self.handle.resume(&job)?;
                self.note(HistoryEvent::Resumed { job: job.clone() }, by);
                Ok(json!({"job": job, "next_fire": self.handle.get(&job)?.and_then(|job| job.next_fire)}))
            }
            Request::Now { job, wait } => self.run_now(&job, wait, items),
            Request::Cancel { run, store } => self.cancel(run, store.as_deref()),
            Request::Why { job, at } => Ok(json!(explain::explain(self, &job, &at)?)),
            Request::Export => self.export(items),
            Request::Import { on_conflict, .. } => self.import(imported, on_conflict, by),
            Request::Info => self.info(),
            Request::Reload { dry_run } => self.host.reload(self, dry_run),
            Request::Stop { how } => self.host.stop(self, how),
            Request::Watch => Ok(self.watch(items)),
        }
    }

    /// Returns a job.
    ///
    /// # Errors
    /// [`NotFound`](ProblemKind::NotFound) if there is none with this id.
    pub fn job(&self, id: &str) -> Result<Job, Problem> {
        self.handle.get(id)?.ok_or_else(|| no_job(id))
    }

    /// Adds an entry to the history.
    pub fn note(&self, what: HistoryEvent, by: &str) {
        self.history.note(self.clock.now(), what, by);
    }

    /// The stores; `default` comes first, where there is one.
    pub(crate) fn stores(&self) -> Result<Vec<StoreName>, Problem> {
        let mut stores = self.handle.stores()?;
        stores.sort_by_key(|store| *store != StoreName::default());
        Ok(stores)
    }

    pub(crate) fn first_store(&self) -> Result<StoreName, Problem> {
        let first = self.stores()?.into_iter().next();
        first.ok_or_else(|| Problem::new(ProblemKind::NotFound, "this scheduler has no store"))
    }

    pub(crate) fn describe_store(&self) -> Result<String, Problem> {
        if let Some(store) = &self.store {
            return Ok(store.clone());
        }
        let names: Vec<String> = self.stores()?.iter().map(ToString::to_string).collect();
        Ok(names.join(", "))
    }

    fn status(&self) -> Done {
        let jobs = self.handle.count(&JobQuery::default())?;
        let first = JobQuery::default().order(JobOrder::NextFire).limit(1);
        let listed = self.handle.list(&first)?;
        let next = listed.iter().filter_map(|(_, job)| Some((job.next_fire?, job.id.to_string()))).min();
        let stats = self.handle.stats();
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
            application: self.application.clone(),
            since: self.since,
            state: match self.handle.state() {
                SchedulerState::Running => "running",
                SchedulerState::Paused => "paused",
                SchedulerState::ShuttingDown => "stopping",
                SchedulerState::ShutDown => "stopped",
                _ => "starting",
            }
            .to_owned(),
            store: self.describe_store()?,
            timezone: self.zone.to_string(),
            tz_database: tz_database.to_string(),
            tz_problems: tz_database.problems,
            jobs,
            next: next.map(|(at, job)| (job, at)),
            unfinished,
            running,
            orphans: self.host.orphans(),
            outcomes,
            store_failures: stats.store_failures,
            files_refused: self.host.files_refused(),
        }))
    }

    fn run_now(&self, id: &str, wait: bool, items: &mut dyn ItemSink) -> Done {
        let pending = self.handle.run_now(id)?;
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

    fn cancel(&self, run: u64, store: Option<&str>) -> Done {
        let (store, row) = self.find_run(run, store)?;
        if !self.handle.cancel(&store, RunId(run))? {
            let message = match row.outcome {
                Some(outcome) => format!("run {run} of {} has ended: {}", row.job, outcome.as_str()),
                None => format!("run {run} of {} is not in progress: it waits, and can start later", row.job),
            };
            return Err(Problem::new(ProblemKind::Failed, message));
        }
        Ok(json!({"run": run, "job": row.job}))
    }

    fn watch(&self, items: &mut dyn ItemSink) -> Value {
        let events = self.handle.subscribe();
        while self.handle.state() != SchedulerState::ShutDown {
            let item = match events.next_within(HEARTBEAT) {
                Some(event) => match EventView::of(event) {
                    Some(event) => Item::of(&event.at(self.clock.now())),
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

pub(crate) fn no_job(id: &str) -> Problem {
    let message = format!("there is no job {id:?}; `matins jobs` lists those that there are");
    Problem::new(ProblemKind::NotFound, message)
}

/// Says that the server is still there. Returns `false` if nobody waits any more.
fn heartbeat(items: &mut dyn ItemSink) -> bool {
    items.put(Item::heartbeat()) && items.flush()
}
