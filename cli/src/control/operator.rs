//! Does what is asked: the same for a request over the socket and for a command that has opened the store itself.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use matins::Handle;
use matins::config::StoreUrl;
use matins::prelude::*;
use matins::transfer::TransferError;
use matins::triggers::{Zone, tzdb};
use matins::{
    Clock, Job, JobId, JobOrder, JobPosition, JobState, JobStore, OnConflict, Run, RunId, SchedulerState,
    StoreError, StoreName, transfer,
};
use serde_json::{Map, Value, json};

use super::items::{Hiding, Item, Items};
use super::protocol::{Asked, How, Kind, Problem, Request};
use super::{JobView, RunView, Status, StoreInfo};
use crate::history::{Happening, History};
use crate::orphans::Orphans;
use crate::reload::Refused;
use crate::told::Told;
use crate::{config, edit, secrets, service, why};

/// How the daemon's files are read again; `true` says what would be done only.
pub(crate) type Reload = Box<dyn Fn(bool) -> Result<Value, String> + Send + Sync>;

/// A store's scheduler, and what there is to know beside it.
pub(crate) struct Operator {
    pub(crate) handle: Handle,
    pub(crate) history: Arc<History>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Of jobs that name none.
    pub(crate) zone: Zone,
    pub(crate) store: StoreUrl,
    pub(crate) since: DateTime<Utc>,
    pub(crate) orphans: Orphans,
    /// `None` where no daemon runs: somebody has opened the store for a moment.
    pub(crate) reload: Option<Reload>,
    pub(crate) refused: Refused,
}

pub(super) type Done = Result<Value, Problem>;

/// How often somebody who watches, or waits for a run, is told that nothing has happened.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(5);

impl Operator {
    /// Does what is asked as [`answer`](Self::answer) does, and hides secrets in what it answers unless they are asked for.
    /// An export is exact.
    pub(crate) fn answer_asked(
        &self,
        asked: Asked,
        by: &str,
        imported: &[u8],
        items: &mut dyn Items,
    ) -> Done {
        if asked.shows_secrets || matches!(asked.request, Request::Export) {
            return self.answer(asked.request, by, imported, items);
        }
        match self.answer(asked.request, by, imported, &mut Hiding(items)) {
            Ok(mut done) => {
                secrets::hide(&mut done);
                Ok(done)
            }
            Err(Problem { kind, message }) => {
                Err(Problem { kind, message: secrets::hide_in_text(&message).into_owned() })
            }
        }
    }

    /// Does what `request` asks for `by`. `imported` is what follows the request.
    pub(crate) fn answer(&self, request: Request, by: &str, imported: &[u8], items: &mut dyn Items) -> Done {
        match request {
            Request::Status => self.status(),
            Request::Jobs(request) => self.jobs(&request, items),
            Request::Job { job } => Ok(json!(JobView::of(self.job(&job)?))),
            Request::Runs(request) => self.runs(&request, items),
            Request::Run { run } => self.run(run),
            Request::Add { job, keys, on_conflict } => self.add(&job, &keys, on_conflict, by),
            Request::Edit { job, keys } => self.edit(&job, &keys, by),
            Request::Remove { job } => {
                self.handle.remove(&job)?;
                self.note(Happening::Removed { job: job.clone() }, by);
                Ok(json!({"job": job}))
            }
            Request::RemoveMany(request) => self.remove_many(request, by),
            Request::Pause { job } => {
                self.handle.pause(&job)?;
                self.note(Happening::Paused { job: job.clone() }, by);
                Ok(json!({"job": job}))
            }
            Request::Resume { job } => {
                self.handle.resume(&job)?;
                self.note(Happening::Resumed { job: job.clone() }, by);
                Ok(json!({"job": job, "next_fire": self.handle.get(&job)?.and_then(|job| job.next_fire)}))
            }
            Request::Now { job, wait } => self.now(&job, wait, items),
            Request::Why { job, at } => Ok(json!(why::why(self, &job, &at)?)),
            Request::Export => self.export(items),
            Request::Import { on_conflict, .. } => self.import(imported, on_conflict, by),
            Request::Info => self.info(),
            Request::Reload { dry_run } => match &self.reload {
                Some(reload) => reload(dry_run).map_err(Problem::bad),
                None => Err(self.no_daemon()),
            },
            Request::Stop { how } => self.stop(how),
            Request::Watch => self.watch(items),
        }
    }

    pub(crate) fn job(&self, id: &str) -> Result<Job, Problem> {
        self.handle.get(id)?.ok_or_else(|| no_job(id))
    }

    fn no_daemon(&self) -> Problem {
        let message = format!(
            "{} has no daemon: start it with `matins run`, or name another store with --store",
            self.store
        );
        Problem::new(Kind::NoDaemon, message)
    }

    pub(super) fn note(&self, what: Happening, by: &str) {
        self.history.note(self.clock.now(), what, by);
    }

