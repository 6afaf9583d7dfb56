//! Functions and closures as tasks.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use matins_core::{ArgumentsError, Layer, Layers, Task, TaskContext, TaskError, TaskFuture, TaskResult};

use crate::block_on::block_on;
use crate::layered::LayeredTask;
use crate::result::IntoTaskResult;
use crate::state::{MissingState, State, States};

/// Anything that can be registered as a task:
///
/// * functions and closures of the forms `fn()`, `fn(A)`, `fn(&TaskContext)` and `fn(A, &TaskContext)`, where serde can read `A` from
///   the job's arguments;
/// * the same with `State<S>` as a further parameter in front: `fn(State<S>, A)`; see [`State`];
/// * async ones of all these forms, with `TaskContext` in place of `&TaskContext`: the future owns its context;
/// * every [`Task`].
///
/// An async closure whose future borrows what the closure has captured is no `Fn`, so it cannot be a task. Give each future a copy of
/// its own, or take a [`State`]:
///
/// ```
/// # use std::sync::Arc;
/// # use matins_task_function::{IntoTask, State, TaskRegistry};
/// # struct Database;
/// # impl Database { async fn query(&self) {} }
/// let db = Arc::new(Database);
/// let tasks = TaskRegistry::default();
/// tasks.state(db.clone());
/// // In place of `async move || db.query().await`:
/// tasks.register("one", async |State(db): State<Arc<Database>>| db.query().await)?;
/// tasks.register("other", move || {
///     let db = db.clone();
///     async move { db.query().await }
/// })?;
/// # Ok::<(), matins_task_function::RegisterError>(())
/// ```
///
/// What they may return is written at [`IntoTaskResult`]. `Form` only tells the forms apart; it is never written.
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
/// let task = send.into_task()?;
/// assert!(task.check(&serde_json::json!({"to": "ada"})).is_ok());
/// assert_eq!(task.check(&serde_json::json!({})).unwrap_err().to_string(), "missing field `to`");
///
/// (|| println!("no arguments")).into_task()?;
/// (|n: u32| n + 1).into_task()?;
/// (async |context: TaskContext| println!("run {}", context.run)).into_task()?;
/// # Ok::<(), matins_task_function::MissingState>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a task",
    label = "no task can be made of this",
    note = "a task is `fn()`, `fn(A)`, `fn(&TaskContext)` or `fn(A, &TaskContext)`, or async with `TaskContext` by value: `async fn(A, TaskContext)`; each may have `State<S>` in front",
    note = "`A` is one parameter: a tuple `|(a, b): (u32, String)|`, or a struct of yours; it needs `serde::Deserialize` and may borrow nothing",
    note = "a closure that never returns says so: `|| -> () {{ loop {{ work() }} }}`",
    note = "the `S` of `State<S>` is `Clone`: put it in an `Arc`",
    note = "pass the function itself, without calling it: `register(\"report\", report)`",
    note = "it returns nothing, a text, a number, a `bool`, an `Option`, a `Vec`, a `serde_json::Value`, or a `Result` whose error converts into `Box<dyn std::error::Error + Send + Sync>`",
    note = "any other value that serde can save is returned in a `Result`: `Ok::<_, matins::TaskError>(value)`",
    note = "what a closure captures must be `Send + Sync + 'static`, and it must be `Fn`: `move ||`, with an `Arc` or a `Mutex` around what is shared",
    note = "async with captured values: `move || {{ let db = db.clone(); async move {{ db.query().await }} }}`, or take `State(db): State<Db>` as a parameter"
)]
pub trait IntoTask<Form>: Sized {
    /// Returns the task, with the states that it asks for.
    ///
    /// ```
    /// use matins_task_function::{IntoTask, State, TaskRegistry};
    ///
    /// let greet = |State(name): State<String>| format!("hello {name}");
    /// let tasks = TaskRegistry::default();
    /// assert!(greet.into_task_with(&tasks.states()).is_err(), "there is no such state yet");
    /// tasks.state("Ada".to_owned());
    /// assert!(greet.into_task_with(&tasks.states()).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If it asks for a state that was not given.
    fn into_task_with(self, states: &States) -> Result<Arc<dyn Task>, MissingState>;

    /// Returns the task, if it needs no [`State`].
    ///
    /// # Errors
    /// If it asks for a state.
    fn into_task(self) -> Result<Arc<dyn Task>, MissingState> {
        self.into_task_with(&States::default())
    }

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
    fn layer(self, layer: impl Layer + 'static) -> LayeredTask<Self, Form> {
        LayeredTask::new(self, Layers::new().with(layer))
    }
}

/// The forms of functions that [`IntoTask`] takes.
mod form {
    use std::marker::PhantomData;

    /// A function with these parameters.
    #[derive(Debug)]
    pub struct Blocking<Parameters>(PhantomData<Parameters>);
    /// An async function with these parameters.
    #[derive(Debug)]
    pub struct Async<Parameters>(PhantomData<Parameters>);
    /// What serde reads from the arguments of the job.
    #[derive(Debug)]
    pub struct Arguments<A>(PhantomData<A>);
    /// `&TaskContext`
    #[derive(Debug)]
    pub struct Borrowed;
    /// `TaskContext`
    #[derive(Debug)]
    pub struct Owned;
    /// A type that is a task by itself.
    #[derive(Debug)]
    pub struct Itself;
    /// `Arc<dyn Task>`
    #[derive(Debug)]
    pub struct Shared;
}

