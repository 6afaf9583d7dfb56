//! Which runs the calling thread is working on.

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::{CancelToken, RunRequest};

thread_local! {
    /// The runs of this thread: more than one where a task, while it waits, lets its thread work on another run.
    static RUNS: RefCell<Vec<CancelToken>> = const { RefCell::new(Vec::new()) };
}

/// While this exists, its thread is known to work on a run: see [`RunRequest::enter`].
#[derive(Debug)]
#[must_use = "the run is left at once unless this is kept"]
pub struct RunScope {
    entered: bool,
    /// It belongs to its thread.
    _not_send: PhantomData<*const ()>,
}

impl RunRequest {
    /// Notes that the calling thread works on this run, until the returned guard is dropped. Guards are to be dropped in the
    /// reverse order of their making.
    ///
    /// [`execute`](Self::execute) does this by itself. An executor that calls the task in another way (it polls the task's
    /// future, for instance) does it around each call, so that a scheduler never waits for a run on the run's own thread: see
    /// [`CancelToken::is_of_this_thread`].
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use matins_core::{JobId, RunId, RunRequest, TaskName};
    /// # use matins_core::{Clock, Task, TaskContext, TaskOutput, TaskResult, Value};
    /// # #[derive(Debug)]
    /// # struct Stopped;
    /// # impl Clock for Stopped {
    /// #     fn now(&self) -> chrono::DateTime<chrono::Utc> { chrono::DateTime::UNIX_EPOCH }
    /// #     fn sleep_until(&self, _: chrono::DateTime<chrono::Utc>) -> Option<std::time::Duration> { None }
    /// # }
    /// # struct Nothing;
    /// # impl Task for Nothing {
    /// #     fn run(&self, _: &Value, _: &TaskContext) -> TaskResult { Ok(TaskOutput::default()) }
    /// # }
    /// # let (task, clock) = (Arc::new(Nothing), Arc::new(Stopped));
    ///
    /// let (job, name) = (JobId::new("job").unwrap(), TaskName::new("task").unwrap());
    /// let run = RunRequest::new(RunId(1), job, name, task, clock);
    /// assert!(!run.cancel.is_of_this_thread());
    /// let scope = run.enter();
    /// assert!(run.cancel.is_of_this_thread());
    /// drop(scope);
    /// assert!(!run.cancel.is_of_this_thread());
    /// ```
    pub fn enter(&self) -> RunScope {
        // A thread that ends has no such list any more, and no runs.
        let entered = RUNS.try_with(|runs| runs.borrow_mut().push(self.cancel.clone())).is_ok();
        RunScope { entered, _not_send: PhantomData }
    }
}

impl Drop for RunScope {
    fn drop(&mut self) {
        if self.entered {
            // Dropped after the borrow: it may hold the last callbacks of its run.
            let _last = RUNS.try_with(|runs| runs.borrow_mut().pop());
        }
    }
}

impl CancelToken {
    /// Whether the calling thread works on the run that this token belongs to: waiting here for that run to end would never
    /// end.
    ///
    /// A thread that the run has started itself is not known to work on it.
    ///
    /// ```
    /// use matins_core::CancelToken;
    ///
    /// let token = CancelToken::new();
    /// assert!(!token.is_of_this_thread(), "no run is in progress here");
    /// ```
    pub fn is_of_this_thread(&self) -> bool {
        RUNS.try_with(|runs| runs.borrow().iter().any(|run| run.is(self))).unwrap_or(false)
    }
}
