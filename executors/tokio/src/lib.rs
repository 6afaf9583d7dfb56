//! An executor on a tokio runtime: async tasks as tokio tasks, blocking ones on its blocking pool.
//!
//! Thousands of runs may wait at once, for a server, a timer, a lock: a run that waits costs its future's memory, and no thread.
//!
//! A run that is cancelled, or is over its time limit, is dropped where it awaits next; what its future holds is dropped
//! with it. A blocking task cannot be dropped: its [`CancelToken`](matins_core::CancelToken) is set, and it is left behind if it ignores it,
//! as on the thread executor.
//!
//! The runtime stays its owner's. When it ends first, the runs that it drops are reported as lost. Time limits need the
//! runtime's timer (`enable_time`, or `enable_all`).
//!
//! | | |
//! | --- | --- |
//! | for tasks that | await, or block (on the blocking pool) |
//! | at once | 10,000, where nobody says otherwise |
//! | waiting | in a queue with a limit |
//! | a run over its time limit | is dropped where it awaits next |
//! | a panic | ends the run |
//!
//! ```
//! use matins_executor_tokio::TokioExecutor;
//!
//! let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
//! let executor = TokioExecutor::builder(runtime.handle().clone()).at_once(500).build();
//! # drop(executor);
//! ```

mod builder;

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, ThreadId};
use std::time::Duration;

use matins_core::{
    CancelReason, Completion, Executor, Refused, RunId, RunReport, RunRequest, Shutdown, TaskFuture,
    TaskResult, WaitMode, drop_caught,
};
use matins_executor_inflight::{InFlight, PriorityQueue, Ticket};
use thiserror::Error;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::unconstrained;

pub use builder::TokioExecutorBuilder;

/// Runs tasks on a tokio runtime. See the [crate's page](crate).
pub struct TokioExecutor {
    runtime: Handle,
    runs: Arc<InFlight>,
    arrivals: Arc<Arrivals>,
    /// Those that have not begun.
    waiting: Arc<PriorityQueue<Admitted>>,
    /// Taken by runs in progress.
    places: Arc<Semaphore>,
}

/// Runs that were taken and are not tasks of the runtime yet. One task hands them out: a thousand runs that come together
/// wake the runtime once, and are spawned on one of its own threads.
#[derive(Default)]
struct Arrivals(Mutex<Arrived>);

#[derive(Default)]
struct Arrived {
    /// How many of the runs that wait.
    runs: usize,
    /// The thread of the runtime that has handed out runs last.
    thread: Option<ThreadId>,
    /// There is a task that hands them out.
    is_handed_out: bool,
}

type Admitted = (TicketGuard, RunRequest, Completion);

impl Arrivals {
    fn lock(&self) -> MutexGuard<'_, Arrived> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more waits; whether somebody has to hand it out.
    fn add(&self) -> bool {
        let mut arrived = self.lock();
        arrived.runs += 1;
        !std::mem::replace(&mut arrived.is_handed_out, true)
    }

    /// Returns how many have arrived since the last call. If it is 0, the task that hands them out ends.
    fn take(&self) -> usize {
        let mut arrived = self.lock();
        arrived.thread = Some(thread::current().id());
        arrived.is_handed_out = arrived.runs > 0;
        std::mem::take(&mut arrived.runs)
    }
}

/// Hands out what arrives. Where the runtime drops it before it is done, what has arrived is lost, and says so.
struct Dispatcher {
    arrivals: Arc<Arrivals>,
    waiting: Arc<PriorityQueue<Admitted>>,
    places: Arc<Semaphore>,
    is_done: bool,
}

