//! `matins run`: the daemon.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use chrono::{DateTime, Utc};
use matins::Handle;
use matins::command::Orphan;
use matins::config::StoreUrl;
use matins::control::display as show;
use matins::control::{Listener, user};
use matins::definitions::COMMAND;
use matins::prelude::*;
use matins::triggers::Zone;
use matins::{Clock, JobOrder, SystemClock};
use matins_terminal::{LibraryLog, Text, notice};
use serde::Serialize;
use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use signal_hook::iterator::Signals;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::failure::Failure;
use crate::history::{self, HistoryEvent};
use crate::hooks::{self, Hooks};
use crate::host::{self, Daemon, Reload};
use crate::http::{Http, HttpSettings};
use crate::reload::{Refused, Reloader, SharedDefaults, Step, bring_in_line};
use crate::sources::{Defined, Sources};
use crate::stores::Stores;
use crate::sync::Changes;
use crate::waiting::{Waited, after_hand_over};
use crate::watch_files::Watched;
use crate::{
    http, log, mail, orphans, paths, process_setup, reaper, rows, safety, service, waiting, zone_rules,
};

/// How many commands run at once; each has a thread, which is started on need. Further ones are queued.
pub const WORKERS: usize = 1024;

/// What a daemon does.
#[derive(Debug)]
pub struct Settings {
    /// The files that define its jobs.
    pub sources: Sources,
    /// The file whose jobs it takes over, which has moved to where one of its files is now.
    pub adopt: Option<PathBuf>,
    /// The URL of its store; by default that of the configuration, or else [`DEFAULT_STORE`](crate::DEFAULT_STORE).
    pub store: Option<String>,
    /// How long to wait for another process that owns the store.
    pub wait_for_owner: Option<Duration>,
    /// Whether it listens to a control socket.
    pub has_socket: bool,
    /// Where that is; by default beside the store.
    pub socket: Option<PathBuf>,
    /// Whether it reads crontabs again as they are edited.
    pub watches_crontabs: bool,
    /// What it prints.
    pub log: LogForm,
    /// Its page and HTTP API.
    pub http: HttpSettings,
}

/// What a daemon prints for each run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    /// A line for people.
    Text,
    /// A line of JSON.
    Json,
}

