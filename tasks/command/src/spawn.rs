//! Starts a program: in a session of its own, as its user, with what it is to inherit.

use std::env;
use std::ffi::OsStr;
use std::io::{self, PipeReader};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use matins_core::TaskContext;
use nix::unistd::geteuid;
use process_wrap::std::{ChildWrapper, CommandWrap, ProcessSession, ResetSigmask};

use crate::awaited::{Awaited, Starting};
use crate::orphan::Record;
use crate::{Account, Command, Inherit, StartError};

/// A program that was started.
pub(crate) struct Started {
    pub(crate) child: Box<dyn ChildWrapper>,
    /// Both of its output streams: one pipe, so that their lines keep their order.
    pub(crate) output: PipeReader,
    pub(crate) awaited: Awaited,
    pub(crate) record: Option<Record>,
}

/// `record` makes the record of the command, of the pipe that it prints to; it is asked just before the command is started.
pub(crate) fn start(
    command: &Command,
    context: &TaskContext,
    record: impl FnOnce(&PipeReader) -> Option<Record>,
) -> Result<Started, StartError> {
    let account = command.user.as_deref().map(account).transpose()?;
    let home = account.as_ref().map(|account| account.home.clone());
    let own = |directory: &PathBuf| match directory.to_str() {
        Some(text) => command.encoding.os_string(text).into(),
        None => directory.clone(),
    };
    let directory = command.directory.as_ref().map(own).or(home);
    let started = start_in(command, context, account, directory.as_deref(), record);
    started.map_err(|error| explain(command, directory, error))
}

fn start_in(
    command: &Command,
    context: &TaskContext,
    account: Option<Account>,
    directory: Option<&Path>,
    record: impl FnOnce(&PipeReader) -> Option<Record>,
) -> io::Result<Started> {
    let (output, writer) = io::pipe()?;
    let mut process = program(command);
    set_environment(&mut process, command, context, account.as_ref());
    if let Some(directory) = directory {
        process.current_dir(directory);
    }
    process.stdin(if command.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    process.stdout(writer.try_clone()?).stderr(writer);
    let own = geteuid();
    let record = record(&output);
    let starting = Starting::new();
    let child = match account {
        // Root's own jobs get the groups of their user too.
        Some(account) if own.is_root() => spawn_as(&account, process)?,
        _ => spawn(process)?,
    };
    let awaited = starting.started(child.id());
    if let Some(record) = &record {
        record.started(child.id());
    }
    Ok(Started { child, output, awaited, record })
}

/// The program with its arguments. Umask and nice level belong to a process and not to a thread, so that they are set on the
/// way into the program, by a shell that reads nothing but its parameters.
fn program(command: &Command) -> Process {
    const ON_THE_WAY: &str = r#"umask=$1 nice=$2; shift 2
if [ -n "$umask" ]; then umask "$umask" || exit 126; fi
if [ -n "$nice" ]; then exec nice -n "$nice" "$@"; fi
exec "$@""#;
    let os = |text: &str| command.encoding.os_string(text);
    let mut process = if command.umask.is_none() && command.nice.is_none() {
        Process::new(os(&command.program))
    } else {
        let mut shell = Process::new("/bin/sh");
        let umask = command.umask.map(|umask| format!("{umask:04o}")).unwrap_or_default();
        let nice = command.nice.map(|nice| nice.to_string()).unwrap_or_default();
        shell.args(["-c", ON_THE_WAY, "sh", &umask, &nice]).arg(os(&command.program));
        shell
    };
    process.args(command.arguments.iter().map(|argument| os(argument)));
    process
}

fn set_environment(
    process: &mut Process,
    command: &Command,
    context: &TaskContext,
    account: Option<&Account>,
) {
    match (account, command.inherit) {
        (Some(account), _) => {
            process.env_clear().envs(account.environment());
        }
        (None, Inherit::Nothing) => {
            process.env_clear();
        }
        (None, Inherit::Everything) => {
            for (name, _) in env::vars_os().filter(|(name, _)| is_for_the_scheduler(name)) {
                process.env_remove(name);
            }
        }
    }
    if command.inherit == Inherit::Everything {
        process
            .env("MATINS_JOB", context.job.as_str())
            .env("MATINS_RUN", context.run.to_string())
            .env("MATINS_ATTEMPT", context.attempt.to_string())
            .env("MATINS_SCHEDULED", context.scheduled.to_rfc3339());
    }
    let os = |text: &str| command.encoding.os_string(text);
    process.envs(command.environment.iter().map(|(name, value)| (os(name), os(value))));
}

/// Whether an environment variable is addressed to the scheduler's process itself, and not to what it starts.
fn is_for_the_scheduler(name: &OsStr) -> bool {
    const NAMES: [&str; 6] =
        ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];
    let name = name.to_string_lossy();
    name.starts_with("MATINS_") || NAMES.contains(&name.as_ref())
}

