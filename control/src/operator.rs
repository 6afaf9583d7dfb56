//! Answers requests: for clients of the socket, and for a program that has opened a store itself.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{Clock, Job, StoreName};
use matins_scheduler::{Handle, SystemClock};
use matins_triggers::Zone;
use serde_json::{Value, json};

use crate::host::{Application, Host};
use crate::items::{Hiding, ItemSink};
use crate::protocol::Received;
use crate::{History, HistoryEvent, Problem, ProblemKind, Request, explain, secrets};

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
/// assert_eq!(operator.application(), Some("reports"));
/// assert_eq!(operator.time_zone().name(), "UTC");
/// assert!(operator.history().entries().is_empty());
/// assert!(operator.now() >= status["since"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap());
/// assert_eq!(operator.handle().stores().unwrap(), ["default"]);
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
    ///
    /// ```
    /// use matins_control::Operator;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// let operator = Operator::new(&scheduler.handle()).with_application("reports");
    /// assert_eq!(operator.application(), Some("reports"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_application(self, name: impl Into<String>) -> Self {
        Self { application: Some(name.into()), ..self }
    }

    /// Makes this the operator of a daemon, which runs nothing but jobs: it has no application's name.
    ///
    /// ```
    /// use matins_control::Operator;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// let operator = Operator::new(&scheduler.handle()).without_application();
    /// assert_eq!(operator.application(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use matins_control::Operator;
    /// use matins_scheduler::VirtualClock;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// let clock = VirtualClock::new("2026-01-01T00:00:00Z".parse()?);
    /// let operator = Operator::new(&scheduler.handle()).with_clock(Arc::new(clock));
    /// assert_eq!(operator.now().to_rfc3339(), "2026-01-01T00:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { since: clock.now(), clock, ..self }
    }

    /// Sets the zone of times in explanations of jobs that have none. By default, it is the scheduler's time zone.
    ///
    /// ```
    /// use matins_control::Operator;
    /// use matins_triggers::Zone;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// let operator = Operator::new(&scheduler.handle()).with_time_zone(Zone::named("Europe/Berlin")?);
    /// assert_eq!(operator.time_zone().name(), "Europe/Berlin");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_time_zone(self, zone: Zone) -> Self {
        Self { zone, ..self }
    }

    /// Sets the description of the store, such as its URL. By default, it is the names of the scheduler's stores.
    ///
    /// ```
    /// use matins_control::{Operator, Request};
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// let operator = Operator::new(&scheduler.handle()).with_store_description("the reports in memory");
    /// let status = operator.answer(Request::Status, "ada", &[], &mut |_item| true)?;
    /// assert_eq!(status["store"], "the reports in memory");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_store_description(self, store: impl Into<String>) -> Self {
        Self { store: Some(store.into()), ..self }
    }

    /// Sets what the process adds.
    ///
    /// ```
    /// use matins_control::{Host, Operator, OrphanView, Request};
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// struct WithOrphan;
    ///
    /// impl Host for WithOrphan {
    ///     fn orphans(&self) -> Vec<OrphanView> {
    ///         vec![OrphanView { job: "backup".to_owned(), run: 7, pid: 4711 }]
    ///     }
    /// }
    /// let operator = Operator::new(&scheduler.handle()).with_host(WithOrphan);
    /// let status = operator.answer(Request::Status, "ada", &[], &mut |_item| true)?;
    /// assert_eq!(status["orphans"][0]["pid"], 4711);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// Since when the scheduler runs.
    pub(crate) fn since(&self) -> DateTime<Utc> {
        self.since
    }

    pub(crate) fn host(&self) -> &dyn Host {
        &*self.host
    }

    /// Answers a request as [`answer`](Self::answer) does, and hides secrets in the answer unless the client asks for them. An
    /// export is exact.
    ///
    /// ```
    /// use matins_control::{Operator, protocol};
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// let operator = Operator::new(&scheduler.handle());
    /// let received = protocol::read(br#"{"matins":1,"command":"info"}"#)?;
    /// let info = operator.answer_received(received, "ada", &[], &mut |_item| true)?;
    /// assert_eq!(info["jobs"], 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    /// ```
    /// use matins_control::{HistoryEvent, Operator, Request};
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::cron;
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// scheduler.add(cron("30 2 * * *").run(|| ()).id("backup"))?;
    /// let operator = Operator::new(&scheduler.handle());
    /// operator.answer(Request::Pause { job: "backup".to_owned() }, "ada", &[], &mut |_item| true)?;
    /// assert!(scheduler.get("backup")?.unwrap().next_fire.is_none());
    /// assert_eq!(operator.history().entries()[0].what, HistoryEvent::Paused { job: "backup".to_owned() });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
            Request::Job { job } => Ok(json!(self.job_view(&job)?)),
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
            Request::Now { job, wait } => self.run_now(&job, wait, by, items),
            Request::Cancel { run, store } => self.cancel(run, store.as_deref(), by),
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
    /// ```
    /// use matins_control::{Operator, ProblemKind};
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::cron;
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// scheduler.add(cron("30 2 * * *").run(|| ()).id("backup"))?;
    /// let operator = Operator::new(&scheduler.handle());
    /// assert_eq!(operator.job("backup")?.id, "backup");
    /// assert_eq!(operator.job("report").unwrap_err().kind, ProblemKind::NotFound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`NotFound`](ProblemKind::NotFound) if no job has this id.
    pub fn job(&self, id: &str) -> Result<Job, Problem> {
        self.handle.get(id)?.ok_or_else(|| no_job(id))
    }

    /// Adds an entry to the history.
    ///
    /// ```
    /// use matins_control::{HistoryEvent, Operator};
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// let operator = Operator::new(&scheduler.handle());
    /// operator.note(HistoryEvent::Stopped, "ada");
    /// assert_eq!(operator.history().entries()[0].by, "ada");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
}

pub(crate) fn no_job(id: &str) -> Problem {
    let message = format!("there is no job {id:?}; `matins jobs` lists those that there are");
    Problem::new(ProblemKind::NotFound, message)
}