/// Runs a daemon, until it is told to stop.
///
/// # Errors
/// If a file, the store or an address cannot be used; nothing was changed then.
pub fn run(settings: Settings) -> Result<(), Failure> {
    let descriptors = process_setup::prepare();
    let sources = settings.sources;
    let (mut defined, watched) = read_and_watch(&sources, settings.watches_crontabs)?;
    let stores = Stores::chosen(settings.store.as_deref(), &defined)?;
    let limit = settings.wait_for_owner.or(stores.wait_for_owner).or(defined.wait_for_owner);
    let zone = defined.defaults.zone;
    let http = settings.http.check()?;
    listen_to_tracing(settings.log)?;
    // From here on a signal stops it in order, also one that comes before the first job fires.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR2])
        .map_err(|error| format!("cannot listen to signals: {error}"))?;
    reaper::start()?;
    let clock = SystemClock;
    let opened = waiting::wait(limit, &mut signals, || stores.take(&defined))?;
    let Waited::Opened { store: scheduler, is_handed_over } = opened else {
        notice::tell("stopped while waiting for the store");
        return Ok(());
    };
    stores.urls().filter_map(safety::warning).for_each(notice::warn);
    let url = &stores.first;
    let socket = settings.has_socket.then(|| settings.socket.or_else(|| paths::socket(url))).flatten();
    let listen = |path: PathBuf| after_hand_over(is_handed_over, || listen(&path));
    let listener = socket.map(listen).transpose()?;
    // What is counted from here on; the store is ours.
    let recorder = http.as_ref().map(|_| Http::collect()).transpose()?;
    let for_hooks = CommandTask::default().open_files(descriptors.soft_limit_for_commands());
    let (command, found) = recorded(url, for_hooks.clone())?;
    scheduler.register(COMMAND, command).map_err(|error| matins::error_chain(&error))?;
    let history = history::of_store(&scheduler.handle(), url)?;
    let hooks: Hooks = Arc::new(Mutex::new(defined.hooks.clone()));

    mail::warn_without_sendmail(defined.definitions().map(|job| &job.mail));
    let (adopted, files) = (settings.adopt.as_deref(), std::mem::take(&mut defined.files));
    let changes = bring_in_line(&scheduler, &history, files, adopted, Step::Start, clock.now())?;
    let moved = zone_rules::follow_since_last_start(&scheduler, &history, clock.now())?;
    if let Some((moved, _)) = moved.as_ref().filter(|(moved, _)| !moved.jobs.is_empty()) {
        notice::tell(moved.describe());
    }
    hooks::listen(&scheduler, &hooks, for_hooks).map_err(|error| matins::error_chain(&error))?;
    history.follow(&scheduler).map_err(|error| matins::error_chain(&error))?;
    mail::listen(&scheduler).map_err(|error| matins::error_chain(&error))?;
    let orphans = orphans::watch(found, &scheduler);
    let defaults: SharedDefaults = Arc::new(Mutex::new(defined.defaults.clone()));
    let reload = Reloader {
        handle: scheduler.handle(),
        history: history.clone(),
        sources,
        hooks,
        defaults: defaults.clone(),
        watched: settings.watches_crontabs.then(Mutex::default),
        began_with: defined.clone(),
        turn: Mutex::default(),
        refused: Refused::default(),
    };
    let reload = Arc::new(reload);
    let by_request: Reload = {
        let reload = reload.clone();
        Box::new(move |dry_run| reload.reload(dry_run).map(|changes| json!(changes)))
    };
    let refused = reload.refused.clone();
    let description = stores.describe();
    let daemon =
        Daemon { stores: stores.urls().cloned().collect(), defaults, orphans, reload: by_request, refused };
    let operator = host::operator(&scheduler.handle(), url)
        .with_store_description(&description)
        .with_history(history.clone())
        .with_time_zone(zone)
        .with_host(daemon);
    let operator = Arc::new(operator);
    // Before anybody can stop the scheduler: a subscription to one that has shut down would not end.
    let events = scheduler.subscribe();
    let server = listener.map(|listener| listener.serve(operator.clone(), descriptors.control_connections()));
    let server = server.transpose().map_err(|error| matins::error_chain(&error))?;
    let page = http.zip(recorder).map(|(http, recorder)| {
        let connections = descriptors.http_connections();
        after_hand_over(is_handed_over, || http.serve(operator.clone(), recorder.clone(), connections))
    });
    let page = page.transpose()?;
    drop(operator);

    let started = Started { store: &description, zone, changes: &changes };
    started.print(&scheduler, settings.log, clock.now())?;
    if let Some(page) = &page {
        http::tell(page.address(), settings.log == LogForm::Json);
    }
    let node = this_node(&scheduler).map(|node| node.label);
    let printer = print_events(events, settings.log, zone, node)?;
    history.note(clock.now(), HistoryEvent::Started, &user::own());
    for crontab in watched {
        reload.watch_crontab(crontab);
    }
    if let Some((moved, rest)) = moved {
        zone_rules::note_and_follow(&moved, rest, &scheduler, &history, clock.now());
    }
    act_on_signals(signals, scheduler.handle(), reload)?;
    service::feed_watchdog(scheduler.handle());
    service::ready("firing jobs");
    scheduler.run();
    history.note(clock.now(), HistoryEvent::Stopped, &user::own());
    // It ends with the events; a panic in it has been shown already.
    let _ = printer.join();
    if settings.log == LogForm::Text {
        notice::log("stopped");
    }
    drop((server, page));
    Ok(())
}

/// Takes the control socket's place. Clients that connect wait until it is served.
fn listen(path: &Path) -> Result<Listener, String> {
    Listener::bind(path).map_err(|error| {
        format!("{}; name another place with --socket, or none with --no-socket", matins::error_chain(&error))
    })
}

/// Prints what happens on a thread of its own, until the scheduler has shut down.
fn print_events(
    events: matins::Events,
    form: LogForm,
    zone: Zone,
    node: Option<String>,
) -> Result<JoinHandle<()>, String> {
    let print = move || match form {
        LogForm::Text => log::print(events, zone),
        LogForm::Json => log::print_json(events, node.as_deref()),
    };
    let printer = thread::Builder::new().name("matins-log".to_owned()).spawn(print);
    printer.map_err(|error| format!("cannot print what happens: {error}"))
}

/// Reads the files, and watches the crontabs from a moment before they were read, so that no change is overlooked.
fn read_and_watch(sources: &Sources, watches: bool) -> Result<(Defined, Vec<Watched>), String> {
    let crontabs = if watches { sources.crontabs()? } else { Vec::new() };
    let watched = crontabs.iter().map(|path| Watched::new(path)).collect();
    Ok((sources.read()?, watched))
}

/// The task that runs commands, with their records beside the store, and the commands that an earlier daemon has recorded there.
fn recorded(url: &StoreUrl, command: CommandTask) -> Result<(CommandTask, Vec<Orphan>), String> {
    let Some(records) = paths::commands(url) else { return Ok((command, Vec::new())) };
    let found = orphans::find(&records)?;
    Ok((command.recording_in(records), found))
}

