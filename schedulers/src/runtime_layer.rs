//! The tokio runtime of a scheduler that is built inside one.

use matins_core::{Layer, Next, TaskContext, TaskFuture, TaskResult, Value};
use tokio::runtime::Handle;

/// Lets tasks use the runtime on whatever thread they run: an async task that a pool of threads drives may use tokio's timers, sockets
/// and `spawn`.
pub(crate) struct RuntimeLayer(pub(crate) Handle);

impl Layer for RuntimeLayer {
    fn run(&self, _arguments: &Value, _context: &TaskContext, next: Next<'_>) -> TaskResult {
        let _entered = self.0.enter();
        next.run()
    }

    /// Whoever polls it has a runtime.
    fn future(&self, _arguments: &Value, _context: &TaskContext, next: TaskFuture) -> TaskFuture {
        next
    }
}