    fn status(&self) -> Done {
        if self.reload.is_none() {
            return Err(self.no_daemon());
        }
        let jobs = self.handle.count(&JobQuery::default())?;
        let first = JobQuery::default().order(JobOrder::NextFire).limit(1);
        let next = self.handle.list(&first)?;
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
            since: self.since,
            state: match self.handle.state() {
                SchedulerState::Running => "running",
                SchedulerState::Paused => "paused",
                SchedulerState::ShuttingDown => "stopping",
                SchedulerState::ShutDown => "stopped",
                _ => "starting",
            }
            .to_owned(),
            store: self.store.to_string(),
            timezone: self.zone.to_string(),
            tz_database: tz_database.to_string(),
            tz_problems: tz_database.problems,
            jobs,
            next: next.first().and_then(|(_, job)| Some((job.id.to_string(), job.next_fire?))),
            unfinished,
            running,
            orphans: self.orphans.all(),
            outcomes,
            store_failures: stats.store_failures,
            files_refused: self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }))
    }

    /// The runs that the executor has taken, with when the work of each began.
    pub(crate) fn in_flight(&self) -> Result<BTreeMap<RunId, Option<DateTime<Utc>>>, Problem> {
        Ok(self.handle.in_flight(&StoreName::default())?)
    }

    /// The row of the ledger with this number.
    pub(crate) fn row(&self, run: RunId) -> Result<Option<Run>, Problem> {
        // The first row whose number is not below it.
        let query = RunQuery::default().after(run.0.checked_sub(1).map(RunId)).limit(1);
        Ok(self.handle.runs_in("default", &query)?.into_iter().find(|found| found.id == run))
    }

    fn run(&self, run: u64) -> Done {
        let found = self.row(RunId(run))?.ok_or_else(|| {
            Problem::new(
                Kind::NotFound,
                format!("the ledger has no run {run}; `matins runs` lists those that it has"),
            )
        })?;
        let progress = self.handle.progress(&StoreName::default(), found.id)?;
        let mut view = RunView::of(found, &self.in_flight()?);
        view.cause_job = self.causes().job_of(&view.run)?;
        let mut value = json!(view);
        if let Some(progress) = progress {
            value["progress"] = json!({"done": progress.done, "total": progress.total});
        }
        Ok(value)
    }

    fn add(&self, id: &str, keys: &Map<String, Value>, on_conflict: OnConflict, by: &str) -> Done {
        let now = self.clock.now();
        let definition = config::job_of_keys(id, keys, self.zone).map_err(Problem::bad)?;
        let paused = definition.paused;
        let before = self.handle.get(id)?.is_some();
        let job = definition.job_by_hand(now).map_err(Problem::bad)?.on_conflict(on_conflict);
        self.handle.add(job)?;
        if !(before && on_conflict == OnConflict::Keep) {
            self.note(Happening::Added { job: id.to_owned() }, by);
            if paused {
                self.note(Happening::Paused { job: id.to_owned() }, by);
            }
        }
        Ok(json!(JobView::of(self.job(id)?)))
    }

    fn edit(&self, id: &str, keys: &Map<String, Value>, by: &str) -> Done {
        let now = self.clock.now();
        // Tried on a copy first: a change that is half wrong must not be made by half.
        edit::edit(&mut self.job(id)?, keys, self.zone, now).map_err(Problem::bad)?;
        let mut fault = None;
        let job = self.handle.modify(id, |job| {
            let before = job.clone();
            fault = None;
            if let Err(error) = edit::edit(job, keys, self.zone, now) {
                *job = before;
                fault = Some(error);
            }
        })?;
        if let Some(fault) = fault {
            return Err(Problem::bad(fault));
        }
        self.note(Happening::Edited { job: id.to_owned() }, by);
        Ok(json!(JobView::of(job)))
    }

    fn now(&self, id: &str, wait: bool, items: &mut dyn Items) -> Done {
        // A daemon that has only just begun to listen starts it in a moment.
        if self.reload.is_none() {
            return Err(self.no_daemon());
        }
        let pending = self.handle.run_now(id)?;
        if !wait {
            return Ok(json!({"job": id}));
        }
        loop {
            match pending.wait_within(KEEP_ALIVE)? {
                Some(run) => return Ok(json!(run)),
                None if !sign_of_life(items) => return Ok(json!({"job": id})),
                None => {}
            }
        }
    }

    fn export(&self, items: &mut dyn Items) -> Done {
        // Into a file without a name: who takes it may be slow, and nothing fires while the store is read. It must be read in
        // one piece: jobs and runs belong together.
        let failed = |error: io::Error| {
            Problem::new(
                Kind::Failed,
                format!("the store cannot be copied beside it to be exported: {error}"),
            )
        };
        let file = match &self.store {
            StoreUrl::Sqlite(path) | StoreUrl::File(path) => {
                let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                tempfile::tempfile_in(beside.unwrap_or(Path::new("."))).map_err(failed)?
            }
            _ => tempfile::tempfile().map_err(failed)?,
        };
        let mut out = BufWriter::new(file);
        let carried = self.handle.with_store("default", |store| transfer::export(store, &mut out))?;
        let carried = carried.map_err(|error| Problem::new(Kind::Failed, matins::error_chain(&error)))?;
        let mut file = out.into_inner().map_err(|error| failed(error.into_error()))?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        for line in BufReader::new(file).lines() {
            if !items.put(Item::of(&line.map_err(failed)?)) {
                break;
            }
        }
        Ok(json!({"jobs": carried.jobs, "runs": carried.runs, "set_aside": carried.set_aside}))
    }

    fn import(&self, lines: &[u8], on_conflict: OnConflict, by: &str) -> Done {
        let import = |store: &mut dyn JobStore| {
            let before = ids(store)?;
            let carried = transfer::import(store, BufReader::new(lines), on_conflict)?;
            let new: Vec<JobId> = ids(store)?.difference(&before).cloned().collect();
            Ok::<_, TransferError>((carried, new))
        };
        let (carried, new) = self.handle.with_store("default", import)?.map_err(import_problem)?;
        let kept = if on_conflict == OnConflict::Keep { carried.jobs - new.len() } else { 0 };
        for job in new {
            self.note(Happening::Added { job: job.to_string() }, &format!("{by}, by import"));
        }
        Ok(json!({"jobs": carried.jobs - kept, "runs": carried.runs, "kept": kept}))
    }

    fn info(&self) -> Done {
        let paused = JobQuery::default().state(JobState::Paused);
        let first = RunQuery::default().limit(1);
        let info = StoreInfo {
            store: self.store.to_string(),
            jobs: self.handle.count(&JobQuery::default())?,
            paused: self.handle.count(&paused)?,
            runs: self.handle.count_runs_in("default", &RunQuery::default())?,
            oldest_run: self.handle.runs_in("default", &first)?.first().map(matins::Run::scheduled),
            set_aside: self.handle.set_aside()?.iter().map(|(_, job)| job.to_string()).collect(),
            files: files_of(&self.store),
        };
        Ok(json!(info))
    }

    fn stop(&self, how: How) -> Done {
        if self.reload.is_none() {
            return Err(self.no_daemon());
        }
        service::stopping();
        self.handle.request_shutdown(match how {
            How::Wait => Shutdown::Wait,
            How::Now => Shutdown::Now,
        });
        Ok(json!({"pid": std::process::id()}))
    }

    fn watch(&self, items: &mut dyn Items) -> Done {
        if self.reload.is_none() {
            return Err(self.no_daemon());
        }
        let events = self.handle.subscribe();
        while self.handle.state() != SchedulerState::ShutDown {
            let item = match events.next_within(KEEP_ALIVE) {
                Some(event) => match Told::of(event) {
                    Some(told) => Item::of(&told.at(self.clock.now())),
                    None => continue,
                },
                // Shows whether anybody still listens.
                None => Item::sign_of_life(),
            };
            if !items.put(item) || !items.flush() {
                break;
            }
        }
        Ok(Value::Null)
    }
}

