//! One run of a program: started in a process group of its own, listened to, waited for, ended when cancelled.

use std::io::{self, PipeReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use matins_core::{Tail, TaskContext, TaskError, TaskOutput, TaskResult};
use nix::unistd::{User, geteuid};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::{Command, Inherit};

/// How long a cancelled command has to end by itself after SIGTERM.
const TERM_GRACE: Duration = Duration::from_secs(5);

/// How long its output is listened to after it has ended, where a child that it left behind keeps the pipe open.
const OUTPUT_GRACE: Duration = Duration::from_secs(1);

enum Happening {
    Ended,
    Cancelled,
}

pub(crate) fn run(command: &Command, context: &TaskContext, tail: usize) -> TaskResult {
    let failed =
        |what: &str, error: io::Error| TaskError::new(format!("{what} {:?}: {error}", command.program));
    let (output, mut child) = start(command).map_err(|error| {
        TaskError::new(format!("cannot start {:?}: {}", command.program, explain(command, &error)))
    })?;
    let group = Pid::from_child(&child);

    let kept = Arc::new(Mutex::new(Some(Tail::new(tail))));
    let (happenings, happened) = unbounded();
    let cancelled = happenings.clone();
    let watched = listen(output, kept.clone()).and_then(|output_closed| {
        feed(&mut child, command.stdin.as_deref().map(|text| command.encoding.bytes(text)))?;
        announce_end(group, happenings)?;
        Ok(output_closed)
    });
    let output_closed = match watched {
        Ok(output_closed) => output_closed,
        Err(error) => {
            // Without a thread to watch it, it shall not go on unseen.
            let _ = kill_process_group(group, Signal::KILL);
            let _ = child.wait();
            return Err(failed("cannot watch", error));
        }
    };
    context.cancel.on_cancel(move || drop(cancelled.send(Happening::Cancelled)));
    wait(group, &happened);
    // Only now is the process reaped, and its number free for others: no signal above could hit a stranger.
    let status = child.wait().map_err(|error| failed("cannot wait for", error))?;

    let _ = output_closed.recv_timeout(OUTPUT_GRACE);
    let tail = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
    let output = tail.and_then(|mut tail| tail.to_text());
    if status.success() {
        Ok(TaskOutput { result: None, output })
    } else {
        Err(TaskError { message: describe(status), output })
    }
}

fn start(command: &Command) -> io::Result<(PipeReader, Child)> {
    // One pipe for both streams, so that their lines keep their order.
    let (reader, writer) = io::pipe()?;
    let mut process = program(command);
    if command.inherit == Inherit::Nothing {
        process.env_clear();
    }
    if let Some(name) = &command.user {
        run_as(&mut process, name)?;
    }
    let os = |text: &str| command.encoding.os_string(text);
    process.envs(command.environment.iter().map(|(name, value)| (os(name), os(value))));
    if let Some(directory) = &command.directory {
        process.current_dir(directory.to_str().map_or_else(|| directory.clone().into_os_string(), os));
    }
    process.stdin(if command.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    process.stdout(writer.try_clone()?).stderr(writer).process_group(0);
    let child = process.spawn()?;
    Ok((reader, child))
}

/// The program with its arguments. Umask and nice level belong to a process and not to a thread, so that they are set on the
/// way into the program, by a shell that reads nothing but its parameters.
fn program(command: &Command) -> std::process::Command {
    const ON_THE_WAY: &str = r#"umask=$1 nice=$2; shift 2
if [ -n "$umask" ]; then umask "$umask" || exit 126; fi
if [ -n "$nice" ]; then exec nice -n "$nice" "$@"; fi
exec "$@""#;
    let mut process = if command.umask.is_none() && command.nice.is_none() {
        std::process::Command::new(command.encoding.os_string(&command.program))
    } else {
        let mut shell = std::process::Command::new("/bin/sh");
        let umask = command.umask.map(|umask| format!("{umask:04o}")).unwrap_or_default();
        let nice = command.nice.map(|nice| nice.to_string()).unwrap_or_default();
        shell.args(["-c", ON_THE_WAY, "sh", &umask, &nice]).arg(command.encoding.os_string(&command.program));
        shell
    };
    process.args(command.arguments.iter().map(|argument| command.encoding.os_string(argument)));
    process
}

/// As another user: its main group, its home, its names. The system's supplementary groups are left behind.
fn run_as(process: &mut std::process::Command, name: &str) -> io::Result<()> {
    let user = User::from_name(name)?.ok_or_else(|| {
        io::Error::other(format!("there is no user {name:?} on this machine; mend the job's user"))
    })?;
    let own = geteuid();
    if user.uid != own {
        if !own.is_root() {
            return Err(io::Error::other(format!(
                "only a scheduler that runs as root can run it as {name:?}; start it as root, or leave the user out"
            )));
        }
        process.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    process.env("HOME", &user.dir).env("USER", name).env("LOGNAME", name).current_dir(&user.dir);
    Ok(())
}

/// Why it could not be started, and what to do.
fn explain(command: &Command, error: &io::Error) -> String {
    if let Some(directory) = command.directory.as_ref().filter(|directory| !directory.is_dir()) {
        return format!(
            "there is no directory {}; make it, or mend the job's directory",
            directory.display()
        );
    }
    match error.kind() {
        io::ErrorKind::NotFound => format!("{error}; name a program in its PATH, or one by its whole path"),
        io::ErrorKind::PermissionDenied => format!("{error}; name a program that its user may run"),
        _ => error.to_string(),
    }
}

/// Gives it its text on a thread of its own: it may print more than a pipe holds before it reads. One that does not read at all
/// is its own affair.
fn feed(child: &mut Child, input: Option<Vec<u8>>) -> io::Result<()> {
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        thread::Builder::new().spawn(move || drop(stdin.write_all(&input)))?;
    }
    Ok(())
}

/// Reads the output on a thread of its own; the receiver is told (by being cut off) when it ends.
fn listen(mut output: PipeReader, kept: Arc<Mutex<Option<Tail>>>) -> io::Result<Receiver<()>> {
    let (open, closed) = bounded(0);
    thread::Builder::new().spawn(move || {
        let _open: Sender<()> = open;
        let mut buffer = [0; 8 * 1024];
        loop {
            match output.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => match &mut *kept.lock().unwrap_or_else(PoisonError::into_inner) {
                    Some(tail) => tail.push(&buffer[..count]),
                    // The run is over; hanging up tells whoever still writes.
                    None => return,
                },
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    })?;
    Ok(closed)
}

/// Waits on a thread of its own until the process has ended, without reaping it.
fn announce_end(process: Pid, happenings: Sender<Happening>) -> io::Result<()> {
    thread::Builder::new().spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(process), options) {}
        drop(happenings.send(Happening::Ended));
    })?;
    Ok(())
}

/// Returns when the process has ended; ends it when it is cancelled.
fn wait(group: Pid, happened: &Receiver<Happening>) {
    // A send cannot fail here, and one signal more or less to a group that has just ended is no matter.
    let signal = |signal| {
        let _ = kill_process_group(group, signal);
    };
    while let Ok(Happening::Cancelled) = happened.recv() {
        signal(Signal::TERM);
        match happened.recv_timeout(TERM_GRACE) {
            Err(RecvTimeoutError::Timeout) => signal(Signal::KILL),
            Ok(Happening::Cancelled) => {}
            Ok(Happening::Ended) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        _ => status.to_string(),
    }
}
