//! One run of a program: listened to, given its input, waited for, ended when cancelled.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStdin, ExitStatus};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use matins_core::{CancelToken, LiveTail, TaskContext, TaskError, TaskOutput, TaskResult};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::orphan::Record;
use crate::spawn::{Started, start};
use crate::{Command, CommandError, CommandTask, StartError, drain};

/// How long a cancelled command has to end by itself after SIGTERM.
pub(crate) const TERM_GRACE: Duration = Duration::from_secs(5);

/// How long its output is listened to after it has ended, where a child that it left behind keeps the pipe open.
const OUTPUT_GRACE: Duration = Duration::from_secs(1);

/// How often it is looked whether it has ended, if nothing tells.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn run(command: &Command, context: &TaskContext, task: &CommandTask) -> TaskResult {
    let watch_error = |source| CommandError::Watch { program: command.program.clone(), source };
    let record = |output: &PipeReader| Record::of_intent(task.records.as_deref()?, context, output);
    let start_error = |source| CommandError::Start { program: command.program.clone(), source };
    // What is needed to watch it is there before it is: nothing that began is lost for want of a descriptor.
    let pipe = io::pipe().map_err(|error| start_error(StartError::of(error)))?;
    let Started { mut child, output, awaited, record } =
        start(command, context, record).map_err(start_error)?;
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
        return Err(watch_error(io::Error::other("its process id is not known")).into());
    };
    if let Some(soft_limit) = task.open_files {
        limit_open_files(pid, soft_limit);
    }
    let input = child.stdin().take();
    let text = command.stdin.as_deref().map(|text| command.encoding.bytes(text));
    let tail = context.log.live_tail(task.tail);
    let ended = Watch::begin(pid, pipe, output, tail, input, text.as_deref(), &context.cancel)
        .and_then(|mut watch| watch.until_end(&context.cancel).map(|()| watch));
    let mut watch = match ended {
        Ok(watch) => watch,
        Err(error) => {
            // Not watched, it must not keep running.
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = child.wait();
            return Err(watch_error(error).into());
        }
    };
    // Only now is the process reaped, and its number free for others: no signal above could hit another process.
    let status = child.wait().map_err(watch_error)?;
    drop((awaited, record));
    let output = watch.rest_of_output();
    if status.success() {
        let mut printed = TaskOutput::default();
        printed.output = output;
        Ok(printed)
    } else {
        let mut error = TaskError::from(failed(status));
        error.output = output;
        Err(error)
    }
}

/// Lowers the soft limit of a program that was just started. Nothing of it depends on the limit so early: it matters when more
/// files are opened than it allows.
#[cfg(target_os = "linux")]
fn limit_open_files(pid: Pid, soft_limit: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = Some(maximum.map_or(soft_limit, |maximum| maximum.min(soft_limit)));
    // A program with the rights of another user (setuid) is not ours to limit.
    let _ = prlimit(Some(pid), Resource::Nofile, Rlimit { current, maximum });
}

#[cfg(not(target_os = "linux"))]
fn limit_open_files(_pid: Pid, _soft_limit: u64) {}

/// What is watched of a running program.
struct Watch<'a> {
    pid: Pid,
    /// Readable when the process has ended. Where the system has no such descriptor, a thread waits, and wakes this.
    pidfd: Option<OwnedFd>,
    /// There is such a descriptor or thread. If the system had neither left, it is looked for the end again and again.
    is_announced: bool,
    /// Readable when the run is cancelled.
    woken: PipeReader,
    /// Its writing end, which others hold weakly: both ends are closed with the run.
    #[cfg_attr(not(test), expect(dead_code, reason = "it is kept, and not used"))]
    wake: Arc<PipeWriter>,
    /// `None` when it has been closed.
    output: Option<PipeReader>,
    tail: LiveTail,
    /// What is to be written to its standard input; `None` when that is done.
    input: Option<(ChildStdin, &'a [u8])>,
    buffer: Vec<u8>,
}

impl<'a> Watch<'a> {
    fn begin(
        pid: Pid,
        (woken, wake): (PipeReader, PipeWriter),
        output: PipeReader,
        tail: LiveTail,
        input: Option<ChildStdin>,
        text: Option<&'a [u8]>,
        cancel: &CancelToken,
    ) -> io::Result<Self> {
        ioctl_fionbio(&woken, true)?;
        let wake = Arc::new(wake);
        let pidfd = pidfd(pid);
        let is_announced = pidfd.is_some() || announce_end(pid, Arc::downgrade(&wake)).is_ok();
        let input = input.zip(text);
        if let Some((input, _)) = &input {
            ioctl_fionbio(input, true)?;
        }
        let weak = Arc::downgrade(&wake);
        cancel.on_cancel(move || ring(&weak));
        let (output, buffer) = (Some(output), vec![0; 16 * 1024]);
        Ok(Self { pid, pidfd, is_announced, woken, wake, output, tail, input, buffer })
    }

    /// Returns when the process has ended; ends it when it is cancelled.
    fn until_end(&mut self, cancel: &CancelToken) -> io::Result<()> {
        // One signal more to a group that has just ended does no harm: its number is kept until the process is reaped.
        let pid = self.pid;
        let signal = |signal| {
            let _ = kill_process_group(pid, signal);
        };
        let (mut is_told, mut kill_at) = (false, None);
        let mut looks = true;
        loop {
            // First of all: a run whose command ended in time is not judged by when that is noticed.
            if looks && has_ended(pid) {
                return Ok(());
            }
            if cancel.is_cancelled() && !is_told {
                signal(Signal::TERM);
                is_told = true;
                kill_at = Some(Instant::now() + TERM_GRACE);
            }
            if kill_at.is_some_and(|at| at <= Instant::now()) {
                signal(Signal::KILL);
                kill_at = None;
            }
            looks = self.wait(kill_at, true)? != Ready::Streams;
        }
    }

