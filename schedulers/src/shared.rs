//! What drivers and handles share: the engine, the executors under their lock, and the threads that drive lanes.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use foldhash::HashMap;
use matins_core::{
    CancelToken, Clock, Executor, ExecutorName, Outcome, Refusal, Shutdown, StoreName, WaitMode, Wake,
    drop_caught,
};

#[cfg(feature = "tokio")]
use crate::asynchronous::TokioClock;
use crate::engine::{EXECUTOR_FULL, Engine, Next, Submission};
use crate::lane::{Driver, Lane};
use crate::wakeup::Wakeup;

/// How long a thread waits before it looks whether it may still wait: the first time, and at most.
const LOOK_FIRST: Duration = Duration::from_millis(10);
const LOOK_LATEST: Duration = Duration::from_secs(1);

pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    executors: Mutex<HashMap<ExecutorName, SharedExecutor>>,
    pub(crate) clock: Arc<dyn Clock>,
    end: Mutex<End>,
    end_changed: Condvar,
    /// The clock of a scheduler that is driven on a runtime, for tests.
    #[cfg(feature = "tokio")]
    pub(crate) tokio_time: Option<TokioClock>,
    /// Wakes the drivers when the clock is moved, as long as this is here.
    _wake: Arc<Wake>,
}

/// Each has a lock of its own: a task that an executor runs on the submitting thread may use a handle.
type SharedExecutor = Arc<Mutex<Box<dyn Executor>>>;

/// How far the scheduler's end has come.
#[derive(Default)]
struct End {
    is_requested: bool,
    has_come: bool,
    awaited: Vec<oneshot::Sender<()>>,
}