pub(crate) fn no_job(id: &str) -> Problem {
    Problem::new(Kind::NotFound, format!("there is no job {id:?}; `matins jobs` lists those that there are"))
}

/// Says that the daemon is still there. Returns false if nobody waits any more.
fn sign_of_life(items: &mut dyn Items) -> bool {
    items.put(Item::sign_of_life()) && items.flush()
}

fn ids(store: &mut dyn JobStore) -> Result<BTreeSet<JobId>, StoreError> {
    let mut ids = BTreeSet::new();
    let mut query = JobQuery::default().limit(1_000);
    loop {
        let page = store.list(&query)?;
        let Some(last) = page.last() else { return Ok(ids) };
        query.after = Some(JobPosition::of(last));
        ids.extend(page.into_iter().map(|job| job.id));
    }
}

fn import_problem(error: TransferError) -> Problem {
    let kind = match &error {
        TransferError::Store(StoreError::Conflict { id }) => {
            let message = format!(
                "there is a job {id:?} already; import with --on-conflict replace or keep, or into another store; nothing \
                 was imported"
            );
            return Problem::new(Kind::Conflict, message);
        }
        TransferError::Line { .. } => Kind::BadRequest,
        _ => Kind::Failed,
    };
    Problem::new(kind, matins::error_chain(&error))
}

/// The files of a store that are there, with their lengths.
fn files_of(store: &StoreUrl) -> BTreeMap<String, u64> {
    let length = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        metadata.is_file().then(|| (path.display().to_string(), metadata.len()))
    };
    match store {
        StoreUrl::Sqlite(path) => ["", "-wal", "-history"]
            .iter()
            .filter_map(|ending| length(Path::new(&format!("{}{ending}", path.display()))))
            .collect(),
        StoreUrl::File(directory) => std::fs::read_dir(directory)
            .into_iter()
            .flatten()
            .filter_map(|entry| length(&entry.ok()?.path()))
            .collect(),
        _ => BTreeMap::new(),
    }
}