impl<T: Task + 'static> IntoTask<form::Itself> for T {
    fn into_task_with(self, _states: &States) -> Result<Arc<dyn Task>, MissingState> {
        Ok(Arc::new(self))
    }
}

// The compiler would list it in place of the forms above.
#[diagnostic::do_not_recommend]
impl IntoTask<form::Shared> for Arc<dyn Task> {
    fn into_task_with(self, _states: &States) -> Result<Arc<dyn Task>, MissingState> {
        Ok(self)
    }
}

/// A function, what it shares with others, and its form.
struct Function<F, S, Form> {
    code: F,
    state: S,
    form: PhantomData<fn() -> Form>,
}

fn read<A: DeserializeOwned>(arguments: &Value) -> Result<A, TaskError> {
    A::deserialize(arguments)
        .map_err(|error| TaskError::new(format!("the arguments {arguments} do not fit")).with_source(error))
}

fn check<A: DeserializeOwned>(arguments: &Value) -> Result<(), ArgumentsError> {
    A::deserialize(arguments).map(drop).map_err(|error| ArgumentsError::new(error.to_string()))
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

/// What each run gets a clone of.
trait Shared: Clone + Send + Sync + 'static {}

impl<S: Clone + Send + Sync + 'static> Shared for S {}

/// Functions with these parameters: where their state comes from, how they are called and how arguments are checked.
macro_rules! blocking {
    (
        [$($generic:ident: $bound:path),*] ($($parameter:ty),*) as $parameters:ty,
        $state:ty: $get:expr, $call:expr, $check:expr
    ) => {
        impl<F, R, $($generic),*> IntoTask<form::Blocking<$parameters>> for F
        where
            F: Fn($($parameter),*) -> R + Send + Sync + 'static,
            R: IntoTaskResult,
            $($generic: $bound + 'static),*
        {
            fn into_task_with(self, states: &States) -> Result<Arc<dyn Task>, MissingState> {
                let get: fn(&States) -> Result<$state, MissingState> = $get;
                let form = PhantomData::<fn() -> form::Blocking<$parameters>>;
                Ok(Arc::new(Function { code: self, state: get(states)?, form }))
            }
        }

        impl<F, R, $($generic),*> Task for Function<F, $state, form::Blocking<$parameters>>
        where
            F: Fn($($parameter),*) -> R + Send + Sync + 'static,
            R: IntoTaskResult,
            $($generic: $bound + 'static),*
        {
            fn run(&self, arguments: &Value, context: &TaskContext) -> TaskResult {
                let call: fn(&F, &$state, &Value, &TaskContext) -> Result<R, TaskError> = $call;
                call(&self.code, &self.state, arguments, context)?.into_task_result()
            }

            fn check(&self, arguments: &Value) -> Result<(), ArgumentsError> {
                $check(arguments)
            }
        }
    };
}

blocking!([] () as (), (): |_| Ok(()), |function, (), _, _| Ok(function()), check_none);
blocking!(
    [A: DeserializeOwned] (A) as (form::Arguments<A>,), (): |_| Ok(()),
    |function, (), arguments, _| Ok(function(read(arguments)?)), check::<A>
);
blocking!(
    [] (&TaskContext) as (form::Borrowed,), (): |_| Ok(()),
    |function, (), _, context| Ok(function(context)), check_none
);
blocking!(
    [] (TaskContext) as (form::Owned,), (): |_| Ok(()),
    |function, (), _, context| Ok(function(context.clone())), check_none
);
blocking!(
    [A: DeserializeOwned] (A, &TaskContext) as (form::Arguments<A>, form::Borrowed), (): |_| Ok(()),
    |function, (), arguments, context| Ok(function(read(arguments)?, context)), check::<A>
);
blocking!(
    [A: DeserializeOwned] (A, TaskContext) as (form::Arguments<A>, form::Owned), (): |_| Ok(()),
    |function, (), arguments, context| Ok(function(read(arguments)?, context.clone())), check::<A>
);
blocking!(
    [S: Shared] (State<S>) as (State<S>,), S: States::get,
    |function, state, _, _| Ok(function(State(state.clone()))), check_none
);
blocking!(
    [S: Shared, A: DeserializeOwned] (State<S>, A) as (State<S>, form::Arguments<A>), S: States::get,
    |function, state, arguments, _| Ok(function(State(state.clone()), read(arguments)?)), check::<A>
);
blocking!(
    [S: Shared] (State<S>, &TaskContext) as (State<S>, form::Borrowed), S: States::get,
    |function, state, _, context| Ok(function(State(state.clone()), context)), check_none
);
blocking!(
    [S: Shared] (State<S>, TaskContext) as (State<S>, form::Owned), S: States::get,
    |function, state, _, context| Ok(function(State(state.clone()), context.clone())), check_none
);
blocking!(
    [S: Shared, A: DeserializeOwned] (State<S>, A, &TaskContext) as (State<S>, form::Arguments<A>, form::Borrowed), S: States::get,
    |function, state, arguments, context| Ok(function(State(state.clone()), read(arguments)?, context)), check::<A>
);
blocking!(
    [S: Shared, A: DeserializeOwned] (State<S>, A, TaskContext) as (State<S>, form::Arguments<A>, form::Owned), S: States::get,
    |function, state, arguments, context| {
        Ok(function(State(state.clone()), read(arguments)?, context.clone()))
    },
    check::<A>
);

/// As [`blocking`], for functions that return a future.
macro_rules! asynchronous {
    (
        [$($generic:ident: $bound:path),*] ($($parameter:ty),*) as $parameters:ty,
        $state:ty: $get:expr, $call:expr, $check:expr
    ) => {
        // An async closure that borrows what it captures is no `Fn`. Then the message of `IntoTask` says what to write.
        #[diagnostic::do_not_recommend]
        impl<F, U, R, $($generic),*> IntoTask<form::Async<$parameters>> for F
        where
            F: Fn($($parameter),*) -> U + Send + Sync + 'static,
            U: Future<Output = R> + Send + 'static,
            R: IntoTaskResult,
            $($generic: $bound + 'static),*
        {
            fn into_task_with(self, states: &States) -> Result<Arc<dyn Task>, MissingState> {
                let get: fn(&States) -> Result<$state, MissingState> = $get;
                let form = PhantomData::<fn() -> form::Async<$parameters>>;
                Ok(Arc::new(Function { code: self, state: get(states)?, form }))
            }
        }

        impl<F, U, R, $($generic),*> Task for Function<F, $state, form::Async<$parameters>>
        where
            F: Fn($($parameter),*) -> U + Send + Sync + 'static,
            U: Future<Output = R> + Send + 'static,
            R: IntoTaskResult,
            $($generic: $bound + 'static),*
        {
            fn run(&self, arguments: &Value, context: &TaskContext) -> TaskResult {
                let call: fn(&F, &$state, &Value, &TaskContext) -> Result<U, TaskError> = $call;
                block_on(call(&self.code, &self.state, arguments, context)?).into_task_result()
            }

            fn future(&self, arguments: &Value, context: &TaskContext) -> Option<TaskFuture> {
                let call: fn(&F, &$state, &Value, &TaskContext) -> Result<U, TaskError> = $call;
                let future = call(&self.code, &self.state, arguments, context);
                Some(Box::pin(async move { future?.await.into_task_result() }))
            }

            fn check(&self, arguments: &Value) -> Result<(), ArgumentsError> {
                $check(arguments)
            }
        }
    };
}

asynchronous!([] () as (), (): |_| Ok(()), |function, (), _, _| Ok(function()), check_none);
asynchronous!(
    [A: DeserializeOwned] (A) as (form::Arguments<A>,), (): |_| Ok(()),
    |function, (), arguments, _| Ok(function(read(arguments)?)), check::<A>
);
asynchronous!(
    [] (TaskContext) as (form::Owned,), (): |_| Ok(()),
    |function, (), _, context| Ok(function(context.clone())), check_none
);
asynchronous!(
    [A: DeserializeOwned] (A, TaskContext) as (form::Arguments<A>, form::Owned), (): |_| Ok(()),
    |function, (), arguments, context| Ok(function(read(arguments)?, context.clone())), check::<A>
);
asynchronous!(
    [S: Shared] (State<S>) as (State<S>,), S: States::get,
    |function, state, _, _| Ok(function(State(state.clone()))), check_none
);
asynchronous!(
    [S: Shared, A: DeserializeOwned] (State<S>, A) as (State<S>, form::Arguments<A>), S: States::get,
    |function, state, arguments, _| Ok(function(State(state.clone()), read(arguments)?)), check::<A>
);
asynchronous!(
    [S: Shared] (State<S>, TaskContext) as (State<S>, form::Owned), S: States::get,
    |function, state, _, context| Ok(function(State(state.clone()), context.clone())), check_none
);
asynchronous!(
    [S: Shared, A: DeserializeOwned] (State<S>, A, TaskContext) as (State<S>, form::Arguments<A>, form::Owned), S: States::get,
    |function, state, arguments, context| {
        Ok(function(State(state.clone()), read(arguments)?, context.clone()))
    },
    check::<A>
);

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;
    use std::thread;

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
        .into_task()
        .unwrap();
        let context = context();
        assert_eq!(task.run(&json!(3), &context).unwrap().result, Some(json!(4)));
        let future = task.future(&json!(4), &context).unwrap();
        assert_eq!(block_on(future).unwrap().result, Some(json!(5)));
        assert_eq!(context.log.text_before(None).unwrap(), "waited\nwaited");
        assert!(task.check(&json!("three")).is_err());
    }

    #[test]
    fn a_blocking_function_is_no_future() {
        assert!((|| ()).into_task().unwrap().future(&Value::Null, &context()).is_none());
    }
}
