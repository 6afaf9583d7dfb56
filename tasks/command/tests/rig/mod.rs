//! Runs commands as an executor would.
#![allow(dead_code)] // Each test uses a part of it.

use std::time::{Duration, Instant};

use matins_core::{CancelToken, JobId, RunId, Task, TaskContext, TaskResult};
use matins_task_command::{Command, CommandTask};

pub(crate) fn context(cancel: CancelToken) -> TaskContext {
    let job = JobId::new("job").unwrap();
    let mut context = TaskContext::new(job, RunId(1), chrono::DateTime::UNIX_EPOCH);
    context.cancel = cancel;
    context
}

pub(crate) fn run(command: &Command) -> TaskResult {
    CommandTask::default().run(&serde_json::to_value(command).unwrap(), &context(CancelToken::new()))
}

/// What a shell prints that runs this.
#[track_caller]
pub(crate) fn printed(command: &Command) -> String {
    run(command).unwrap().output.unwrap_or_default()
}

/// Checks again and again until it is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < limit, "{what}: not within a minute");
        std::thread::yield_now();
    }
}
