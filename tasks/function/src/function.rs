//! Functions and closures as tasks.

use std::error::Error;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use matins_core::{
    ArgumentsError, Layer, Layers, Task, TaskContext, TaskError, TaskFuture, TaskOutput, TaskResult, json,
};

/// What a function that serves as a task may return: nothing, or a `Result` whose value serde can save.
///
/// The error may be every type that converts with `?` into `Box<dyn Error + Send + Sync>`: `anyhow::Error`, the error types of
/// `thiserror`, `std::io::Error`, `String`, `&str`. The value goes into the ledger as the run's result, the text of the error and of
/// all its causes as its message: `cannot send the report: connection refused`.
pub trait IntoTaskResult {
    /// The result in the ledger's form.
    ///
    /// # Errors
    /// The function's own error, or that its value cannot be saved as JSON.
    fn into_task_result(self) -> TaskResult;
}

impl IntoTaskResult for () {
    fn into_task_result(self) -> TaskResult {
        Ok(TaskOutput::default())
    }
}

impl<T: Serialize, E: Into<Box<dyn Error + Send + Sync>>> IntoTaskResult for Result<T, E> {
    fn into_task_result(self) -> TaskResult {
        let value = self.map_err(TaskError::from_error)?;
        match json::to_value("the task's result", &value) {
            Ok(Value::Null) => Ok(TaskOutput::default()),
            Ok(value) => Ok(TaskOutput::default().with_result(value)),
            Err(error) => Err(TaskError::from_error(error)),
        }
    }
}

/// Anything that can be registered as a task, where serde can read `A` from the job's arguments:
///
/// * functions and closures of the forms `fn()`, `fn(A)` and `fn(A, &TaskContext)`;
/// * async ones of the forms `async fn()`, `async fn(A)` and `async fn(A, TaskContext)`, whose context is their own;
/// * every [`Task`].
///
/// `Form` only tells the forms apart; it is never written.
///
/// ```
/// use matins_core::TaskContext;
/// use matins_task_function::IntoTask;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Mail { to: String }
///
/// fn send(mail: Mail, context: &TaskContext) -> Result<String, std::io::Error> {
///     Ok(format!("{} was told at {}", mail.to, context.scheduled))
/// }
/// let task = send.into_task();
/// assert!(task.check(&serde_json::json!({"to": "ada"})).is_ok());
/// assert_eq!(task.check(&serde_json::json!({})).unwrap_err().to_string(), "missing field `to`");
///
/// let _ = (|| println!("no arguments")).into_task();
/// let _ = (|n: u32| println!("{n}")).into_task();
/// let _ = (async |n: u32| println!("{n}, later")).into_task();
/// ```
pub trait IntoTask<Form> {
    /// The task.
    fn into_task(self) -> Arc<dyn Task>;

    /// Returns the task with a layer around it. The layer that is added last is the outermost.
    ///
    /// ```
    /// use matins_core::layer_fn;
    /// use matins_task_function::{IntoTask, TaskRegistry};
    ///
    /// let announce = layer_fn(|context| {
    ///     println!("attempt {}", context.attempt);
    ///     |result| result
    /// });
    /// let tasks = TaskRegistry::default();
    /// tasks.register("tick", (|| println!("tick")).layer(announce)).unwrap();
    /// ```
    fn layer(self, layer: impl Layer + 'static) -> Arc<dyn Task>
    where
        Self: Sized,
    {
        Layers::new().with(layer).around(self.into_task())
    }
}

/// The forms of functions that [`IntoTask`] takes.
mod form {
    /// `fn()`
    #[derive(Debug)]
    pub struct NoArguments;
    /// `fn(A)`
    #[derive(Debug)]
    pub struct Arguments<A>(std::marker::PhantomData<A>);
    /// `fn(A, &TaskContext)`
    #[derive(Debug)]
    pub struct ArgumentsAndContext<A>(std::marker::PhantomData<A>);
    /// `async fn()`
    #[derive(Debug)]
    pub struct Async;
    /// `async fn(A)`
    #[derive(Debug)]
    pub struct AsyncArguments<A>(std::marker::PhantomData<A>);
    /// `async fn(A, TaskContext)`
    #[derive(Debug)]
    pub struct AsyncArgumentsAndContext<A>(std::marker::PhantomData<A>);
    /// A type that is a task by itself.
    #[derive(Debug)]
    pub struct Itself;
    /// `Arc<dyn Task>`
    #[derive(Debug)]
    pub struct Shared;
}

struct Function<F, Form> {
    function: F,
    form: PhantomData<fn() -> Form>,
}

impl<T: Task + 'static> IntoTask<form::Itself> for T {
    fn into_task(self) -> Arc<dyn Task> {
        Arc::new(self)
    }
}

impl IntoTask<form::Shared> for Arc<dyn Task> {
    fn into_task(self) -> Arc<dyn Task> {
        self
    }
}

