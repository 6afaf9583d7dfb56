//! Reading the files again while the daemon runs: at a signal, on request, or as the crontab has changed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use chrono::{DateTime, Utc};
use matins::Handle;
use matins::config::StoreConfig;
use matins::control::display as show;
use matins::definitions::Defaults;
use matins::{Clock, ExecutorName, JobId, SchedulerState, StoreName, SystemClock};
use matins_terminal::notice;

use crate::history::History;
use crate::hooks::Hooks;
use crate::sources::{Defined, DefinedFile, Sources};
use crate::stored::{FileName, Stored};
use crate::sync::{self, Changes, Situation};
use crate::watch_files::Watched;
use crate::{boot, service, zone_rules};

/// Why the files were refused when they were read last, if they were.
pub(crate) type Refused = Arc<Mutex<Option<String>>>;

/// What jobs get that are added while the daemon runs.
pub(crate) type SharedDefaults = Arc<Mutex<Defaults>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Start,
    Reload,
    DryRun,
}

/// So often plans are made, where other daemons that share the store start with the same files at the same moment.
const TRIES: usize = 10;

/// Brings the store in line with what the files say. All plans are made before the first is carried out.
pub(crate) fn bring_in_line(
    scheduler: &Handle,
    history: &History,
    files: Vec<DefinedFile>,
    adopted: Option<&Path>,
    step: Step,
    now: DateTime<Utc>,
) -> Result<Vec<Changes>, String> {
    let names: Vec<FileName> = files.iter().map(FileName::of).collect();
    let boot = boot::id();
    let named = files.iter().flat_map(|file| &file.jobs).filter_map(sync::named).map(str::to_owned);
    let wanted: HashMap<String, StoreName> =
        files.iter().flat_map(|file| &file.jobs).map(|job| (job.id.clone(), job.store.clone())).collect();
    let read = || {
        let read = || Stored::read(scheduler, &names, adopted).map_err(|error| matins::error_chain(&error));
        let stored = read()?;
        if stored.in_two_stores.is_empty() {
            return Ok(stored);
        }
        for (job, stores) in &stored.in_two_stores {
            leave_in_one_store(scheduler, job, stores, wanted.get(job.as_str()), step)?;
        }
        read()
    };
    let named: HashSet<String> = named.collect();
    let mut situation = Situation {
        scheduler,
        named: named.clone(),
        stored: read()?,
        is_start: step == Step::Start,
        boot: boot.as_deref(),
        now,
    };
    let plan = |situation: &mut Situation<'_>, files: Vec<DefinedFile>| {
        situation.named.clone_from(&named);
        let gone: Vec<DefinedFile> = situation.stored.not_named_now.iter().cloned().map(no_jobs_of).collect();
        let files = files.into_iter().chain(gone).enumerate();
        files.map(|(place, file)| sync::plan(situation, place, file)).collect::<Result<Vec<_>, _>>()
    };
    let stores = scheduler.stores().map_err(|error| matins::error_chain(&error))?;
    let is_shared = stores
        .iter()
        .any(|store| scheduler.with_shared_store(store, |_| ()).is_ok_and(|shared| shared.is_some()));
    let again = is_shared.then(|| files.clone());
    let mut plans = plan(&mut situation, files);
    // What another daemon has added from the same file since the store was read is no job from elsewhere.
    for files in again.into_iter().flat_map(|files| std::iter::repeat_n(files, TRIES)) {
        let stored = read()?;
        if stored.has_the_ids_of(&situation.stored) {
            break;
        }
        situation.stored = stored;
        plans = plan(&mut situation, files);
    }
    let plans = plans?;
    if step == Step::Start {
        for (file, count) in &situation.stored.others {
            notice::warn(format_args!(
                "{} of {file} in this store, a file that is not read now: they keep firing. If it has moved, start once \
                 with --adopt {file}; else remove them with `matins remove`",
                show::counted(*count, "job")
            ));
        }
    }
    if step == Step::DryRun {
        return Ok(plans.into_iter().map(|plan| plan.changes).collect());
    }
    plans.into_iter().map(|plan| sync::apply(history, plan, &situation)).collect()
}

