//! The master's side of one worker: started, told what to run, listened to, killed.

use std::ffi::OsString;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use matins_core::{CancelReason, Outcome, Tail, TaskContext, TaskError, TaskOutput, TaskResult};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::process::{Pid, kill_process_group};

use crate::frame::{self, Done, FromWorker, Incoming, RunFrame};
use crate::signal::Signal;
use crate::worker::{WORKER_CONFIG, WorkerConfig};

/// How workers are started, and what they may.
#[derive(Debug, Clone)]
pub(crate) struct WorkerLimits {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) start_timeout: Duration,
    pub(crate) kill_grace: Duration,
    pub(crate) memory: Option<u64>,
    pub(crate) cpu_time: Option<Duration>,
    pub(crate) output: usize,
}

/// A worker that is ready for a run, or at one.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    requests: ChildStdin,
    replies: ChildStdout,
    incoming: Incoming,
    /// What its tasks print; `None` once it has closed that pipe.
    printed: Option<ChildStderr>,
    control: PipeWriter,
    /// Rung when its run is cancelled, and when the scheduler begins to shut down.
    bell: (PipeReader, Arc<PipeWriter>),
    buffer: Vec<u8>,
    /// Of what is printed.
    piece: Box<[u8]>,
    pub(crate) runs: u64,
    /// It was killed and waited for.
    is_over: bool,
}

/// How it went with a run that a worker was given.
pub(crate) enum Exchange {
    /// The worker has done with it, and is ready for another.
    Over(TaskResult),
    /// The worker is of no use any more.
    Lost(TaskError),
    /// It was of no use before: the run has not begun.
    NotBegun,
}