impl Dispatcher {
    async fn until_none_are_left(mut self) {
        loop {
            let runs = self.arrivals.take();
            if runs == 0 {
                // What comes from now on is another's.
                self.is_done = true;
                return;
            }
            for _ in 0..runs {
                let place = self.places.clone().try_acquire_owned().ok();
                let next = Next { waiting: self.waiting.clone(), is_taken: false };
                tokio::spawn(next.execute(place, self.places.clone()));
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        while !self.is_done {
            let runs = self.arrivals.take();
            self.is_done = runs == 0;
            (0..runs).for_each(|_| drop_caught(self.waiting.pop()));
        }
    }
}

/// A place for whatever is most urgent when it is free. Where the runtime drops it before, one run is lost, and says so.
struct Next {
    waiting: Arc<PriorityQueue<Admitted>>,
    is_taken: bool,
}

impl Next {
    async fn execute(mut self, place: Option<OwnedSemaphorePermit>, places: Arc<Semaphore>) {
        let place = match place {
            Some(place) => Ok(place),
            None => places.acquire_owned().await,
        };
        let Ok(place) = place else { return };
        self.is_taken = true;
        if let Some((held, run, done)) = self.waiting.pop() {
            execute(place, held, run, done).await;
        }
    }
}

impl Drop for Next {
    fn drop(&mut self) {
        if !self.is_taken {
            // With what its task has captured, which may panic.
            drop_caught(self.waiting.pop());
        }
    }
}

/// What the runtime does with a run.
async fn execute(_place: OwnedSemaphorePermit, held: TicketGuard, run: RunRequest, done: Completion) {
    let started = run.clock.now();
    if let Some(report) = run.not_to_begin(started) {
        return held.finish(report, done);
    }
    let context = run.context(started);
    let future = catch_unwind(AssertUnwindSafe(|| {
        let _scope = run.enter();
        run.task.future(&run.arguments, &context)
    }));
    match future {
        Ok(Some(work)) => {
            let ended = to_its_end(&run, work, held.runs.cancel_grace()).await;
            let report = ended.map_or_else(|| run.stopped(started), |result| run.report(started, result));
            held.finish(report, done);
        }
        Ok(None) => {
            // The place is kept until it has returned. An error is a task that the runtime dropped at its end: its
            // promise says so.
            let _ = tokio::task::spawn_blocking(move || held.execute(run, done)).await;
        }
        Err(panic) => held.finish(run.report(started, Err(panic)), done),
    }
}

/// A run's ticket, which is given back even where the runtime drops the run.
struct TicketGuard {
    runs: Arc<InFlight>,
    ticket: Option<Ticket>,
}

impl TicketGuard {
    fn finish(mut self, report: RunReport, done: Completion) {
        if let Some(ticket) = self.ticket.take() {
            self.runs.finish(ticket, report, done);
        }
    }

    fn execute(mut self, run: RunRequest, done: Completion) {
        if let Some(ticket) = self.ticket.take() {
            self.runs.execute(ticket, run, done);
        }
    }
}

impl Drop for TicketGuard {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.runs.cede(ticket);
        }
    }
}

/// Drives the work until it returns or panics; `None` when it was told to stop before. Work that has waited for that has time to end.
async fn to_its_end(
    run: &RunRequest,
    mut work: TaskFuture,
    cancel_grace: Duration,
) -> Option<thread::Result<TaskResult>> {
    // Most of what is short is done at once, and needs nobody to stop it.
    if let Poll::Ready(result) =
        poll_fn(|context| Poll::Ready(poll_caught(run, work.as_mut(), context))).await
    {
        let_go(run, work);
        return Some(result);
    }
    // What stops the work has its turn also where the work has used up what the runtime allows a task in one go.
    let (stop, stopped) = oneshot::channel();
    let mut stopped = unconstrained(stopped);
    run.cancel.on_cancel(move || {
        // Nobody listens any more where the run has ended.
        let _ = stop.send(());
    });
    let mut limit = pin!(run.time_limit.map(|limit| unconstrained(tokio::time::sleep(limit))));
    let ended = poll_fn(|context| {
        if let Poll::Ready(result) = poll_caught(run, work.as_mut(), context) {
            return Poll::Ready(Some(result));
        }
        if let (Some(limit), Some(allowed)) = (limit.as_mut().as_pin_mut(), run.time_limit)
            && limit.poll(context).is_ready()
        {
            // What the task has registered may take its time, or wait for other runs.
            run.cancel.set(CancelReason::TimeLimit(allowed)).call_in_background();
            return Poll::Ready(None);
        }
        Pin::new(&mut stopped).poll(context).map(|_| None)
    })
    .await;
    let ended = match ended {
        None if run.cancel.is_awaited() => {
            let mut grace = pin!(unconstrained(tokio::time::sleep(cancel_grace)));
            poll_fn(|context| match poll_caught(run, work.as_mut(), context) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending => grace.as_mut().poll(context).map(|()| None),
            })
            .await
        }
        ended => ended,
    };
    let_go(run, work);
    ended
}

/// Drops what the future of a run holds; a scheduler among it must not wait for this run.
fn let_go(run: &RunRequest, work: TaskFuture) {
    let _scope = run.enter();
    drop_caught(work);
}