/// Takes a job of a file out of all stores but the one that the file says. It is in two of them after a kill in the middle of its
/// move, and if one of them was not named for a while.
fn leave_in_one_store(
    scheduler: &Handle,
    job: &JobId,
    stores: &[StoreName],
    wanted: Option<&StoreName>,
    step: Step,
) -> Result<(), String> {
    let kept = wanted.filter(|wanted| stores.contains(wanted)).or(stores.first());
    for store in stores.iter().filter(|store| Some(*store) != kept) {
        // A store that schedulers share cannot be had alone.
        let removed = (step == Step::Start)
            .then(|| scheduler.with_store(store, |store| store.remove(job)))
            .and_then(Result::ok);
        let Some(removed) = removed else {
            return Err(format!(
                "the job {job:?} is in more than one store: {}; it would run twice. Take it out of one of them: stop the \
                 daemon, and use `matins remove {job} --store STORE`",
                stores.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ));
        };
        removed.map_err(|error| matins::error_chain(&error))?;
        notice::tell(format_args!("{job} was in two stores: it is taken out of {store}"));
    }
    Ok(())
}

/// A file that is not named any more: what it has brought into the store goes.
fn no_jobs_of(path: PathBuf) -> DefinedFile {
    DefinedFile { path, is_crontab: true, named_by: None, jobs: Vec::new(), notes: Vec::new() }
}

/// Reads the files again.
pub(crate) struct Reloader {
    pub(crate) handle: Handle,
    pub(crate) history: Arc<History>,
    pub(crate) sources: Sources,
    pub(crate) hooks: Hooks,
    /// What jobs get that are added while it runs.
    pub(crate) defaults: SharedDefaults,
    /// The crontabs that are watched; `None` if none is to be.
    pub(crate) watched: Option<Mutex<BTreeSet<PathBuf>>>,
    /// What the files said at the start, besides jobs.
    pub(crate) began_with: Defined,
    /// Held while it works: a signal and a request may come together.
    pub(crate) turn: Mutex<()>,
    /// Why the files were refused when they were read last.
    pub(crate) refused: Refused,
}

impl Reloader {
    /// Reads the files again and says what has changed, or why nothing was changed.
    pub(crate) fn reload_and_tell(self: &Arc<Self>, cause: &str) {
        service::reloading();
        match self.reload(false) {
            Ok(changes) => changes.iter().for_each(|changes| notice::tell(changes.describe())),
            Err(error) => {
                notice::error(format_args!(
                    "{cause}, and it was refused; the jobs stay as they are: {error}"
                ));
            }
        }
        service::ready("firing jobs");
    }