    /// What the program has printed. A background process may keep the pipe open: it is listened to for a moment, and then
    /// what it prints is dropped.
    fn rest_of_output(&mut self) -> Option<String> {
        self.input = None;
        let until = Instant::now() + OUTPUT_GRACE;
        while self.output.is_some() && Instant::now() < until && self.wait(Some(until), false).is_ok() {}
        if let Some(output) = self.output.take() {
            drain::until_closed(output);
        }
        self.tail.to_text()
    }

    /// Waits until there is something to do, at most until an instant, and reads and writes what can be.
    fn wait(&mut self, until: Option<Instant>, is_running: bool) -> io::Result<Ready> {
        let rest = until.map(|until| until.saturating_duration_since(Instant::now()));
        let rest = if self.is_announced || !is_running { rest } else { Some(rest.unwrap_or(LOOK).min(LOOK)) };
        let timeout = rest.and_then(|rest| Timespec::try_from(rest).ok());
        let mut polled = Vec::with_capacity(4);
        let mut add = |descriptor, flags| polled.push(PollFd::from_borrowed_fd(descriptor, flags));
        let output = self.output.as_ref().map(|output| add(output.as_fd(), PollFlags::IN)).is_some();
        let input = self.input.as_ref().map(|(input, _)| add(input.as_fd(), PollFlags::OUT)).is_some();
        if is_running {
            add(self.woken.as_fd(), PollFlags::IN);
            if let Some(pidfd) = &self.pidfd {
                add(pidfd.as_fd(), PollFlags::IN);
            }
        }
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Ready::Other),
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = polled.iter().map(|polled| !polled.revents().is_empty()).collect();
        let is_any = ready.contains(&true);
        let mut ready = ready.into_iter();
        if output && ready.next() == Some(true) {
            self.read();
        }
        if input && ready.next() == Some(true) {
            self.write();
        }
        let (woken, ended) = (ready.next() == Some(true), ready.next() == Some(true));
        if woken {
            let _ = self.woken.read(&mut self.buffer);
        }
        let is_streams = is_any && !woken && !ended;
        Ok(if is_streams { Ready::Streams } else { Ready::Other })
    }

    fn read(&mut self) {
        let Some(output) = &mut self.output else { return };
        match output.read(&mut self.buffer) {
            Ok(0) => self.output = None,
            Ok(count) => self.tail.push(&self.buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.output = None,
        }
    }

    fn write(&mut self) {
        let Some((input, text)) = &mut self.input else { return };
        match input.write(text) {
            Ok(count) => *text = &text[count..],
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            // It reads no more; that is up to the program.
            Err(_) => *text = &[],
        }
        if text.is_empty() {
            self.input = None;
        }
    }
}

/// What [`Watch::wait`] has met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ready {
    /// Nothing but input and output.
    Streams,
    /// The end of the process, a cancellation, or the time.
    Other,
}

fn ring(wake: &Weak<PipeWriter>) {
    if let Some(wake) = wake.upgrade() {
        let _ = (&*wake).write_all(b"!");
    }
}

/// A descriptor that is readable when the process has ended.
#[cfg(target_os = "linux")]
fn pidfd(pid: Pid) -> Option<OwnedFd> {
    // Kernels before 5.3, and some sandboxes, have none.
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn pidfd(_pid: Pid) -> Option<OwnedFd> {
    None
}

/// Waits on a thread of its own until the process has ended, without reaping it.
fn announce_end(pid: Pid, wake: Weak<PipeWriter>) -> io::Result<()> {
    let thread = thread::Builder::new().name("matins-wait".to_owned()).stack_size(128 * 1024);
    thread.spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
        ring(&wake);
    })?;
    Ok(())
}

/// Whether a child process has ended; it is not reaped.
fn has_ended(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    match waitid(WaitId::Pid(pid), options) {
        Ok(status) => status.is_some(),
        Err(Errno::INTR) => false,
        // Somebody else has reaped it.
        Err(_) => true,
    }
}

/// A process that was waited for has either exited or been killed.
fn failed(status: ExitStatus) -> CommandError {
    match status.signal() {
        Some(signal) => CommandError::Signal(signal),
        None => CommandError::Status(status.code().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command as Process;

    use super::*;

    /// Where there is no descriptor of a process, a thread tells of its end.
    #[test]
    fn the_end_of_a_process_is_noticed_without_a_pidfd() {
        let (output, writer) = io::pipe().unwrap();
        let mut child = Process::new("sh").args(["-c", "echo done"]).stdout(writer).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let cancel = CancelToken::new();
        let mut watch =
            Watch::begin(pid, io::pipe().unwrap(), output, LiveTail::new(100), None, None, &cancel).unwrap();
        watch.pidfd = None;
        announce_end(pid, Arc::downgrade(&watch.wake)).unwrap();
        watch.until_end(&cancel).unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(watch.rest_of_output().as_deref(), Some("done\n"));
    }

    /// The system had neither a descriptor nor a thread left.
    #[test]
    fn the_end_of_a_process_is_noticed_without_anything_that_tells() {
        let (output, writer) = io::pipe().unwrap();
        let mut child = Process::new("sleep").arg("0.2").stdout(writer).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let cancel = CancelToken::new();
        let mut watch =
            Watch::begin(pid, io::pipe().unwrap(), output, LiveTail::new(100), None, None, &cancel).unwrap();
        (watch.pidfd, watch.is_announced) = (None, false);
        watch.until_end(&cancel).unwrap();
        assert!(child.wait().unwrap().success());
    }
}
