//! What drivers and handles share: the engine, the executors under their lock, and the threads that drive lanes.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use matins_core::{Clock, Executor, ExecutorName, Outcome, Refusal, RunReport, Shutdown, Wake};

use crate::engine::{EXECUTOR_FULL, Engine, Next, Submission};
use crate::lane::{Driver, Lane};

pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    /// Apart from the engine, so that a task that runs on the submitting thread may use a handle.
    executors: Mutex<HashMap<ExecutorName, Box<dyn Executor>>>,
    pub(crate) clock: Arc<dyn Clock>,
    has_stopped: Mutex<bool>,
    stopped: Condvar,
    /// Wakes the drivers when the clock is moved, as long as this is here.
    _wake: Arc<Wake>,
}

impl Shared {
    pub(crate) fn new(engine: Engine, executors: HashMap<ExecutorName, Box<dyn Executor>>) -> Arc<Self> {
        let engine = Arc::new(engine);
        let ringing = Arc::downgrade(&engine);
        let wake: Arc<Wake> = Arc::new(move || {
            if let Some(engine) = ringing.upgrade() {
                engine.ring_all();
            }
        });
        let clock = engine.clock.clone();
        clock.wake_on_change(&wake);
        Arc::new(Self {
            _wake: wake,
            engine,
            executors: Mutex::new(executors),
            clock,
            has_stopped: Mutex::new(false),
            stopped: Condvar::new(),
        })
    }

    /// Drives the engine until it has stopped. Stores that do I/O are driven by a thread each, so that one that is slow holds up
    /// its own jobs alone.
    pub(crate) fn drive(self: &Arc<Self>) {
        self.engine.start();
        let mut threads = Vec::new();
        loop {
            let lanes = self.engine.lanes().into_iter();
            let needs_thread = |lane: &Arc<Lane>| lane.is_persistent && lane.driver() == Driver::Scheduler;
            threads.extend(lanes.filter(needs_thread).filter_map(|lane| self.drive_apart(lane)));
            let (submissions, next) = self.engine.turn();
            self.submit(submissions);
            match next {
                Next::Again => {}
                Next::WaitUntil(until) => self.engine.bell.wait(until, &*self.clock),
                Next::Stop => break,
            }
        }
        for thread in threads {
            // A panic there was reported by the thread itself.
            let _ = thread.join();
        }
        let executors = std::mem::take(&mut *self.executors());
        for mut executor in executors.into_values() {
            executor.shutdown(Shutdown::Now);
        }
        self.announce_stop();
    }

    /// Drives a lane on a thread of its own; where the system starts none, it stays with the scheduler's driver.
    fn drive_apart(self: &Arc<Self>, lane: Arc<Lane>) -> Option<JoinHandle<()>> {
        let (shared, driven) = (self.clone(), lane.clone());
        lane.set_driver(Driver::Thread);
        let drive = move || {
            let guard = EndOfThread { shared, lane: driven };
            loop {
                let (submissions, next) = guard.shared.engine.turn_of(&guard.lane);
                guard.shared.submit(submissions);
                match next {
                    Next::Again => {}
                    Next::WaitUntil(until) => guard.lane.inbox.bell().wait(until, &*guard.shared.clock),
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

    fn executors(&self) -> MutexGuard<'_, HashMap<ExecutorName, Box<dyn Executor>>> {
        self.executors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put_executor(
        &self,
        name: ExecutorName,
        executor: Box<dyn Executor>,
    ) -> Option<Box<dyn Executor>> {
        self.executors().insert(name, executor)
    }

    pub(crate) fn take_executor(&self, name: &ExecutorName) -> Option<Box<dyn Executor>> {
        self.executors().remove(name)
    }

    fn submit(&self, submissions: Vec<Submission>) {
        if submissions.is_empty() {
            return;
        }
        let mut executors = self.executors();
        for Submission { executor: name, request, done } in submissions {
            let run = request.run;
            let Some(executor) = executors.get_mut(&name) else {
                let message = format!("there is no executor {name:?}; give the scheduler one of that name");
                done.finish(self.engine.not_taken(run, Outcome::Failed, message));
                continue;
            };
            if let Err(refused) = executor.submit(request, done) {
                let not_started = refused.reason == Refusal::OutOfResources;
                let (outcome, message) = match refused.reason {
                    Refusal::Full => (EXECUTOR_FULL, format!("executor {name:?} had no room for it")),
                    Refusal::OutOfResources => (
                        Outcome::Failed,
                        format!(
                            "executor {name:?} could start no thread or process for it: the system has none left"
                        ),
                    ),
                    _ => (Outcome::Failed, format!("executor {name:?} is shut down")),
                };
                let report = self.engine.not_taken(run, outcome, message);
                refused.done.finish(RunReport { not_started, ..report });
            }
        }
    }

    /// Begins to shut down; where nobody drives the scheduler, it is over at once.
    pub(crate) fn shutdown(&self, how: Shutdown) {
        if self.engine.shutdown(how) {
            self.announce_stop();
        }
    }

    fn announce_stop(&self) {
        *self.has_stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stopped.notify_all();
    }

    /// Waits until the engine has stopped.
    pub(crate) fn wait_until_stopped(&self) {
        let mut has_stopped = self.has_stopped.lock().unwrap_or_else(PoisonError::into_inner);
        while !*has_stopped {
            has_stopped = self.stopped.wait(has_stopped).unwrap_or_else(PoisonError::into_inner);
        }
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
        self.shared.engine.bell.ring();
    }
}
