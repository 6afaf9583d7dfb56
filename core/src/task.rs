//! The work itself: tasks, what they are told about their run, and what they give back.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{CancelToken, JobId, RunId};

/// Work that has a name and takes arguments as JSON.
///
/// Most tasks are functions or closures: see [`IntoTask`].
pub trait Task: Send + Sync {
    /// Does the work. It may block; it may panic, which is recorded as a failure.
    ///
    /// # Errors
    /// What the task says went wrong; the message goes into the ledger.
    fn run(&self, arguments: &Value, context: &TaskContext) -> TaskResult;

    /// Whether `arguments` are ones that the task can take. Called when a job is added. The default takes anything.
    ///
    /// # Errors
    /// A sentence that says what is wrong with them.
    fn check(&self, arguments: &Value) -> Result<(), String> {
        let _ = arguments;
        Ok(())
    }
}

/// What a run is told about itself.
#[derive(Debug, Clone)]
pub struct TaskContext {
    /// The job.
    pub job: JobId,
    /// The run's number in the ledger.
    pub run: RunId,
    /// The fire time that it is for.
    pub scheduled: DateTime<Utc>,
    /// When it really began.
    pub started: DateTime<Utc>,
    /// 1 for the first attempt at this fire time.
    pub attempt: u32,
    /// Set when the run should stop: look at it from time to time in long work.
    pub cancel: CancelToken,
}

/// What a task gives back.
pub type TaskResult = Result<TaskOutput, TaskError>;

/// What a task that went well gives to the ledger.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskOutput {
    /// What it returned.
    pub result: Option<Value>,
    /// The tail of what it printed.
    pub output: Option<String>,
}

/// What a task that failed gives to the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskError {
    /// What went wrong.
    pub message: String,
    /// The tail of what it printed.
    pub output: Option<String>,
}

impl TaskError {
    /// An error with a message alone.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), output: None }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What a function that serves as a task may return: nothing, or a `Result` whose value serde can save and whose error
/// can be shown. The value goes into the ledger as the run's result, the error as its message.
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

impl<T: Serialize, E: fmt::Display> IntoTaskResult for Result<T, E> {
    fn into_task_result(self) -> TaskResult {
        let value = self.map_err(|error| TaskError::new(error.to_string()))?;
        match serde_json::to_value(value) {
            Ok(Value::Null) => Ok(TaskOutput::default()),
            Ok(value) => Ok(TaskOutput { result: Some(value), output: None }),
            Err(error) => Err(TaskError::new(format!("the task's result cannot be saved as JSON: {error}"))),
        }
    }
}

/// Anything that can be registered as a task: functions and closures of the forms `fn()`, `fn(A)` and
/// `fn(A, &TaskContext)`, where serde can read `A` from the job's arguments, and every [`Task`].
///
/// `Form` only tells the forms apart; it is never written.
///
/// ```
/// use matins_core::{IntoTask, TaskContext};
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
/// assert_eq!(task.check(&serde_json::json!({})).unwrap_err(), "missing field `to`");
///
/// let _ = (|| println!("no arguments")).into_task();
/// let _ = (|n: u32| println!("{n}")).into_task();
/// ```
pub trait IntoTask<Form> {
    /// The task.
    fn into_task(self) -> Arc<dyn Task>;
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
    /// A type that is a task by itself.
    #[derive(Debug)]
    pub struct Itself;
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

impl IntoTask<form::Itself> for Arc<dyn Task> {
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

            fn check(&self, arguments: &Value) -> Result<(), String> {
                let check: fn(&Value) -> Result<(), String> = $check;
                check(arguments)
            }
        }
    };
}

fn read<A: DeserializeOwned>(arguments: &Value) -> Result<A, String> {
    A::deserialize(arguments).map_err(|error| error.to_string())
}

fn read_for_run<A: DeserializeOwned>(arguments: &Value) -> Result<A, TaskError> {
    read(arguments).map_err(|error| TaskError::new(format!("the arguments {arguments} do not fit: {error}")))
}

function_task!([], form::NoArguments, (), |function, _, _| Ok(function()), |arguments| match arguments {
    Value::Null => Ok(()),
    other => Err(format!("it takes no arguments, but was given {other}")),
});
function_task!(
    [A: DeserializeOwned],
    form::Arguments<A>,
    (A),
    |function, arguments, _| Ok(function(read_for_run(arguments)?)),
    |arguments| read::<A>(arguments).map(drop)
);
function_task!(
    [A: DeserializeOwned],
    form::ArgumentsAndContext<A>,
    (A, &TaskContext),
    |function, arguments, context| Ok(function(read_for_run(arguments)?, context)),
    |arguments| read::<A>(arguments).map(drop)
);
