//! What a daemon, and a command that opens a store for a moment, add to an operator.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use matins::Shutdown;
use matins::config::StoreUrl;
use matins::control::display::zone_of;
use matins::control::{HistoryEvent, Host, Operator, OrphanView, Problem, ProblemKind, Request, StopMode};
use matins::definitions::{self, Defaults, Definition};
use matins::{Handle, Job, OnConflict};
use serde_json::{Map, Value, json};

use crate::orphans::Orphans;
use crate::reload::{Refused, SharedDefaults};
use crate::service;

/// How the daemon's files are read again; `true` says what would be done only.
pub(crate) type Reload = Box<dyn Fn(bool) -> Result<Value, String> + Send + Sync>;

/// The daemon.
pub(crate) struct Daemon {
    pub(crate) stores: Vec<StoreUrl>,
    pub(crate) defaults: SharedDefaults,
    pub(crate) orphans: Orphans,
    pub(crate) reload: Reload,
    pub(crate) refused: Refused,
}

/// A command that has opened a store for a moment: no job fires in it.
pub(crate) struct StoreAlone {
    pub(crate) store: StoreUrl,
    /// Schedulers share it, and do what is asked of any of them.
    pub(crate) is_shared: bool,
}

/// Returns an operator without an application: what is asked of it are commands' jobs in a store.
pub(crate) fn operator(handle: &Handle, store: &StoreUrl) -> Operator {
    Operator::new(handle).without_application().with_store_description(store.to_string())
}

impl Host for Daemon {
    fn refuse(&self, _operator: &Operator, _request: &Request) -> Option<Problem> {
        None
    }

    fn add(
        &self,
        operator: &Operator,
        job: &str,
        keys: &Map<String, Value>,
        on_conflict: OnConflict,
        by: &str,
    ) -> Result<Value, Problem> {
        let defaults = self.defaults.lock().unwrap_or_else(PoisonError::into_inner).clone();
        add(operator, job, keys, &defaults, on_conflict, by)
    }

    fn edit(
        &self,
        operator: &Operator,
        job: &str,
        keys: &Map<String, Value>,
        by: &str,
    ) -> Result<Value, Problem> {
        let defaults = self.defaults.lock().unwrap_or_else(PoisonError::into_inner).clone();
        edit(operator, job, keys, defaults, by)
    }

    fn reload(&self, _operator: &Operator, dry_run: bool) -> Result<Value, Problem> {
        (self.reload)(dry_run).map_err(Problem::bad)
    }

    fn stop(&self, operator: &Operator, how: StopMode) -> Result<Value, Problem> {
        service::stopping();
        operator.handle().request_shutdown(match how {
            StopMode::Wait => Shutdown::Wait,
            StopMode::Now => Shutdown::Now,
        });
        Ok(json!({"pid": std::process::id()}))
    }

    fn orphans(&self) -> Vec<OrphanView> {
        self.orphans.all()
    }

    fn files_refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn store_files(&self) -> BTreeMap<String, u64> {
        self.stores.iter().flat_map(files_of).collect()
    }

    fn scratch_directory(&self) -> Option<PathBuf> {
        directory_of(self.stores.first()?)
    }
}

impl Host for StoreAlone {
    fn refuse(&self, _operator: &Operator, request: &Request) -> Option<Problem> {
        let needs_owner = matches!(request, Request::Status | Request::Now { .. } | Request::Cancel { .. });
        let needs_daemon = (needs_owner && !self.is_shared)
            || matches!(request, Request::Reload { .. } | Request::Stop { .. } | Request::Watch);
        let message = format!(
            "{} has no daemon: start it with `matins run`, or name another store with --store",
            self.store
        );
        needs_daemon.then(|| Problem::new(ProblemKind::NoDaemon, message))
    }

    fn fires_jobs(&self) -> bool {
        false
    }