macro_rules! function_task {
    ([$($generic:ident: $bound:path),*], $form:ty, ($($parameter:ty),*), $call:expr, $check:expr) => {
        impl<F, R, $($generic),*> IntoTask<$form> for F
        where
            F: Fn($($parameter),*) -> R + Send + Sync + 'static,
            R: IntoTaskResult,
            $($generic: $bound + 'static),*
        {
            fn into_task(self) -> Arc<dyn Task> {
                Arc::new(Function::<F, $form> { function: self, form: PhantomData })
            }
        }

        impl<F, R, $($generic),*> Task for Function<F, $form>
        where
            F: Fn($($parameter),*) -> R + Send + Sync + 'static,
            R: IntoTaskResult,
            $($generic: $bound + 'static),*
        {
            fn run(&self, arguments: &Value, context: &TaskContext) -> TaskResult {
                let call: fn(&F, &Value, &TaskContext) -> Result<R, TaskError> = $call;
                call(&self.function, arguments, context)?.into_task_result()
            }

            fn check(&self, arguments: &Value) -> Result<(), ArgumentsError> {
                let check: fn(&Value) -> Result<(), ArgumentsError> = $check;
                check(arguments)
            }
        }
    };
}

fn read<A: DeserializeOwned>(arguments: &Value) -> Result<A, ArgumentsError> {
    A::deserialize(arguments).map_err(|error| ArgumentsError::new(error.to_string()))
}

fn read_for_run<A: DeserializeOwned>(arguments: &Value) -> Result<A, TaskError> {
    read(arguments)
        .map_err(|error| TaskError::new(format!("the arguments {arguments} do not fit")).with_source(error))
}

fn check_none(arguments: &Value) -> Result<(), ArgumentsError> {
    match arguments {
        Value::Null => Ok(()),
        other => Err(ArgumentsError::new(format!("it takes no arguments, but was given {}", excerpt(other)))),
    }
}

/// The beginning of a value, for showing it.
fn excerpt(value: &Value) -> String {
    const LONGEST: usize = 100;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn check<A: DeserializeOwned>(arguments: &Value) -> Result<(), ArgumentsError> {
    read::<A>(arguments).map(drop)
}

function_task!([], form::NoArguments, (), |function, _, _| Ok(function()), check_none);
function_task!(
    [A: DeserializeOwned],
    form::Arguments<A>,
    (A),
    |function, arguments, _| Ok(function(read_for_run(arguments)?)),
    check::<A>
);
function_task!(
    [A: DeserializeOwned],
    form::ArgumentsAndContext<A>,
    (A, &TaskContext),
    |function, arguments, context| Ok(function(read_for_run(arguments)?, context)),
    check::<A>
);

macro_rules! async_function_task {
    ([$($generic:ident: $bound:path),*], $form:ty, ($($parameter:ty),*), $call:expr, $check:expr) => {
        impl<F, U, R, $($generic),*> IntoTask<$form> for F
        where
            F: Fn($($parameter),*) -> U + Send + Sync + 'static,
            U: Future<Output = R> + Send + 'static,
            R: IntoTaskResult,
            $($generic: $bound + 'static),*
        {
            fn into_task(self) -> Arc<dyn Task> {
                Arc::new(Function::<F, $form> { function: self, form: PhantomData })
            }
        }

        impl<F, U, R, $($generic),*> Task for Function<F, $form>
        where
            F: Fn($($parameter),*) -> U + Send + Sync + 'static,
            U: Future<Output = R> + Send + 'static,
            R: IntoTaskResult,
            $($generic: $bound + 'static),*
        {
            fn run(&self, arguments: &Value, context: &TaskContext) -> TaskResult {
                let call: fn(&F, &Value, &TaskContext) -> Result<U, TaskError> = $call;
                block_on(call(&self.function, arguments, context)?).into_task_result()
            }

            fn future(&self, arguments: &Value, context: &TaskContext) -> Option<TaskFuture> {
                let call: fn(&F, &Value, &TaskContext) -> Result<U, TaskError> = $call;
                let future = call(&self.function, arguments, context);
                Some(Box::pin(async move { future?.await.into_task_result() }))
            }

            fn check(&self, arguments: &Value) -> Result<(), ArgumentsError> {
                $check(arguments)
            }
        }
    };
}

async_function_task!([], form::Async, (), |function, _, _| Ok(function()), check_none);
async_function_task!(
    [A: DeserializeOwned],
    form::AsyncArguments<A>,
    (A),
    |function, arguments, _| Ok(function(read_for_run(arguments)?)),
    check::<A>
);
async_function_task!(
    [A: DeserializeOwned],
    form::AsyncArgumentsAndContext<A>,
    (A, TaskContext),
    |function, arguments, context| Ok(function(read_for_run(arguments)?, context.clone())),
    check::<A>
);

/// Drives a future on this thread, which sleeps while there is nothing to do.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use matins_core::{JobId, RunId};
    use serde_json::json;

    fn context() -> TaskContext {
        TaskContext::new(JobId::new("job").unwrap(), RunId(1), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn an_async_function_is_a_task_that_runs_as_a_future_or_on_a_thread() {
        let task = (async |n: u32, context: TaskContext| {
            let (sender, receiver) = std::sync::mpsc::channel();
            thread::spawn(move || sender.send(n).unwrap());
            std::future::poll_fn(move |context| {
                context.waker().wake_by_ref();
                if receiver.try_recv().is_ok() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            context.log("waited");
            Ok::<_, String>(n + 1)
        })
        .into_task();
        let context = context();
        assert_eq!(task.run(&json!(3), &context).unwrap().result, Some(json!(4)));
        let future = task.future(&json!(4), &context).unwrap();
        assert_eq!(block_on(future).unwrap().result, Some(json!(5)));
        assert_eq!(context.log.text_before(None).unwrap(), "waited\nwaited");
        assert!(task.check(&json!("three")).is_err());
    }

    #[test]
    fn a_blocking_function_is_no_future() {
        assert!((|| ()).into_task().future(&Value::Null, &context()).is_none());
    }
}
