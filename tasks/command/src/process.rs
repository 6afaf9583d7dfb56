//! One run of a program: started in a process group of its own, listened to, waited for, ended when cancelled.

use std::io::{self, PipeReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use matins_core::{Tail, TaskContext, TaskError, TaskOutput, TaskResult};
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
    let (output, mut child) = start(command).map_err(|error| failed("cannot start", error))?;
    let group = Pid::from_child(&child);

    let kept = Arc::new(Mutex::new(Some(Tail::new(tail))));
    let output_closed = listen(output, kept.clone());
    if let (Some(text), Some(mut stdin)) = (command.stdin.clone(), child.stdin.take()) {
        // On a thread of its own: the command may print more than a pipe holds before it reads. One that does not
        // read at all is its own affair.
        thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
    }

    let (happenings, happened) = unbounded();
    let cancelled = happenings.clone();
    context.cancel.on_cancel(move || drop(cancelled.send(Happening::Cancelled)));
    announce_end(group, happenings);
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
    let mut process = std::process::Command::new(&command.program);
    process.args(&command.arguments);
    if command.inherit == Inherit::Nothing {
        process.env_clear();
    }
    process.envs(&command.environment);
    if let Some(directory) = &command.directory {
        process.current_dir(directory);
    }
    process.stdin(if command.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    process.stdout(writer.try_clone()?).stderr(writer).process_group(0);
    let child = process.spawn()?;
    Ok((reader, child))
}

/// Reads the output on a thread of its own; the receiver is told (by being cut off) when it ends.
fn listen(mut output: PipeReader, kept: Arc<Mutex<Option<Tail>>>) -> Receiver<()> {
    let (open, closed) = bounded(0);
    thread::spawn(move || {
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
    });
    closed
}

/// Waits on a thread of its own until the process has ended, without reaping it.
fn announce_end(process: Pid, happenings: Sender<Happening>) {
    thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(process), options) {}
        drop(happenings.send(Happening::Ended));
    });
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
