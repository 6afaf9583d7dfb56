//! The layer that the feature `tracing` puts around every run.

use matins_core::{Layer, Next, TaskContext, TaskFuture, TaskResult, Value};
use tracing::{Instrument, Span};

/// Does the work of each run in a span of `tracing`, so that the log lines of a task name its run.
///
/// With the feature `tracing`, every scheduler has this layer, outside of all others. The span is called `run`. Its target is
/// `matins`, and its level INFO. Its fields are `job`, `run` (the number), `attempt` and `scheduled` (the fire time). A run that
/// follows a run of another job also has the field `cause`: the number of that run. The span of an async task is entered each
/// time that its future is polled.
///
/// A worker process has the layers of its own registry. There it is added by hand:
///
/// ```
/// use matins_scheduler::TraceLayer;
/// use matins_task_function::TaskRegistry;
///
/// let tasks = TaskRegistry::default();
/// tasks.register("tick", || println!("tick")).unwrap();
/// tasks.layer(TraceLayer);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct TraceLayer;

fn span(context: &TaskContext) -> Span {
    let TaskContext { job, run, attempt, cause, scheduled, .. } = context;
    let cause = cause.map(|cause| cause.0);
    tracing::info_span!(target: "matins", "run", %job, run = run.0, attempt, %scheduled, cause)
}

impl Layer for TraceLayer {
    fn run(&self, _arguments: &Value, context: &TaskContext, next: Next<'_>) -> TaskResult {
        span(context).in_scope(|| next.run())
    }

    fn future(&self, _arguments: &Value, context: &TaskContext, next: TaskFuture) -> TaskFuture {
        let span = span(context);
        if span.is_disabled() { next } else { Box::pin(next.instrument(span)) }
    }
}