    fn add(
        &self,
        operator: &Operator,
        job: &str,
        keys: &Map<String, Value>,
        on_conflict: OnConflict,
        by: &str,
    ) -> Result<Value, Problem> {
        add(operator, job, keys, &Defaults::new(operator.time_zone()), on_conflict, by)
    }

    fn edit(
        &self,
        operator: &Operator,
        job: &str,
        keys: &Map<String, Value>,
        by: &str,
    ) -> Result<Value, Problem> {
        edit(operator, job, keys, Defaults::new(operator.time_zone()), by)
    }

    fn store_files(&self) -> BTreeMap<String, u64> {
        files_of(&self.store)
    }

    fn scratch_directory(&self) -> Option<PathBuf> {
        directory_of(&self.store)
    }
}

fn add(
    operator: &Operator,
    id: &str,
    keys: &Map<String, Value>,
    defaults: &Defaults,
    on_conflict: OnConflict,
    by: &str,
) -> Result<Value, Problem> {
    let mut definition = Definition::from_keys(id, keys, defaults).map_err(Problem::bad)?;
    place(operator, &mut definition, keys.contains_key("store"))?;
    let paused = definition.paused;
    let before = operator.handle().get(id)?.is_some();
    let job = definition.job_by_hand(operator.now()).map_err(Problem::bad)?.on_conflict(on_conflict);
    operator.handle().add(job)?;
    if !(before && on_conflict == OnConflict::Keep) {
        operator.note(HistoryEvent::Added { job: id.to_owned() }, by);
        if paused {
            operator.note(HistoryEvent::Paused { job: id.to_owned() }, by);
        }
    }
    Ok(json!(operator.job_view(id)?))
}

/// A job that is there stays in its store, and one that follows another is in that one's.
fn place(operator: &Operator, definition: &mut Definition, names_store: bool) -> Result<(), Problem> {
    let own = operator.store_with_job(&definition.id)?;
    let followed = match definition.after() {
        Some(after) => {
            operator.store_with_job(after.job.as_str())?.map(|store| (after.job.to_string(), store))
        }
        None => None,
    };
    if !names_store && let Some(store) = own.as_ref().or(followed.as_ref().map(|(_, store)| store)) {
        definition.store = store.clone();
    }
    let (id, store) = (&definition.id, &definition.store);
    if let Some(own) = own.filter(|own| own != store) {
        return Err(Problem::bad(format!(
            "{id:?} is in the store {own:?}; remove it, and add it to {store:?}"
        )));
    }
    match followed.filter(|(_, of_followed)| of_followed != store) {
        None => Ok(()),
        Some((job, other)) => Err(Problem::bad(format!(
            "{id:?} is to be in the store {store:?} and {job:?} is in {other:?}; a job follows one in the same store"
        ))),
    }
}

fn edit(
    operator: &Operator,
    id: &str,
    keys: &Map<String, Value>,
    mut defaults: Defaults,
    by: &str,
) -> Result<Value, Problem> {
    let now = operator.now();
    let default_zone = defaults.zone;
    let mut edited = |job: &Job| {
        defaults.zone = zone_of(&*job.trigger).unwrap_or(default_zone);
        definitions::edited(job, keys, &defaults, now)
    };
    // Before the scheduler is asked for anything.
    edited(&operator.job(id)?).map_err(Problem::bad)?;
    let mut fault = None;
    operator.handle().modify(id, |job| match edited(job) {
        Ok(edited) => (*job, fault) = (edited, None),
        Err(error) => fault = Some(error),
    })?;
    if let Some(fault) = fault {
        return Err(Problem::bad(fault));
    }
    operator.note(HistoryEvent::Edited { job: id.to_owned() }, by);
    Ok(json!(operator.job_view(id)?))
}

/// Where the temporary file of an export lies: beside the store, which has room for as much.
fn directory_of(store: &StoreUrl) -> Option<PathBuf> {
    let (StoreUrl::Sqlite(path) | StoreUrl::File(path)) = store else { return None };
    let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    Some(beside.unwrap_or(Path::new(".")).to_owned())
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
