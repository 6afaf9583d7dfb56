//! The workers of an executor, and a run's task as its thread has it: a worker does it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use matins_core::{Task, TaskContext, TaskError, TaskName, TaskResult, Value, is_out_of_resources};

use crate::child::{Exchange, Worker, WorkerLimits};
use crate::frame::RunFrame;

/// The workers that have nothing to do, and how to start others.
pub(crate) struct Workers {
    pub(crate) idle: Mutex<Vec<Worker>>,
    pub(crate) terms: WorkerLimits,
    pub(crate) runs_per_worker: u64,
}

impl Workers {
    pub(crate) fn idle(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Result<Worker, TaskError> {
        let idle = self.idle().pop();
        match idle {
            Some(worker) => Ok(worker),
            None => Worker::start(&self.terms).map_err(|error| {
                let message = "no worker could be started";
                let failed = if is_out_of_resources(&error) {
                    TaskError::not_started(message)
                } else {
                    TaskError::new(message)
                };
                failed.with_source(error)
            }),
        }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers")
            .field("idle", &self.idle().len())
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

/// A task as its run's thread has it: it has a worker do it.
pub(crate) struct Remote {
    pub(crate) workers: Arc<Workers>,
    pub(crate) name: TaskName,
    pub(crate) time_limit: Option<Duration>,
}

impl Task for Remote {
    fn run(&self, arguments: &Value, context: &TaskContext) -> TaskResult {
        let run = RunFrame {
            run: context.run,
            job: context.job.clone(),
            task: self.name.clone(),
            arguments: arguments.clone(),
            scheduled: context.scheduled,
            started: context.started,
            attempt: context.attempt,
            cause: context.cause,
        };
        loop {
            let mut worker = self.workers.take()?;
            let is_fresh = worker.runs == 0;
            match worker.exchange(&run, context, self.time_limit, &self.workers.terms) {
                Exchange::Over(result) => {
                    if worker.runs < self.workers.runs_per_worker {
                        self.workers.idle().push(worker);
                    }
                    return result;
                }
                Exchange::Lost(error) => return Err(error),
                // It had ended while it was idle.
                Exchange::NotBegun if !is_fresh => {}
                Exchange::NotBegun => return Err(TaskError::new("the worker ended before it could begin")),
            }
        }
    }
}