fn poll_caught(
    run: &RunRequest,
    work: Pin<&mut (dyn Future<Output = TaskResult> + Send)>,
    context: &mut Context<'_>,
) -> Poll<thread::Result<TaskResult>> {
    let _scope = run.enter();
    match catch_unwind(AssertUnwindSafe(|| work.poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    }
}

impl TokioExecutor {
    /// Returns an executor on the runtime that this is called in, with the default limits: 10,000 runs at once, 100,000 that wait.
    ///
    /// ```
    /// # use matins_executor_tokio::TokioExecutor;
    /// assert!(TokioExecutor::current().is_err());
    ///
    /// let runtime = tokio::runtime::Runtime::new()?;
    /// assert!(runtime.block_on(async { TokioExecutor::current() }).is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// If it is called outside a runtime.
    pub fn current() -> Result<Self, NotOnRuntime> {
        let runtime = Handle::try_current().map_err(|_| NotOnRuntime)?;
        Ok(Self::builder(runtime).build())
    }

    /// Returns the builder of an executor on a runtime.
    ///
    /// ```
    /// # use matins_executor_tokio::TokioExecutor;
    /// let runtime = tokio::runtime::Runtime::new()?;
    /// let executor = TokioExecutor::builder(runtime.handle().clone()).at_once(500).queue(10_000).build();
    /// # drop(executor);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn builder(runtime: Handle) -> TokioExecutorBuilder {
        let cancel_grace = Duration::from_secs(5);
        TokioExecutorBuilder { runtime, at_once: 10_000, queue: 100_000, cancel_grace }
    }
}

impl Executor for TokioExecutor {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        let ticket = match self.runs.admit(&run) {
            Ok(ticket) => ticket,
            Err(reason) => return Err(Refused { reason, done }),
        };
        let held = TicketGuard { runs: self.runs.clone(), ticket: Some(ticket) };
        self.waiting.push(run.priority, (held, run, done));
        if self.arrivals.add() {
            let hand_out = Dispatcher {
                arrivals: self.arrivals.clone(),
                waiting: self.waiting.clone(),
                places: self.places.clone(),
                is_done: false,
            };
            self.runtime.spawn(hand_out.until_none_are_left());
        }
        Ok(())
    }

    /// Waits on the calling thread, which must not be one of the runtime's workers.
    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
        self.runs.shut_down(how)
    }

    /// The thread that drives a current-thread runtime must not wait for the runs of that runtime, and a worker of a
    /// multi-thread runtime waits in [`block_in_place`](tokio::task::block_in_place).
    fn wait_mode(&self) -> WaitMode {
        match self.runtime.runtime_flavor() {
            RuntimeFlavor::CurrentThread if self.runs.count() > 0 => match self.arrivals.lock().thread {
                // Another thread drives it: this one may be of its blocking pool.
                Some(driver) if driver != thread::current().id() => WaitMode::Block,
                _ => WaitMode::Never,
            },
            RuntimeFlavor::MultiThread
                if Handle::try_current().is_ok_and(|current| current.id() == self.runtime.id()) =>
            {
                WaitMode::BlockWithin(wait_in_place)
            }
            _ => WaitMode::Block,
        }
    }
}

/// Has another worker do meanwhile what this one would have done.
fn wait_in_place(wait: &mut dyn FnMut()) {
    let mut waits = false;
    let waited = catch_unwind(AssertUnwindSafe(|| {
        tokio::task::block_in_place(|| {
            waits = true;
            wait();
        });
    }));
    match waited {
        Ok(()) => {}
        Err(panic) if waits => resume_unwind(panic),
        // A thread with tasks of its own (`LocalSet`) cannot give them to another; the runs are not among them.
        Err(_) => wait(),
    }
}

/// There is no tokio runtime where one was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "this is no tokio runtime's thread; call it within one, or give TokioExecutor::builder a runtime's handle"
)]
#[non_exhaustive]
pub struct NotOnRuntime;

impl Drop for TokioExecutor {
    /// Cancels what runs. Blocking tasks are waited for as long as [`cancel_grace`](TokioExecutorBuilder::cancel_grace)
    /// says.
    fn drop(&mut self) {
        self.shutdown(Shutdown::Now);
    }
}

impl fmt::Debug for TokioExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioExecutor").field("runs", &self.runs).finish_non_exhaustive()
    }
}