impl Worker {
    pub(crate) fn start(terms: &WorkerLimits) -> io::Result<Self> {
        // So that no worker inherits what another is told by.
        static STARTING: Mutex<()> = Mutex::new(());
        let (told, control) = io::pipe()?;
        let (hears, rings) = io::pipe()?;
        ioctl_fionbio(&hears, true)?;
        let orders = WorkerConfig {
            master: std::process::id() as i32,
            control: told.as_raw_fd(),
            memory: terms.memory,
            cpu_time: terms.cpu_time,
        };
        let mut command = Command::new(&terms.program);
        command.args(&terms.arguments).env(WORKER_CONFIG, serde_json::to_string(&orders)?).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = {
            let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
            fcntl_setfd(&told, FdFlags::empty())?;
            let child = command.spawn();
            drop(told);
            child?
        };
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(requests), Some(replies), Some(printed)) = pipes else {
            return Err(io::Error::other("its pipes are missing"));
        };
        let printed = Some(printed);
        let bell = (hears, Arc::new(rings));
        let (incoming, buffer, piece) = (Incoming::default(), Vec::new(), vec![0; 16 << 10].into());
        let mut worker = Self {
            child,
            requests,
            replies,
            incoming,
            printed,
            control,
            bell,
            buffer,
            piece,
            runs: 0,
            is_over: false,
        };
        // From here on, an error ends it.
        if let Some(printed) = &worker.printed {
            ioctl_fionbio(printed, true)?;
        }
        worker.wait_for_hello(terms)?;
        Ok(worker)
    }

    fn wait_for_hello(&mut self, terms: &WorkerLimits) -> io::Result<()> {
        let until = Instant::now().checked_add(terms.start_timeout);
        let mut output = Tail::new(terms.output);
        let found = loop {
            match self.incoming.next::<FromWorker>() {
                Ok(Some(FromWorker::Hello)) => return Ok(()),
                Ok(None) => {}
                Ok(Some(_)) | Err(_) => break "it wrote something else".to_owned(),
            }
            let ready = self.wait(until)?;
            if ready.printed {
                self.take_printed(&mut output);
            }
            if ready.replies && self.incoming.read_from(&mut self.replies)? == 0 {
                break self.end();
            }
            if ready.is_late {
                break format!("it said nothing for {:?}", terms.start_timeout);
            }
        };
        self.take_printed(&mut output);
        let printed =
            output.to_text().map_or(String::new(), |text| format!("; it printed: {}", text.trim_end()));
        Err(io::Error::other(format!(
            "{} was started as a worker, and did not say that it is one: {found}. Call \
             matins_executor_process::serve_if_worker first in its main{printed}",
            terms.program.display(),
        )))
    }

    /// Has it do a run, and waits for the end.
    pub(crate) fn exchange(
        &mut self,
        run: &RunFrame,
        context: &TaskContext,
        time_limit: Option<Duration>,
        terms: &WorkerLimits,
    ) -> Exchange {
        if let Err(error) = frame::write(&self.requests, &mut self.buffer, run) {
            return match error.kind() {
                io::ErrorKind::InvalidInput => Exchange::Over(Err(TaskError::from_error(error))),
                _ => Exchange::NotBegun,
            };
        }
        self.runs += 1;
        let ring = || {
            let bell = self.bell.1.clone();
            move || {
                let _ = (&*bell).write_all(b"!");
            }
        };
        context.cancel.on_cancel(ring());
        context.cancel.on_shutdown(ring());
        let limit_at = time_limit.and_then(|limit| Instant::now().checked_add(limit));
        let (mut is_told, mut is_told_of_shutdown, mut kill_at) = (false, false, None);
        // A limit that has passed is judged once the worker was read again: this process may have been stopped for longer than that.
        let mut has_had_its_chance = false;
        let mut output = Tail::new(terms.output);
        loop {
            match self.incoming.next::<FromWorker>() {
                Ok(Some(FromWorker::Note(of, note))) => {
                    if of == run.run {
                        context.log.note(note);
                    }
                    continue;
                }
                Ok(Some(FromWorker::Done(done))) => {
                    self.take_printed(&mut output);
                    return Exchange::Over(result(done, &mut output));
                }
                Ok(Some(FromWorker::Hello)) => {
                    return self.lost(TaskError::new("the worker said hello again"), output);
                }
                Err(error) => {
                    return self.lost(TaskError::new("the worker wrote garbage").with_source(error), output);
                }
                Ok(None) => {}
            }
            // Looked at each time: a worker that writes without a pause must hear it too.
            if !is_told_of_shutdown && context.is_shutting_down() {
                // One that cannot be told may still end by itself.
                let _ = self.control.write_all(&Signal::ShuttingDown.to_bytes(self.runs));
                is_told_of_shutdown = true;
            }
            if let Some(reason) = context.cancel.reason().filter(|_| !is_told) {
                // One that cannot be told is killed all the same.
                let _ = self.control.write_all(&Signal::Cancel(reason).to_bytes(self.runs));
                (is_told, has_had_its_chance) = (true, false);
                kill_at = Instant::now().checked_add(terms.kill_grace);
            }
            let ready = match self.wait(if is_told { kill_at } else { limit_at }) {
                Ok(ready) => ready,
                Err(error) => {
                    let error = TaskError::new("the worker cannot be listened to").with_source(error);
                    return self.lost(error, output);
                }
            };
            if ready.printed {
                self.take_printed(&mut output);
            }
            if ready.replies {
                match self.incoming.read_from(&mut self.replies) {
                    Ok(0) => {
                        let end = self.end();
                        let error = TaskError::new("the worker ended before the run did").with_source(end);
                        return self.lost(error, output);
                    }
                    Ok(_) if ready.is_late && has_had_its_chance => {}
                    Ok(_) => {
                        has_had_its_chance |= ready.is_late;
                        continue;
                    }
                    Err(error) => {
                        return self
                            .lost(TaskError::new("the worker cannot be read").with_source(error), output);
                    }
                }
            }
            if ready.is_late {
                if is_told {
                    let message = "the worker was killed, because the run did not stop when it was told to";
                    return self.lost(TaskError::new(message), output);
                }
                if let Some(limit) = time_limit {
                    context.cancel.cancel_because(CancelReason::TimeLimit(limit));
                }
            }
        }
    }

    /// Waits for something to happen, at most until an instant.
    fn wait(&self, until: Option<Instant>) -> io::Result<Ready> {
        loop {
            let rest = until.map(|until| until.saturating_duration_since(Instant::now()));
            let timeout = rest.and_then(|rest| Timespec::try_from(rest).ok());
            let mut watched = vec![
                PollFd::from_borrowed_fd(self.replies.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.bell.0.as_fd(), PollFlags::IN),
            ];
            watched.extend(
                self.printed.as_ref().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)),
            );
            match poll(&mut watched, timeout.as_ref()) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            let has_come =
                |number: usize| watched.get(number).is_some_and(|watched| !watched.revents().is_empty());
            let (replies, bell, printed) = (has_come(0), has_come(1), has_come(2));
            if bell {
                let mut rung = [0; 64];
                let _ = (&self.bell.0).read(&mut rung);
            }
            let is_late = rest.is_some_and(|rest| rest.is_zero());
            if replies || printed || bell || is_late {
                return Ok(Ready { replies, printed, is_late });
            }
        }
    }

    /// Takes in what was printed and not read yet.
    fn take_printed(&mut self, output: &mut Tail) {
        let Some(pipe) = &mut self.printed else { return };
        // Not for ever, from one that prints faster than this reads.
        for _ in 0..64 {
            match pipe.read(&mut self.piece) {
                Ok(0) => {
                    self.printed = None;
                    return;
                }
                Ok(count) => output.push(&self.piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }

    fn lost(&mut self, mut error: TaskError, mut output: Tail) -> Exchange {
        self.end();
        self.take_printed(&mut output);
        error.output = output.to_text();
        Exchange::Lost(error)
    }

    /// Ends it with all that its tasks have started; how it ended, in words.
    fn end(&mut self) -> String {
        // It was about to end already, or has only closed its pipe. Once it was waited for, another process may have its number.
        if !std::mem::replace(&mut self.is_over, true) {
            let _ = kill_process_group(Pid::from_child(&self.child), rustix::process::Signal::KILL);
        }
        match self.child.wait().map(|status| (status.code(), status.signal())) {
            Ok((Some(code), _)) => format!("it exited with status {code}"),
            Ok((_, Some(9))) => {
                "it was killed by signal 9, or closed its pipe and was killed for that".to_owned()
            }
            Ok((_, Some(signal))) => format!("it was killed by signal {signal}"),
            Ok(_) => "it ended".to_owned(),
            Err(error) => format!("it cannot be waited for: {error}"),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

/// What has happened.
struct Ready {
    replies: bool,
    printed: bool,
    is_late: bool,
}

/// What a worker says came of a run, with what its task printed.
fn result(done: Done, printed: &mut Tail) -> TaskResult {
    let Done { outcome, message, output, result, not_started } = done;
    let parts: Vec<String> = output.into_iter().chain(printed.to_text()).collect();
    let output = (!parts.is_empty()).then(|| parts.join("\n"));
    if outcome == Outcome::Succeeded {
        let mut succeeded = TaskOutput::default();
        (succeeded.result, succeeded.output) = (result, output);
        return Ok(succeeded);
    }
    let mut error = TaskError::new(message.unwrap_or_default());
    (error.output, error.not_started) = (output, not_started);
    Err(error)
}
