//! Whom a command asks: the daemon that owns the store, or else the store itself, opened for that moment.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use matins::config::{StoreConfig, StoreConfigError, StoreUrl};
use matins::control::protocol::Received;
use matins::control::{self, Operator, Problem, Request, user};
use matins::definitions::COMMAND;
use matins::prelude::*;
use matins::{Member, StoreName};
use matins_terminal::{notice, secrets};
use serde_json::Value;

use crate::failure::Failure;
use crate::host::{self, StoreAlone};
use crate::open_store::{OpenError, give_to};
use crate::zone_rules::system_zone;
use crate::{history, orphans, paths};

/// Where jobs are kept when nobody says.
pub const DEFAULT_STORE: &str = "sqlite:matins.db";

/// How long a store that somebody else has open is tried again: another command has it for a moment only, and a daemon that
/// has just started listens a moment later.
const PATIENCE: Duration = Duration::from_secs(5);

/// A store, or the daemon that has it.
#[derive(Debug, Clone)]
pub struct Target {
    /// The URL of the store. The daemon of a file is asked if one runs.
    pub store: String,
    /// The daemon's socket, if it is not beside the store.
    pub socket: Option<PathBuf>,
    /// How long to wait for a daemon that says nothing.
    pub timeout: Option<Duration>,
}

/// Whom a command asks.
#[derive(Debug)]
pub enum Client {
    /// A daemon.
    Daemon(control::Client),
    /// A store without one.
    Store(Box<OpenedStore>),
}

/// A store that is open for a moment, under a scheduler that is not started: nothing fires. One that others share stays theirs.
#[derive(Debug)]
pub struct OpenedStore {
    url: StoreUrl,
    is_shared: bool,
    operator: Operator,
    scheduler: BlockingScheduler,
}

impl OpenedStore {
    /// Runs one job, and nothing else. Where others share the store and have the job's task, one of them runs it.
    fn run_now(self, job: &str, wait: bool) -> Result<Value, Failure> {
        let problem = |error: SchedulerError| Failure::from(Problem::from(error));
        self.scheduler.pause_all().map_err(problem)?;
        if !(self.is_shared && self.is_served_by_others(job).map_err(problem)?) {
            if self.is_shared {
                notice::tell(
                    "no scheduler that is running on the store has the task of this job: it runs here",
                );
            }
            self.register_command()?;
        } else if !wait {
            // It is recorded; whoever has it started does not wait for it.
            drop(self.scheduler.run_now(job).map_err(problem)?);
            return Ok(serde_json::json!({"job": job}));
        }
        let handle = self.scheduler.handle();
        let records = paths::commands(&self.url);
        let _occupied = records.map(|records| orphans::occupy(&records, &handle));
        let pending = handle.run_now(job).map_err(problem)?;
        let driver = thread::Builder::new().name("matins-scheduler".to_owned());
        let driver = driver.spawn(move || self.scheduler.run());
        let driver = driver.map_err(|error| Failure::NotDone(format!("cannot run {job}: {error}")))?;
        let run = pending.wait().map_err(problem);
        handle.shutdown(Shutdown::Wait);
        // A panic in it has been shown already.
        let _ = driver.join();
        Ok(serde_json::json!(run?))
    }
}

impl OpenedStore {
    fn register_command(&self) -> Result<(), Failure> {
        let registered = self.scheduler.register(COMMAND, CommandTask::default());
        registered.map_err(|error| Failure::NotDone(matins::error_chain(&error)))
    }