/// What the libraries say of themselves, as far as `MATINS_LOG` wants it: `debug`, or `matins_scheduler=trace,warn`. It goes to
/// standard error.
fn listen_to_tracing(form: LogForm) -> Result<(), String> {
    let Ok(levels) = std::env::var("MATINS_LOG") else { return Ok(()) };
    let levels: Targets = levels.parse().map_err(|error| {
        format!("MATINS_LOG is {levels:?}: {error}; write a level (error, warn, info, debug, trace), or target=level,...")
    })?;
    // Without colours: what the log holds of others is told apart from its own colours by nobody.
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(move || LibraryLog { is_json: form == LogForm::Json })
        .with_ansi(false)
        .log_internal_errors(false);
    match form {
        LogForm::Text => tracing_subscriber::registry().with(layer.with_filter(levels)).init(),
        LogForm::Json => tracing_subscriber::registry().with(layer.json().with_filter(levels)).init(),
    }
    Ok(())
}

/// SIGHUP and SIGUSR2 read the files again. The first SIGINT or SIGTERM stops gracefully, the second cancels what runs.
fn act_on_signals(mut signals: Signals, scheduler: Handle, reload: Arc<Reloader>) -> Result<(), String> {
    let act = move || {
        let mut how = Shutdown::Wait;
        for signal in signals.forever() {
            if matches!(signal, SIGHUP | SIGUSR2) {
                reload.reload_and_tell("the files were read again");
                continue;
            }
            notice::tell(match how {
                Shutdown::Wait => "stopping when the running jobs have ended; once more to stop at once",
                _ => "stopping at once",
            });
            service::stopping();
            scheduler.request_shutdown(how);
            how = Shutdown::Now;
        }
    };
    let thread = thread::Builder::new().name("matins-signals".to_owned());
    thread.spawn(act).map(drop).map_err(|error| format!("cannot act on signals: {error}"))
}

/// This scheduler among those that share its store.
#[derive(Debug, Serialize)]
struct ThisNode {
    id: u64,
    label: String,
    /// How many others there are.
    #[serde(skip)]
    others: usize,
}

/// Returns `None` for a store that is not shared, and where it cannot be read.
fn this_node(scheduler: &Handle) -> Option<ThisNode> {
    let members = scheduler.with_shared_store("default", |store| store.members()).ok()??.ok()?;
    let others = members.iter().filter(|member| member.is_alive() && !member.is_self).count();
    let own = members.into_iter().find(|member| member.is_self)?;
    Some(ThisNode { id: own.id, label: own.label, others })
}

/// How many jobs are shown at the start: those that fire first.
const FIRST_JOBS: usize = 40;

/// What is said at the start.
struct Started<'a> {
    /// The stores, for people.
    store: &'a str,
    zone: Zone,
    changes: &'a [Changes],
}

impl Started<'_> {
    fn print(&self, scheduler: &Handle, form: LogForm, now: DateTime<Utc>) -> Result<(), String> {
        match form {
            LogForm::Text => notice::log(self.first_screen(scheduler, now)?),
            LogForm::Json => notice::log_json(json!({
                "at": now,
                "event": "started",
                "version": env!("CARGO_PKG_VERSION"),
                "store": self.store,
                "node": this_node(scheduler),
                "changes": self.changes,
            })),
        }
        Ok(())
    }

    fn first_screen(&self, scheduler: &Handle, now: DateTime<Utc>) -> Result<Text, String> {
        let count = scheduler.count(&JobQuery::default()).map_err(|error| matins::error_chain(&error))?;
        let query = JobQuery::default().order(JobOrder::NextFire).limit(FIRST_JOBS);
        let listed = scheduler.list(&query).map_err(|error| matins::error_chain(&error))?;
        let bold = anstyle::Style::new().bold();
        let title = Text::new().styled(bold, format_args!("matins {}", env!("CARGO_PKG_VERSION")));
        let jobs = show::counted(count, "job");
        let mut screen =
            title.and(format_args!(": {jobs} in {}, times of {}", self.store, self.zone)).end_line();
        if let Some(node) = this_node(scheduler) {
            screen = screen
                .and(format_args!(
                    "node {}, {}, with {} more: `matins status` shows them",
                    node.id, node.label, node.others
                ))
                .end_line();
        }
        for changes in self.changes {
            screen = screen.and(changes.describe()).end_line();
        }
        let mut rows = vec![rows::job::HEADING.map(str::to_owned).to_vec()];
        rows.extend(listed.iter().map(|(_, job)| rows::job::row(job, self.zone, now)));
        screen = screen.text(&Text::table(&rows));
        if count > listed.len() {
            let more = count - listed.len();
            screen = screen.and(format_args!("  and {more} more; `matins jobs` lists them")).end_line();
        }
        Ok(screen.and("Ctrl-C stops when the running jobs have ended; twice stops at once.").end_line())
    }
}
