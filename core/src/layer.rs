//! Layers: what is done around the work of every run, for any task and any executor.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::{ArgumentsError, Task, TaskContext, TaskFuture, TaskResult};

/// Code that runs around the work of every run: it measures time, opens a tracing span, takes a lock, sets up a context.
///
/// Layers belong to a scheduler, to the tasks of a registry, or to one task. Of several, the first one that was added is the
/// outermost. A layer is called where the work is done: on the executor's thread, or on its runtime. It may change the result, and
/// it may end the run without calling the task: the [error](crate::TaskError) that it returns is then that of the run. Its panic is
/// caught like that of a task: this run fails, and others are not affected.
///
/// An async task has its future wrapped by [`future`](Self::future). All other runs, and those of an async task that an executor
/// drives on a thread, go through [`run`](Self::run). A layer which only acts before and after the work is shorter as
/// [`layer_fn`].
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use matins_core::{Layer, Next, TaskContext, TaskFuture, TaskResult, Value};
///
/// /// Counts the runs that have begun and not returned.
/// #[derive(Default)]
/// struct InProgress(std::sync::Arc<AtomicU64>);
///
/// impl Layer for InProgress {
///     fn run(&self, _arguments: &Value, _context: &TaskContext, next: Next<'_>) -> TaskResult {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         let result = next.run();
///         self.0.fetch_sub(1, Ordering::Relaxed);
///         result
///     }
///
///     fn future(&self, _arguments: &Value, _context: &TaskContext, next: TaskFuture) -> TaskFuture {
///         let count = self.0.clone();
///         Box::pin(async move {
///             count.fetch_add(1, Ordering::Relaxed);
///             let result = next.await;
///             count.fetch_sub(1, Ordering::Relaxed);
///             result
///         })
///     }
/// }
/// # let _ = InProgress::default();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer",
    label = "this does not implement `Layer`",
    note = "wrap a closure in `layer_fn`: `layer_fn(|context| {{ println!(\"before\"); |result| result }})`"
)]
pub trait Layer: Send + Sync {
    /// Does a run's work on this thread, by calling [`next`](Next::run).
    ///
    /// # Errors
    /// The error of the task, or one of the layer.
    fn run(&self, arguments: &Value, context: &TaskContext, next: Next<'_>) -> TaskResult;

    /// Returns the future of a run, around `next`, which is the future of the task with the layers inside this one. What the
    /// layer does before the work belongs in the returned future, because a future may be dropped before it is polled.
    fn future(&self, arguments: &Value, context: &TaskContext, next: TaskFuture) -> TaskFuture;
}

#[deny(clippy::missing_trait_methods)]
impl<L: Layer + ?Sized> Layer for Arc<L> {
    fn run(&self, arguments: &Value, context: &TaskContext, next: Next<'_>) -> TaskResult {
        (**self).run(arguments, context, next)
    }

    fn future(&self, arguments: &Value, context: &TaskContext, next: TaskFuture) -> TaskFuture {
        (**self).future(arguments, context, next)
    }
}

/// The rest of a run, as a [`Layer`] sees it: the layers inside it, and the task.
pub struct Next<'a> {
    layers: &'a [Arc<dyn Layer>],
    task: &'a dyn Task,
    arguments: &'a Value,
    context: &'a TaskContext,
}

impl Next<'_> {
    /// Does the work and returns its result.
    ///
    /// # Errors
    /// The error of the task, or of a layer.
    pub fn run(self) -> TaskResult {
        let Self { layers, task, arguments, context } = self;
        match layers.split_first() {
            Some((layer, layers)) => layer.run(arguments, context, Self { layers, ..self }),
            None => task.run(arguments, context),
        }
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}

/// A list of [layers](Layer). Clones share it.
///
/// ```
/// use matins_core::{Layers, layer_fn};
///
/// let layers = Layers::new().with(layer_fn(|context| {
///     let (job, begun) = (context.job.clone(), std::time::Instant::now());
///     move |result| {
///         println!("{job} took {:?}", begun.elapsed());
///         result
///     }
/// }));
/// assert_eq!(layers.len(), 1);
/// ```
#[derive(Clone, Default)]
pub struct Layers(Option<Arc<[Arc<dyn Layer>]>>);