thread_local! {
    /// The schedulers that this thread drives, each by the address of its wakeup: more than one where a task that runs on a driver's
    /// thread drives another scheduler.
    static DRIVEN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

impl Shared {
    pub(crate) fn new(engine: Engine, executors: HashMap<ExecutorName, Box<dyn Executor>>) -> Self {
        let engine = Arc::new(engine);
        let ringing = Arc::downgrade(&engine);
        let wake: Arc<Wake> = Arc::new(move || {
            if let Some(engine) = ringing.upgrade() {
                engine.ring_all();
            }
        });
        let clock = engine.clock.clone();
        clock.wake_on_change(&wake);
        let executors = executors.into_iter().map(|(name, executor)| (name, Arc::new(Mutex::new(executor))));
        Self {
            _wake: wake,
            engine,
            executors: Mutex::new(executors.collect()),
            clock,
            end: Mutex::default(),
            end_changed: Condvar::new(),
            #[cfg(feature = "tokio")]
            tokio_time: None,
        }
    }

    /// Drives the engine until it has stopped. Stores that do I/O are driven by a thread each, so that one that is slow holds up
    /// its own jobs alone.
    pub(crate) fn drive(self: &Arc<Self>) {
        let _end = EndOfDriver { shared: self, _driving: Driving::begin(&self.engine.wakeup) };
        self.engine.start();
        let mut threads = Vec::new();
        loop {
            let lanes = self.engine.lanes();
            let needs_thread = |lane: &&Arc<Lane>| lane.is_persistent && lane.driver() == Driver::Scheduler;
            threads
                .extend(lanes.iter().filter(needs_thread).filter_map(|lane| self.drive_apart(lane.clone())));
            for lane in lanes.iter().filter(|lane| lane.driver() == Driver::Scheduler) {
                self.engine.count_left_behind(lane);
            }
            let (submissions, next) = self.engine.turn();
            self.engine.deliver_events();
            self.submit(submissions);
            match next {
                Next::Again => {}
                Next::WaitUntil(until) => self.engine.wakeup.wait(until, &*self.clock),
                Next::Stop => break,
            }
        }
        for thread in threads {
            // A panic there was reported by the thread itself.
            let _ = thread.join();
        }
        let executors = std::mem::take(&mut *self.executors());
        for executor in executors.into_values() {
            lock(&executor).shutdown(Shutdown::Now);
        }
    }

    /// Ends all executors as `how` says; on threads of their own where this thread must not wait for their runs.
    #[cfg(feature = "tokio")]
    pub(crate) fn end_executors(&self, how: Shutdown) {
        let executors = std::mem::take(&mut *self.executors());
        for executor in executors.into_values() {
            self.end_executor(Some(executor), how);
        }
    }

    /// Whether executors have runs that have not reported.
    #[cfg(feature = "tokio")]
    pub(crate) fn has_runs_in_flight(&self) -> bool {
        self.engine.lanes().iter().any(|lane| !lane.in_flight.is_empty())
    }

    /// Drives a lane on a thread of its own; where the system starts none, it stays with the scheduler's driver.
    fn drive_apart(self: &Arc<Self>, lane: Arc<Lane>) -> Option<JoinHandle<()>> {
        let (shared, driven) = (self.clone(), lane.clone());
        lane.set_driver(Driver::Thread);
        let drive = move || {
            let guard = EndOfThread { shared, lane: driven };
            let _driving = Driving::begin(&guard.shared.engine.wakeup);
            loop {
                guard.shared.engine.count_left_behind(&guard.lane);
                let (submissions, next) = guard.shared.engine.turn_of(&guard.lane);
                guard.shared.engine.deliver_events();
                guard.shared.submit(submissions);
                match next {
                    Next::Again => {}
                    Next::WaitUntil(until) => guard.lane.inbox.wakeup().wait(until, &*guard.shared.clock),
                    Next::Stop => break,
                }
            }
        };
        let thread = thread::Builder::new().name("matins-store".to_owned()).spawn(drive);
        if thread.is_err() {
            lane.set_driver(Driver::Scheduler);
        }
        thread.ok()
    }

    fn executors(&self) -> MutexGuard<'_, HashMap<ExecutorName, SharedExecutor>> {
        lock(&self.executors)
    }

    /// Puts in an executor. One that had its name before is ended as `how` says.
    pub(crate) fn put_executor(&self, name: ExecutorName, executor: Box<dyn Executor>, how: Shutdown) {
        let before = self.executors().insert(name, Arc::new(Mutex::new(executor)));
        self.end_executor(before, how);
    }

    /// Takes an executor away, and ends it as `how` says.
    pub(crate) fn take_executor(&self, name: &ExecutorName, how: Shutdown) {
        let executor = self.executors().remove(name);
        self.end_executor(executor, how);
    }

    /// Ends an executor; on a thread of its own if this thread must not wait for its runs.
    fn end_executor(&self, executor: Option<SharedExecutor>, how: Shutdown) {
        let Some(executor) = executor else { return };
        let mode = if self.is_needed_here() { WaitMode::Never } else { lock(&executor).wait_mode() };
        let mut end = move || drop(lock(&executor).shutdown(how));
        match mode {
            WaitMode::Never => {
                // Where the system starts no thread, the executor is dropped, which cancels its runs.
                let _ = thread::Builder::new().name("matins-executor".to_owned()).spawn(end);
            }
            WaitMode::BlockWithin(within) => within(&mut end),
            _ => end(),
        }
    }

    pub(crate) fn submit(&self, submissions: Vec<Submission>) {
        if submissions.is_empty() {
            return;
        }
        // Runs mostly go to the executor of the one before.
        let mut last: Option<(ExecutorName, SharedExecutor)> = None;
        for Submission { executor: name, is_taken_up, request, done } in submissions {
            let run = request.run;
            if last.as_ref().is_none_or(|(last, _)| *last != name) {
                last = self.executors().get(&name).cloned().map(|executor| (name.clone(), executor));
            }
            let Some((_, executor)) = &last else {
                let message = format!("there is no executor {name:?}; give the scheduler one of that name");
                done.finish(self.engine.not_taken(run, Outcome::Failed, message));
                continue;
            };
            // Others' code: one that panics must not end the driver. What it has dropped says that the run is lost.
            let submitted = catch_unwind(AssertUnwindSafe(|| {
                let mut executor = lock(executor);
                if is_taken_up { executor.reattach(request, done) } else { executor.submit(request, done) }
            }));
            let submitted = submitted.unwrap_or_else(|panic| {
                drop_caught(panic);
                Ok(())
            });
            if let Err(refused) = submitted {
                let not_started = refused.reason == Refusal::OutOfResources;
                let (outcome, message) = match refused.reason {
                    Refusal::Full => (EXECUTOR_FULL, format!("executor {name:?} had no room for it")),
                    Refusal::OutOfResources => (
                        Outcome::Failed,
                        format!(
                            "executor {name:?} could start no thread or process for it: the system has none left"
                        ),
                    ),
                    Refusal::NotAttachable => {
                        (Outcome::Interrupted, format!("executor {name:?} does not know it any more"))
                    }
                    _ => (Outcome::Failed, format!("executor {name:?} is shut down")),
                };
                let mut report = self.engine.not_taken(run, outcome, message);
                report.not_started = not_started;
                refused.done.finish(report);
            }
        }
    }

    /// Begins to shut down; where nobody drives the scheduler, it is over at once.
    pub(crate) fn request_shutdown(&self, how: Shutdown) {
        let is_over = self.engine.shutdown(how);
        self.engine.deliver_events();
        if is_over {
            return self.announce_end();
        }
        lock(&self.end).is_requested = true;
        self.end_changed.notify_all();
    }

    pub(crate) fn announce_end(&self) {
        let awaited = {
            let mut end = lock(&self.end);
            end.has_come = true;
            std::mem::take(&mut end.awaited)
        };
        self.end_changed.notify_all();
        for waiter in awaited {
            // One that gave up is none.
            let _ = waiter.send(());
        }
    }

    /// Waits until the scheduler has stopped. Returns `false` if it has not, and this thread must not wait for it.
    pub(crate) fn wait_until_stopped(&self) -> bool {
        self.wait_for(self.is_needed_here(), |patience| {
            let mut end = lock(&self.end);
            // Until somebody asks for the end, there is none to wait for in vain.
            while !end.has_come && !end.is_requested && !patience.is_zero() {
                end = self.end_changed.wait(end).unwrap_or_else(PoisonError::into_inner);
            }
            let waited = self.end_changed.wait_timeout_while(end, patience, |end| !end.has_come);
            waited.unwrap_or_else(PoisonError::into_inner).0.has_come
        })
    }

    /// Returns what is sent, or dropped, when the scheduler has stopped.
    #[cfg(feature = "tokio")]
    pub(crate) fn end(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut end = lock(&self.end);
        end.awaited.retain(|waiter| !waiter.is_closed());
        if !end.has_come {
            end.awaited.push(sender);
        }
        receiver
    }

    /// Waits until `is_done` returns `true`; each call of it waits at most that long. Returns `false` if it is not, and this
    /// thread must not wait for it: it `is_needed` for that, or for runs of an executor.
    pub(crate) fn wait_for(&self, is_needed: bool, mut is_done: impl FnMut(Duration) -> bool) -> bool {
        if is_needed {
            return is_done(Duration::ZERO);
        }
        let mut patience = LOOK_FIRST;
        loop {
            match self.wait_mode() {
                WaitMode::Never => return is_done(Duration::ZERO),
                WaitMode::BlockWithin(within) => {
                    within(&mut || while !is_done(LOOK_LATEST) {});
                    return true;
                }
                _ if is_done(patience) => return true,
                _ => patience = (patience * 2).min(LOOK_LATEST),
            }
        }
    }

    /// Whether this thread may wait for the runs of a store's jobs.
    pub(crate) fn may_wait_for_store(&self, store: &StoreName) -> bool {
        !self.is_needed_for(|lane| lane.name == *store) && !matches!(self.wait_mode(), WaitMode::Never)
    }

    /// Whether runs, or the drivers, depend on this thread: it drives the scheduler, or works on one of its runs.
    pub(crate) fn is_needed_here(&self) -> bool {
        self.is_needed_for(|_| true)
    }

    /// Whether this thread drives the scheduler, or works on a run of such a lane's job.
    pub(crate) fn is_needed_for(&self, of: impl Fn(&Lane) -> bool) -> bool {
        let address = Arc::as_ptr(&self.engine.wakeup).addr();
        let drives = DRIVEN.try_with(|driven| driven.borrow().contains(&address)).unwrap_or(false);
        let works_for =
            |lane: &Arc<Lane>| of(lane) && lane.in_flight.tokens().iter().any(CancelToken::is_of_this_thread);
        drives || self.engine.lanes().iter().any(works_for)
    }

    /// How this thread may wait for the runs of all executors.
    fn wait_mode(&self) -> WaitMode {
        // The runtime drives it, and this may be its only thread.
        #[cfg(feature = "tokio")]
        if self.tokio_time.is_some() && tokio::runtime::Handle::try_current().is_ok() {
            return WaitMode::Never;
        }
        let executors: Vec<SharedExecutor> = self.executors().values().cloned().collect();
        let mut all = WaitMode::Block;
        for executor in executors {
            // One that is taking a run on another thread is asked the next time.
            let Ok(executor) = executor.try_lock() else { continue };
            match executor.wait_mode() {
                WaitMode::Never => return WaitMode::Never,
                WaitMode::BlockWithin(within) => all = WaitMode::BlockWithin(within),
                _ => {}
            }
        }
        all
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While this exists, its thread is known to drive a scheduler, or to call what a scheduler that shuts down waits for.
pub(crate) struct Driving {
    address: usize,
}

impl Driving {
    pub(crate) fn begin(wakeup: &Arc<Wakeup>) -> Self {
        let address = Arc::as_ptr(wakeup).addr();
        // A thread that ends has no such list any more, and drives nothing.
        let _ = DRIVEN.try_with(|driven| driven.borrow_mut().push(address));
        Self { address }
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        let _ = DRIVEN.try_with(|driven| {
            let mut driven = driven.borrow_mut();
            if let Some(place) = driven.iter().rposition(|address| *address == self.address) {
                driven.remove(place);
            }
        });
    }
}

/// Announces that the scheduler has stopped, however its driver has ended.
struct EndOfDriver<'a> {
    shared: &'a Shared,
    _driving: Driving,
}

impl Drop for EndOfDriver<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            // Nobody drives it any more: whoever waits is told so.
            self.shared.engine.stop();
            self.shared.engine.deliver_events();
        }
        self.shared.announce_end();
    }
}

/// Tells the scheduler's driver that the thread of a lane has ended, however it did.
struct EndOfThread {
    shared: Arc<Shared>,
    lane: Arc<Lane>,
}

impl Drop for EndOfThread {
    fn drop(&mut self) {
        self.lane.set_driver(Driver::Nobody);
        self.shared.engine.wakeup.wake();
    }
}
