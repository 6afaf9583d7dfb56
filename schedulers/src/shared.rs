//! What drivers and handles share: the engine under its lock, the executors under theirs, and the bell.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use matins_core::{
    Clock, CompletionSink, Executor, ExecutorName, JobId, Outcome, Refusal, RunReport, Shutdown, Wake,
};

use crate::SchedulerError;
use crate::engine::{EXECUTOR_FULL, Engine, Next, Submission};
use crate::job_commands::{AddOutcome, Added};
use crate::new_job::NewJob;

pub(crate) struct Shared {
    engine: Mutex<Engine>,
    /// Apart from the engine, so that a task that runs on the submitting thread may use a handle.
    executors: Mutex<HashMap<ExecutorName, Box<dyn Executor>>>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) clock: Arc<dyn Clock>,
    stopped: Condvar,
    /// Rings the bell when the clock is moved, as long as this is here.
    _wake: Arc<Wake>,
}

/// Wakes the driver, and brings it the reports of runs that have ended.
#[derive(Default)]
pub(crate) struct Bell {
    state: Mutex<Rung>,
    rung: Condvar,
}

#[derive(Default)]
struct Rung {
    reports: Vec<(usize, RunReport)>,
    is_rung: bool,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, Rung> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ring(&self) {
        self.lock().is_rung = true;
        self.rung.notify_one();
    }

    fn take_reports(&self) -> Vec<(usize, RunReport)> {
        std::mem::take(&mut self.lock().reports)
    }

    /// Waits until it is rung, a report comes, or (as `clock` has it) `until` is past. A look at the clock that finds nothing
    /// to do costs no turn of the engine.
    fn wait(&self, until: Option<DateTime<Utc>>, clock: &dyn Clock) {
        let mut state = self.lock();
        while state.reports.is_empty() && !state.is_rung {
            state = match until.and_then(|until| clock.sleep_until(until)) {
                Some(time) if time.is_zero() => break,
                Some(time) => self.rung.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0,
                None => self.rung.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        state.is_rung = false;
    }
}

/// Where the runs of one store report to.
pub(crate) struct StoreSink {
    pub(crate) store: usize,
    pub(crate) bell: Arc<Bell>,
}

impl CompletionSink for StoreSink {
    fn completed(&self, report: RunReport) {
        let mut state = self.bell.lock();
        let was_empty = state.reports.is_empty();
        state.reports.push((self.store, report));
        drop(state);
        if was_empty {
            self.bell.rung.notify_one();
        }
    }
}

impl Shared {
    pub(crate) fn new(
        engine: Engine,
        executors: HashMap<ExecutorName, Box<dyn Executor>>,
        bell: Arc<Bell>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let ringing = bell.clone();
        let wake: Arc<Wake> = Arc::new(move || ringing.ring());
        clock.wake_on_change(&wake);
        Arc::new(Self {
            _wake: wake,
            engine: Mutex::new(engine),
            executors: Mutex::new(executors),
            bell,
            clock,
            stopped: Condvar::new(),
        })
    }

    pub(crate) fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` on the engine, and wakes the driver to look at what has changed.
    pub(crate) fn change<T>(&self, work: impl FnOnce(&mut Engine) -> T) -> T {
        let result = work(&mut self.engine());
        self.bell.ring();
        result
    }

    /// Adds a job, and wakes the driver where it is due before all that it waits for.
    pub(crate) fn add(&self, job: NewJob) -> Result<(JobId, AddOutcome), SchedulerError> {
        let Added { id, outcome, is_next } = self.engine().add(job)?;
        // The due fires of a job that is updated may have been started.
        if is_next || outcome == AddOutcome::Updated {
            self.bell.ring();
        }
        Ok((id, outcome))
    }

    /// Drives the engine until it has stopped.
    pub(crate) fn drive(&self) {
        self.engine().start();
        loop {
            let reports = self.bell.take_reports();
            let (submissions, next) = {
                let mut engine = self.engine();
                engine.take_reports(reports);
                engine.turn()
            };
            self.submit(submissions);
            match next {
                Next::Again => {}
                Next::WaitUntil(until) => self.bell.wait(until, &*self.clock),
                Next::Stop => break,
            }
        }
        let executors = std::mem::take(&mut *self.executors.lock().unwrap_or_else(PoisonError::into_inner));
        for mut executor in executors.into_values() {
            executor.shutdown(Shutdown::Now);
        }
        self.stopped.notify_all();
    }

    /// Where the runs of the store of this number report to.
    pub(crate) fn sink(&self, store: usize) -> Arc<dyn CompletionSink> {
        Arc::new(StoreSink { store, bell: self.bell.clone() })
    }

    pub(crate) fn put_executor(
        &self,
        name: ExecutorName,
        executor: Box<dyn Executor>,
    ) -> Option<Box<dyn Executor>> {
        self.executors.lock().unwrap_or_else(PoisonError::into_inner).insert(name, executor)
    }

    pub(crate) fn take_executor(&self, name: &ExecutorName) -> Option<Box<dyn Executor>> {
        self.executors.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    fn submit(&self, submissions: Vec<Submission>) {
        if submissions.is_empty() {
            return;
        }
        let mut executors = self.executors.lock().unwrap_or_else(PoisonError::into_inner);
        for Submission { executor: name, request, done } in submissions {
            let run = request.run;
            let Some(executor) = executors.get_mut(&name) else {
                let message = format!("there is no executor {name:?}; give the scheduler one of that name");
                done.finish(self.engine().not_taken(run, Outcome::Failed, message));
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
                let report = self.engine().not_taken(run, outcome, message);
                refused.done.finish(RunReport { not_started, ..report });
            }
        }
    }

    /// Waits until the engine has stopped.
    pub(crate) fn wait_until_stopped(&self) {
        let mut engine = self.engine();
        while !engine.is_stopped() {
            engine = self.stopped.wait(engine).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