impl Layers {
    /// No layers.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Returns these layers with another one inside them.
    #[must_use]
    pub fn with(self, layer: impl Layer + 'static) -> Self {
        let layer: Arc<dyn Layer> = Arc::new(layer);
        Self(Some(self.as_slice().iter().cloned().chain([layer]).collect()))
    }

    /// Returns how many layers there are.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Returns whether there are no layers.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns `task` with these layers around it. Without layers it is `task` itself.
    pub fn around(&self, task: Arc<dyn Task>) -> Arc<dyn Task> {
        match &self.0 {
            Some(layers) => Arc::new(Layered { layers: layers.clone(), task }),
            None => task,
        }
    }

    /// These layers, and `inner` inside them.
    pub(crate) fn outside(&self, inner: &Self) -> Self {
        match (&self.0, &inner.0) {
            (Some(outer), Some(inner)) => Self(Some(outer.iter().chain(&**inner).cloned().collect())),
            (layers, None) | (None, layers) => Self(layers.clone()),
        }
    }

    fn as_slice(&self) -> &[Arc<dyn Layer>] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layers").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// A task with layers around it.
struct Layered {
    layers: Arc<[Arc<dyn Layer>]>,
    task: Arc<dyn Task>,
}

#[deny(clippy::missing_trait_methods)]
impl Task for Layered {
    fn run(&self, arguments: &Value, context: &TaskContext) -> TaskResult {
        Next { layers: &self.layers, task: &*self.task, arguments, context }.run()
    }

    fn future(&self, arguments: &Value, context: &TaskContext) -> Option<TaskFuture> {
        let work = self.task.future(arguments, context)?;
        Some(self.layers.iter().rev().fold(work, |next, layer| layer.future(arguments, context, next)))
    }

    fn check(&self, arguments: &Value) -> Result<(), ArgumentsError> {
        self.task.check(arguments)
    }
}

/// A [`Layer`] from a closure: see [`layer_fn`].
pub struct LayerFn<B> {
    begin: Arc<B>,
}

/// Makes a [`Layer`] of a closure that is called when the work begins, and returns what is called with the result when it has
/// ended. It works for blocking and async tasks.
///
/// What `begin` returns is dropped without a call if the work panics, or if its future is dropped because the run was
/// cancelled or ran too long. In an async task, `begin` and what it returns should not block.
///
/// ```
/// use std::time::Instant;
///
/// use matins_core::layer_fn;
///
/// let timing = layer_fn(|context| {
///     let (job, begun) = (context.job.clone(), Instant::now());
///     move |result| {
///         println!("{job} took {:?}", begun.elapsed());
///         result
///     }
/// });
/// # let _ = matins_core::Layers::new().with(timing);
/// ```
pub fn layer_fn<B, E>(begin: B) -> LayerFn<B>
where
    B: Fn(&TaskContext) -> E + Send + Sync + 'static,
    E: FnOnce(TaskResult) -> TaskResult + Send + 'static,
{
    LayerFn { begin: Arc::new(begin) }
}

impl<B, E> Layer for LayerFn<B>
where
    B: Fn(&TaskContext) -> E + Send + Sync + 'static,
    E: FnOnce(TaskResult) -> TaskResult + Send + 'static,
{
    fn run(&self, _arguments: &Value, context: &TaskContext, next: Next<'_>) -> TaskResult {
        let end = (self.begin)(context);
        end(next.run())
    }

    fn future(&self, _arguments: &Value, context: &TaskContext, next: TaskFuture) -> TaskFuture {
        let (begin, context) = (self.begin.clone(), context.clone());
        Box::pin(async move {
            let end = begin(&context);
            end(next.await)
        })
    }
}

impl<B> fmt::Debug for LayerFn<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerFn").finish_non_exhaustive()
    }
}