    /// Reads the files again whenever a crontab has changed, on a thread of its own, for as long as the files name it.
    pub(crate) fn watch_crontab(self: &Arc<Self>, mut watched: Watched) {
        let Some(paths) = &self.watched else { return };
        let path = watched.path().to_owned();
        if !paths.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone()) {
            return;
        }
        let own = self.clone();
        let watch = move || {
            while own.handle.state() != SchedulerState::ShutDown {
                watched.wait();
                if !own.still_watches(&path) {
                    return;
                }
                own.reload_and_tell(&format!("{} has changed", path.display()));
            }
        };
        if let Err(error) = thread::Builder::new().name("matins-watch".to_owned()).spawn(watch) {
            notice::warn(format_args!(
                "the crontab cannot be watched: {error}; use `matins reload` after a change"
            ));
        }
    }

    fn still_watches(&self, path: &Path) -> bool {
        let paths = self.watched.as_ref().map(|paths| paths.lock().unwrap_or_else(PoisonError::into_inner));
        paths.is_some_and(|paths| paths.contains(path))
    }

    /// Watches the crontabs that are named now, and no others.
    fn watch_all(self: &Arc<Self>, crontabs: &[PathBuf]) {
        let Some(paths) = &self.watched else { return };
        paths.lock().unwrap_or_else(PoisonError::into_inner).retain(|path| crontabs.contains(path));
        for path in crontabs {
            if !self.still_watches(path) {
                self.watch_crontab(Watched::new(path));
            }
        }
    }

    /// Takes up what is new in the files: jobs, hooks, and what jobs get that say nothing else. Stores, executors, retention and the
    /// zone of what is shown stay as they were at the start.
    pub(crate) fn reload(self: &Arc<Self>, dry_run: bool) -> Result<Vec<Changes>, String> {
        let result = self.take_up(dry_run);
        if !dry_run {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = result.as_ref().err().cloned();
        }
        result
    }

    fn take_up(self: &Arc<Self>, dry_run: bool) -> Result<Vec<Changes>, String> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sources = self.sources.clone();
        // Those that name no zone keep the one they had, though the machine's has changed meanwhile.
        if sources.config.is_none() {
            sources.zone = Some(self.began_with.defaults.zone);
        }
        // The zones of the files are read by the new rules. They are in use even if the files are refused.
        let rules =
            if dry_run { None } else { zone_rules::refresh(&self.handle, &self.history, SystemClock.now())? };
        let mut defined = sources.read().map_err(|error| match &rules {
            Some(rules) => format!("{error}\n{}", rules.describe()),
            None => error,
        })?;
        self.refuse_new_places(&defined)?;
        let step = if dry_run { Step::DryRun } else { Step::Reload };
        let crontabs: Vec<PathBuf> = defined.crontabs().map(Path::to_owned).collect();
        let files = std::mem::take(&mut defined.files);
        let mut changes = bring_in_line(&self.handle, &self.history, files, None, step, SystemClock.now())?;
        let mut hooks = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        // A configuration comes first, and a crontab has nothing but jobs.
        if let Some(changes) = changes.first_mut() {
            changes.hooks = *hooks != defined.hooks;
            changes.at_next_start = self.at_next_start(&defined);
        }
        if !dry_run {
            *hooks = defined.hooks;
            *self.defaults.lock().unwrap_or_else(PoisonError::into_inner) = defined.defaults;
            self.watch_all(&crontabs);
        }
        changes.extend(rules);
        Ok(changes)
    }

    /// Stores are opened and executors are started with the daemon.
    fn refuse_new_places(&self, defined: &Defined) -> Result<(), String> {
        let Defined { executors, stores, .. } = &self.began_with;
        for job in defined.definitions() {
            if job.executor != ExecutorName::default() && !executors.contains_key(&job.executor) {
                return Err(format!(
                    "the job {:?} is to run on the executor {:?}, which is new; restart the daemon, which starts its executors",
                    job.id, job.executor
                ));
            }
            if job.store != StoreName::default() && !stores.contains_key(&job.store) {
                return Err(format!(
                    "the job {:?} is to be in the store {:?}, which is new; restart the daemon, which opens its stores",
                    job.id, job.store
                ));
            }
        }
        Ok(())
    }

    /// The keys that have changed since the start and take effect at the next one.
    fn at_next_start(&self, defined: &Defined) -> Vec<String> {
        let (was, first) = (&self.began_with, StoreName::default());
        let others = |defined: &Defined| -> Vec<(StoreName, StoreConfig)> {
            let stores = defined.stores.iter().filter(|(name, _)| **name != first);
            stores.map(|(name, store)| (name.clone(), store.clone())).collect()
        };
        let keys = [
            ("store", defined.stores.get(&first) != was.stores.get(&first)),
            ("stores", others(defined) != others(was)),
            ("wait_for_owner", defined.wait_for_owner != was.wait_for_owner),
            ("ledger", defined.ledger != was.ledger),
            ("executors", defined.executors != was.executors),
            ("timezone", defined.defaults.zone != was.defaults.zone),
        ];
        keys.iter().filter(|(_, differs)| *differs).map(|(key, _)| (*key).to_owned()).collect()
    }
}