/// Starts it as the leader of a session, and so of a process group, of its own, and without blocked signals.
fn spawn(process: Process) -> io::Result<Box<dyn ChildWrapper>> {
    let child = CommandWrap::from(process).wrap(ProcessSession).wrap(ResetSigmask).spawn()?;
    // The child itself: what is wrapped around it would wait for its whole process group.
    Ok(child.into_inner())
}

fn account(name: &str) -> Result<Account, StartError> {
    let found = Account::named(name).map_err(|source| match StartError::of(source) {
        StartError::Io(source) => StartError::LookUpUser { user: name.to_owned(), source },
        error => error,
    });
    let account = found?.ok_or_else(|| StartError::NoUser(name.to_owned()))?;
    let own = geteuid();
    if account.uid != own.as_raw() && !own.is_root() {
        return Err(StartError::NotRoot(name.to_owned()));
    }
    Ok(account)
}

/// Starts it with the ids of a user. The groups are set in a thread that ends with this: on Linux they belong to a thread, and
/// a child has those of the thread that started it.
#[cfg(target_os = "linux")]
fn spawn_as(account: &Account, mut process: Process) -> io::Result<Box<dyn ChildWrapper>> {
    use std::os::unix::process::CommandExt;
    use std::thread;

    if account.uid != 0 {
        process.uid(account.uid);
    }
    let groups = account.groups()?;
    let spawn = move || {
        take_groups(account, &groups)?;
        spawn(process)
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("matins-spawn".to_owned()).spawn_scoped(scope, spawn)?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that starts it has panicked")))
    })
}

/// Gives this thread, and what it starts, the groups of a user.
#[cfg(target_os = "linux")]
fn take_groups(account: &Account, groups: &[u32]) -> io::Result<()> {
    use rustix::process::Gid;
    use rustix::thread::{
        CapabilitySet, capabilities, set_capabilities, set_thread_groups, set_thread_res_gid,
    };

    let groups: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
    let gid = Gid::from_raw(account.gid);
    set_thread_groups(&groups)?;
    set_thread_res_gid(gid, gid, gid)?;
    if account.uid != 0 {
        // Where it changes the user, the standard library empties the groups first, unless it may not; then it goes on.
        let mut own = capabilities(None)?;
        own.effective.remove(CapabilitySet::SETGID);
        set_capabilities(None, own)?;
    }
    Ok(())
}

/// Starts it with the ids of a user: the main group alone, since the standard library sets no other.
#[cfg(not(target_os = "linux"))]
fn spawn_as(account: &Account, mut process: Process) -> io::Result<Box<dyn ChildWrapper>> {
    use std::os::unix::process::CommandExt;

    process.uid(account.uid).gid(account.gid);
    spawn(process)
}

/// Why it could not be started, and what to do.
fn explain(command: &Command, directory: Option<PathBuf>, error: io::Error) -> StartError {
    let error = match StartError::of(error) {
        StartError::Io(error) => error,
        nothing_left => return nothing_left,
    };
    match (directory.filter(|directory| !directory.is_dir()), &command.user, error.kind()) {
        (Some(directory), Some(user), _) if command.directory.is_none() => {
            StartError::NoHome { directory, user: user.clone(), source: error }
        }
        (Some(directory), ..) => StartError::NoDirectory { directory, source: error },
        (None, _, io::ErrorKind::NotFound) => StartError::NotFound(error),
        (None, _, io::ErrorKind::PermissionDenied) => StartError::NotPermitted(error),
        _ => StartError::Io(error),
    }
}
