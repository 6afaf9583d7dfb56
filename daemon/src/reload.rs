//! Reading the files again while the daemon runs: at a signal, on request, or as the crontab has changed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use chrono::{DateTime, Utc};
use matins::Handle;
use matins::control::display as show;
use matins::definitions::Definition;
use matins::{Clock, ExecutorName, SchedulerState, SystemClock};
use matins_terminal::notice;

use crate::history::History;
use crate::hooks::Hooks;
use crate::sources::{Defined, DefinedFile, Sources};
use crate::stored::Stored;
use crate::sync::{self, Changes, Situation};
use crate::watch_files::Watched;
use crate::{boot, service, zone_rules};

/// Why the files were refused when they were read last, if they were.
pub(crate) type Refused = Arc<Mutex<Option<String>>>;

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
    let paths: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
    let boot = boot::id();
    let named = files.iter().flat_map(|file| &file.jobs).filter_map(sync::named).map(str::to_owned);
    let read = || Stored::read(scheduler, &paths, adopted).map_err(|error| matins::error_chain(&error));
    let mut situation = Situation {
        scheduler,
        named: named.collect(),
        stored: read()?,
        is_start: step == Step::Start,
        boot: boot.as_deref(),
        now,
    };
    let plan = |situation: &Situation<'_>, files: Vec<DefinedFile>| {
        let files = files.into_iter().enumerate();
        files.map(|(place, file)| sync::plan(situation, place, file)).collect::<Result<Vec<_>, _>>()
    };
    let is_shared = scheduler.with_shared_store("default", |_| ()).is_ok_and(|shared| shared.is_some());
    let again = is_shared.then(|| files.clone());
    let mut plans = plan(&situation, files);
    // What another daemon has added from the same file since the store was read is no job from elsewhere.
    for files in again.into_iter().flat_map(|files| std::iter::repeat_n(files, TRIES)) {
        let stored = read()?;
        if stored.has_the_ids_of(&situation.stored) {
            break;
        }
        situation.stored = stored;
        plans = plan(&situation, files);
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

/// Reads the files again.
pub(crate) struct Reloader {
    pub(crate) handle: Handle,
    pub(crate) history: Arc<History>,
    pub(crate) sources: Sources,
    pub(crate) hooks: Hooks,
    /// What the files said at the start, besides jobs.
    pub(crate) began_with: Defined,
    /// Held while it works: a signal and a request may come together.
    pub(crate) turn: Mutex<()>,
    /// Why the files were refused when they were read last.
    pub(crate) refused: Refused,
}

impl Reloader {
    /// Reads the files again and says what has changed, or why nothing was changed.
    pub(crate) fn reload_and_tell(&self, cause: &str) {
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

    /// Reads the files again whenever the crontab has changed, on a thread of its own.
    pub(crate) fn watch_crontab(self: Arc<Self>, mut watched: Watched) {
        let watch = move || {
            while self.handle.state() != SchedulerState::ShutDown {
                watched.wait();
                self.reload_and_tell(&format!("{} has changed", watched.path().display()));
            }
        };
        if let Err(error) = thread::Builder::new().name("matins-watch".to_owned()).spawn(watch) {
            notice::warn(format_args!(
                "the crontab cannot be watched: {error}; use `matins reload` after a change"
            ));
        }
    }

    /// Takes up what is new in the files: jobs and hooks. Store, retention and the zone of what is shown stay as they were at the
    /// start.
    pub(crate) fn reload(&self, dry_run: bool) -> Result<Vec<Changes>, String> {
        let result = self.take_up(dry_run);
        if !dry_run {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = result.as_ref().err().cloned();
        }
        result
    }

    fn take_up(&self, dry_run: bool) -> Result<Vec<Changes>, String> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sources = self.sources.clone();
        // Those that name no zone keep the one they had, though the machine's has changed meanwhile.
        if sources.config.is_none() {
            sources.zone = Some(self.began_with.zone);
        }
        // The zones of the files are read by the new rules. They are in use even if the files are refused.
        let rules =
            if dry_run { None } else { zone_rules::refresh(&self.handle, &self.history, SystemClock.now())? };
        let mut defined = sources.read().map_err(|error| match &rules {
            Some(rules) => format!("{error}\n{}", rules.describe()),
            None => error,
        })?;
        self.refuse_new_executors(&defined)?;
        let step = if dry_run { Step::DryRun } else { Step::Reload };
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
        }
        changes.extend(rules);
        Ok(changes)
    }

    /// Executors are started with the daemon.
    fn refuse_new_executors(&self, defined: &Defined) -> Result<(), String> {
        let was = &self.began_with.executors;
        let is_new =
            |job: &&Definition| job.executor != ExecutorName::default() && !was.contains_key(&job.executor);
        match defined.definitions().find(is_new) {
            None => Ok(()),
            Some(job) => Err(format!(
                "the job {:?} is to run on the executor {:?}, which is new; restart the daemon, which starts its executors",
                job.id, job.executor
            )),
        }
    }

    /// The keys that have changed since the start and take effect at the next one.
    fn at_next_start(&self, defined: &Defined) -> Vec<String> {
        let was = &self.began_with;
        let keys = [
            ("store", defined.store != was.store),
            ("wait_for_owner", defined.wait_for_owner != was.wait_for_owner),
            ("ledger", defined.retention != was.retention),
            ("executors", defined.executors != was.executors),
            ("timezone", defined.zone != was.zone),
        ];
        keys.iter().filter(|(_, differs)| *differs).map(|(key, _)| (*key).to_owned()).collect()
    }
}