    /// The executor that a job is to have, or has already: nothing runs here, so any will do.
    fn add_executor_of(&self, request: &Request) -> Result<(), Failure> {
        let failed = |error: SchedulerError| Failure::NotDone(matins::error_chain(&error));
        let (Request::Add { job: id, keys, .. } | Request::Edit { job: id, keys }) = request else {
            return Ok(());
        };
        let named = keys.get("executor").and_then(Value::as_str).map(str::to_owned);
        let had = self.scheduler.get(id).map_err(failed)?.map(|job| job.executor.to_string());
        let names: BTreeSet<String> = named.into_iter().chain(had).filter(|name| name != "default").collect();
        for name in names {
            // A name that cannot be one is refused with the rest of the request.
            if matins::ExecutorName::new(&name).is_ok() {
                let executor = ThreadExecutor::builder().workers(1).build();
                self.scheduler.add_executor(&name, executor, Shutdown::Now).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn is_served_by_others(&self, job: &str) -> Result<bool, SchedulerError> {
        let Some(job) = self.scheduler.get(job)? else { return Ok(true) };
        let members = self.scheduler.with_shared_store("default", |store| store.members())?;
        let members = members.transpose()?.unwrap_or_default();
        let serves = |member: &Member| member.is_alive() && member.served.includes(&job.task, &job.executor);
        Ok(members.iter().any(serves))
    }
}

impl Target {
    /// Reads the URL of the store.
    ///
    /// # Errors
    /// If it is not one.
    pub fn url(&self) -> Result<StoreUrl, Failure> {
        let store: Result<StoreConfig, StoreConfigError> = self.store.parse();
        store.map(|store| store.url).map_err(|error| Failure::BadInput(matins::error_chain(&error)))
    }

    fn connect(&self, socket: &Path) -> std::io::Result<Client> {
        let daemon = control::Client::connect_within(socket, self.timeout)?;
        Ok(Client::Daemon(daemon.show_secrets(secrets::are_shown())))
    }

    /// The daemon, and nothing else.
    ///
    /// # Errors
    /// If nobody can be asked.
    pub fn daemon(&self) -> Result<Client, Failure> {
        let socket = match &self.socket {
            Some(socket) => Some(socket.clone()),
            None => paths::socket(&self.url()?),
        };
        let connected = socket.map(|socket| self.connect(&socket).map_err(|error| (socket, error)));
        match connected {
            Some(Ok(daemon)) => Ok(daemon),
            Some(Err((socket, error))) if is_there(&error) => Err(no_daemon_at(&socket, &error)),
            Some(Err((socket, _))) => Err(Failure::NoDaemon(format!(
                "{} has no daemon that listens at {}: start it with `matins run`, name another store with --store, or the \
                 place where it listens with --socket",
                self.store,
                socket.display()
            ))),
            None => Err(no_socket(&self.url()?)),
        }
    }

    /// The daemon that owns the store, or else the store itself if schedulers share it: each of them does what is asked of any.
    ///
    /// # Errors
    /// If nobody can be asked.
    pub fn daemon_or_shared_store(&self) -> Result<Client, Failure> {
        let is_shared = self.socket.is_none() && matches!(self.url()?, StoreUrl::Postgres(_));
        if is_shared { self.client() } else { self.daemon() }
    }

    /// The daemon where one runs, else the store. A store that is not there is not made.
    ///
    /// # Errors
    /// If nobody can be asked.
    pub fn client(&self) -> Result<Client, Failure> {
        let url = self.url()?;
        if let Some(path) = &self.socket {
            return self.connect(path).map_err(|error| no_daemon_at(path, &error));
        }
        if let StoreUrl::Postgres(_) = url {
            return Ok(Client::Store(Box::new(open(&url)?)));
        }
        let Some(socket) = paths::socket(&url) else {
            return Err(no_socket(&url));
        };
        let until = Instant::now() + PATIENCE;
        loop {
            match self.connect(&socket) {
                Ok(daemon) => return Ok(daemon),
                Err(error) if is_there(&error) => {
                    return Err(no_daemon_at(&socket, &error));
                }
                Err(_) => {}
            }
            if let StoreUrl::Sqlite(path) | StoreUrl::File(path) = &url
                && !path.exists()
            {
                let message = format!(
                    "there is no store {url}; name one with --store, or make it with `matins run` or `matins add`"
                );
                return Err(Failure::NotDone(message));
            }
            match open(&url) {
                Err(OpenError::Owned(_)) if Instant::now() < until => {
                    thread::sleep(Duration::from_millis(20));
                }
                Err(OpenError::Owned(error)) => {
                    let message = format!(
                        "{error}; where that is its daemon, it does not listen at {}: name its place with --socket",
                        socket.display()
                    );
                    return Err(Failure::BadInput(message));
                }
                opened => return Ok(Client::Store(Box::new(opened?))),
            }
        }
    }

    /// The same, where a store that is not there is made.
    ///
    /// # Errors
    /// If nobody can be asked.
    pub fn client_or_new_store(&self) -> Result<Client, Failure> {
        let url = self.url()?;
        match &url {
            StoreUrl::Sqlite(path) | StoreUrl::File(path) if self.socket.is_none() && !path.exists() => {
                Ok(Client::Store(Box::new(open(&url)?)))
            }
            _ => self.client(),
        }
    }
}

fn no_socket(url: &StoreUrl) -> Failure {
    let message = match url {
        StoreUrl::Postgres(_) => {
            "several daemons may share this store: name the socket of one with --socket, as it was started with \
             `matins run --socket PATH`"
        }
        _ => "a store in memory is only within its daemon; name its socket with --socket",
    };
    Failure::NoDaemon(message.to_owned())
}

/// Whether there is a daemon, though none that can be asked.
fn is_there(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::TimedOut)
}

fn no_daemon_at(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("no daemon can be asked at {}: {error}", path.display());
    if error.kind() == ErrorKind::TimedOut { Failure::NotDone(message) } else { Failure::NoDaemon(message) }
}

fn open(url: &StoreUrl) -> Result<OpenedStore, OpenError> {
    let other = |error: String| OpenError::Other(error);
    let builder = SchedulerBuilder::new().executor("default", ThreadExecutor::builder().workers(1).build());
    let is_shared = matches!(url, StoreUrl::Postgres(_));
    let scheduler = give_to(builder, &StoreName::default(), url, true)?.blocking();
    let scheduler = scheduler.map_err(|error| other(matins::error_chain(&error)))?;
    let operator = host::operator(&scheduler.handle(), url)
        .with_history(history::of_store(&scheduler.handle(), url).map_err(other)?)
        .with_time_zone(system_zone().map_err(other)?)
        .with_host(StoreAlone { store: url.clone(), is_shared });
    Ok(OpenedStore { url: url.clone(), is_shared, operator, scheduler })
}

impl Client {
    /// Asks; `items` takes what comes before the end of the answer, and says whether it wants more.
    ///
    /// # Errors
    /// If what is asked for cannot be done, or the answer is lost.
    pub fn ask_for(
        self,
        request: Request,
        imported: &[u8],
        items: &mut dyn FnMut(Value) -> bool,
    ) -> Result<Value, Failure> {
        match self {
            Self::Store(store) => match request {
                Request::Now { job, wait } => store.run_now(&job, wait),
                request => {
                    store.register_command()?;
                    store.add_executor_of(&request)?;
                    let received = Received { request, shows_secrets: secrets::are_shown() };
                    let mut items = |item| items(item);
                    Ok(store.operator.answer_received(received, &user::own(), imported, &mut items)?)
                }
            },
            Self::Daemon(mut daemon) => Ok(daemon.ask_for(&request, imported, items)?),
        }
    }

    /// Asks for an answer without items.
    ///
    /// # Errors
    /// If what is asked for cannot be done, or the answer is lost.
    pub fn ask(self, request: Request) -> Result<Value, Failure> {
        self.ask_for(request, &[], &mut |_| true)
    }
}
