//! The smallest executor, for tests only: it runs tasks in `submit`, so that its caller waits for them.

use matins_core::{Completion, Executor, Refused, RunId, RunRequest, Shutdown};

/// Does each run where it is handed over, on the submitting thread: what a tick has started has ended before the next. So it
/// is for tests alone, and does not pass the suite, which asks that submitting never waits for work.
#[derive(Debug, Clone, Copy, Default)]
pub struct InlineExecutor;

impl Executor for InlineExecutor {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        done.finish(run.execute());
        Ok(())
    }

    fn shutdown(&mut self, _how: Shutdown) -> Vec<RunId> {
        Vec::new()
    }
}
