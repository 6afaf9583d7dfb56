//! The worker's side: a process that does what it is told, one run after the other, until its master ends.

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use matins_core::{CancelToken, Clock, Limits, Outcome, RunLog, RunReport, RunRequest, error_chain};
use matins_task_function::TaskRegistry;
use rustix::fs::OFlags;
use rustix::process::{Resource, Rlimit, getppid, getrlimit, kill_current_process_group, setrlimit};
use rustix::stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::frame::{self, Done, FromWorker, Incoming, RunFrame};
use crate::signal::{self, Signal};

/// Where a worker finds what it is to know: [`WorkerConfig`] as JSON.
pub(crate) const WORKER_CONFIG: &str = "MATINS_WORKER";

/// What a worker is told when it is started.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct WorkerConfig {
    /// Its master's process, so that a program which a task starts does not take the orders for its own.
    pub(crate) master: i32,
    /// The descriptor over which it receives its runs; it closes when the master ends.
    pub(crate) control: i32,
    /// Address space, in bytes.
    pub(crate) memory: Option<u64>,
    /// Processor time of each run.
    pub(crate) cpu_time: Option<Duration>,
}

impl WorkerConfig {
    /// Those that this process was started with, if it was started as a worker.
    pub(crate) fn of_this_process() -> Option<Self> {
        let orders: Self = serde_json::from_str(&env::var(WORKER_CONFIG).ok()?).ok()?;
        getppid().is_some_and(|parent| parent.as_raw_pid() == orders.master).then_some(orders)
    }
}

/// Makes this process a worker if it was started as one; call it first in `main`. In a worker it does not return; in any
/// other process it does nothing, and does not call `register`, which registers the tasks that workers can run.
///
/// ```
/// use matins_executor_process::serve_if_worker;
///
/// fn main() {
///     serve_if_worker(|tasks| tasks.register("greet", |name: String| println!("good morning, {name}")));
///     // The program goes on as usual.
/// }
/// ```
///
/// What tasks share is opened here too: give it to the registry with [`TaskRegistry::state`] before the tasks that take it.
///
/// In a worker, what a task prints is kept as the run's output, and its standard input is empty.
pub fn serve_if_worker<E: Into<Box<dyn Error + Send + Sync>>>(
    register: impl FnOnce(&TaskRegistry) -> Result<(), E>,
) {
    let Some(orders) = WorkerConfig::of_this_process() else { return };
    let tasks = TaskRegistry::default();
    let error = match register(&tasks) {
        Ok(()) => serve(orders, &tasks).to_string(),
        Err(error) => error_chain(&*error.into()),
    };
    eprintln!("this worker ends: {error}");
    process::exit(1);
}

/// Serves until something is wrong.
fn serve(orders: WorkerConfig, tasks: &TaskRegistry) -> io::Error {
    let Err(error) = try_serve(orders, tasks);
    error
}

fn try_serve(orders: WorkerConfig, tasks: &TaskRegistry) -> io::Result<Infallible> {
    // Frames go where tasks cannot print by accident.
    let mut requests = File::from(rustix::io::fcntl_dupfd_cloexec(stdin(), 3)?);
    let replies = File::from(rustix::io::fcntl_dupfd_cloexec(stdout(), 3)?);
    dup2_stdin(File::open("/dev/null")?)?;
    dup2_stdout(stderr())?;
    if let Some(memory) = orders.memory {
        limit(Resource::As, memory)?;
    }
    let current = Arc::<Current>::default();
    listen(orders.control, current.clone())?;
    let replies = Arc::new(Replies { to: replies, buffer: Mutex::default() });
    replies.send(&FromWorker::Hello)?;
    let mut incoming = Incoming::default();
    loop {
        let Some(request) = incoming.next::<RunFrame>()? else {
            if incoming.read_from(&mut requests)? == 0 {
                end();
            }
            continue;
        };
        if let Some(time) = orders.cpu_time {
            // The limit is in whole seconds, of which none is taken from the run.
            let used = clock_gettime(ClockId::ProcessCPUTime);
            let used = (used.tv_sec as u64).saturating_add(u64::from(used.tv_nsec > 0));
            let allowed = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)).max(1);
            limit(Resource::Cpu, used.saturating_add(allowed))?;
        }
        let done = execute(request, tasks, current.begin_next(), &replies);
        // What it printed comes before its end.
        let _ = io::stdout().flush();
        replies.send(&FromWorker::Done(done))?;
    }
}

fn execute(request: RunFrame, tasks: &TaskRegistry, cancel: CancelToken, replies: &Arc<Replies>) -> Done {
    let RunFrame { run, job, task: task_name, arguments, scheduled, started, attempt, cause } = request;
    let Some(task) = tasks.get(task_name.as_str()) else {
        let message = format!(
            "no task is registered as {task_name:?} in the worker; register it in what serve_if_worker is given"
        );
        return Done {
            outcome: Outcome::Failed,
            message: Some(message),
            output: None,
            result: None,
            not_started: false,
        };
    };
    let replies = replies.clone();
    let log = RunLog::forwarding(move |note| {
        // The end of the run meets the same fault, and reports it.
        let _ = replies.send(&FromWorker::Note(run, note));
    });
    let mut request = RunRequest::new(run, job, task_name, task, Arc::new(Began(started)));
    (request.arguments, request.scheduled, request.attempt) = (arguments, scheduled, attempt);
    request.cause = cause;
    (request.cancel, request.log) = (cancel.clone(), log);
    let mut report = request.execute();
    // What the task has registered is dropped with the run, and not when the next one begins.
    cancel.release().discard();
    // Before it is written: the parent could not read what nests too deep.
    Limits::DEFAULT.fit(&mut report);
    let RunReport { outcome, message, output, result, not_started, .. } = report;
    Done { outcome, message, output, result, not_started }
}

/// The clock of one run, which the master reads.
#[derive(Debug)]
struct Began(DateTime<Utc>);

impl Clock for Began {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }

    fn sleep_until(&self, _until: DateTime<Utc>) -> Option<Duration> {
        None
    }
}

struct Replies {
    to: File,
    buffer: Mutex<Vec<u8>>,
}

impl Replies {
    fn send(&self, frame: &FromWorker) -> io::Result<()> {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        frame::write(&self.to, &mut buffer, frame)
    }
}

/// The run that a worker does. Runs are numbered in the order in which the worker gets them, from 1: a signal may reach it after the
/// run that it is for has ended, or before that run has begun.
#[derive(Default)]
struct Current(Mutex<Numbered>);

#[derive(Default)]
struct Numbered {
    number: u64,
    cancel: CancelToken,
    /// Signals for runs that have not begun.
    early: Vec<(u64, Signal)>,
}

impl Current {
    fn lock(&self) -> MutexGuard<'_, Numbered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next run begins.
    fn begin_next(&self) -> CancelToken {
        let (number, cancel, early) = {
            let mut current = self.lock();
            current.number += 1;
            current.cancel = CancelToken::new();
            (current.number, current.cancel.clone(), std::mem::take(&mut current.early))
        };
        for (_, signal) in early.into_iter().filter(|(run, _)| *run == number) {
            signal.tell(&cancel);
        }
        cancel
    }

    /// The run with this number is told something.
    fn signal(&self, number: u64, signal: Signal) {
        let cancel = {
            let mut current = self.lock();
            if number > current.number {
                // Its master tells it of no run but the next.
                current.early.push((number, signal));
            }
            (current.number == number).then(|| current.cancel.clone())
        };
        if let Some(cancel) = cancel {
            signal.tell(&cancel);
        }
    }
}

/// Hears on a thread of its own what runs are told, and when the master has ended: then so does this worker, with
/// all that its tasks have started.
fn listen(control: i32, current: Arc<Current>) -> io::Result<()> {
    // Not to wait for a master that is gone already.
    let options = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).clone();
    let mut control = options.open(format!("/dev/fd/{control}"))?;
    rustix::io::ioctl_fionbio(&control, false)?;
    thread::Builder::new().name("matins-control".to_owned()).spawn(move || {
        let mut bytes = [0; signal::LENGTH];
        while control.read_exact(&mut bytes).is_ok() {
            // What is not known is of a later version, and no reason to end.
            if let Some((number, signal)) = Signal::from_bytes(bytes) {
                current.signal(number, signal);
            }
        }
        end();
    })?;
    Ok(())
}

/// The master has ended: so does this worker, with all that its tasks have started.
fn end() -> ! {
    let _ = kill_current_process_group(rustix::process::Signal::KILL);
    process::exit(1)
}

/// Lowers the limit of this process.
fn limit(resource: Resource, to: u64) -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(resource);
    let current = Some(maximum.map_or(to, |maximum| to.min(maximum)));
    Ok(setrlimit(resource, Rlimit { current, maximum })?)
}

#[cfg(test)]
mod tests {
    use matins_core::CancelReason;

    use super::*;

    #[test]
    fn a_signal_that_comes_early_or_late_meets_its_own_run_alone() {
        let current = Current::default();
        let cancel = Signal::Cancel(CancelReason::TimeLimit(Duration::from_secs(3)));
        let first = current.begin_next();
        let second = current.begin_next();
        current.signal(1, cancel);
        assert!(!first.is_cancelled() && !second.is_cancelled(), "the first has ended");
        current.signal(3, cancel);
        current.signal(3, Signal::ShuttingDown);
        assert!(!second.is_cancelled() && !second.is_shutting_down());
        let third = current.begin_next();
        assert!(third.is_cancelled() && third.is_shutting_down(), "it was told before it began");
        assert_eq!(third.reason(), Some(CancelReason::TimeLimit(Duration::from_secs(3))));
        let fourth = current.begin_next();
        assert!(!fourth.is_cancelled() && !fourth.is_shutting_down());
        current.signal(4, Signal::ShuttingDown);
        assert!(!fourth.is_cancelled() && fourth.is_shutting_down());
        current.signal(4, cancel);
        assert!(fourth.is_cancelled() && !current.begin_next().is_cancelled());
    }
}
