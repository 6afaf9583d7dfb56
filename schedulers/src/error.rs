//! What a scheduler refuses, and why.

use matins_core::{
    ArgumentsError, DurationError, ExecutorName, GroupError, JobId, NameError, StoreError, StoreName,
    TaskName, TriggerError, ValueError,
};
use matins_task_function::{MissingState, RegisterError};
use thiserror::Error;

/// Why a scheduler did not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SchedulerError {
    /// What was given as a trigger is not one, or the trigger is invalid.
    #[error(transparent)]
    Trigger(#[from] TriggerError),
    /// A name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A duration is negative.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// A concurrency group is invalid.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The arguments or the metadata of a job are over a [limit](matins_core::Limits).
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The task of a closure takes a [`State`](matins_task_function::State) that the scheduler was not given.
    #[error(transparent)]
    State(#[from] MissingState),
    /// There is no store of this name.
    #[error("there is no store {name:?}; there are {}", list(known))]
    NoStore {
        /// The name asked for.
        name: StoreName,
        /// The names that there are.
        known: Vec<StoreName>,
    },
    /// There is a store of this name.
    #[error("there is a store {name:?} already; remove it first, or choose another name")]
    StoreExists {
        /// The name.
        name: StoreName,
    },
    /// The store is shared with other schedulers, so that none of them can have it to itself.
    #[error(
        "store {name:?} is shared with other schedulers, and cannot be worked on or taken away here; use its own tools"
    )]
    SharedStore {
        /// The name.
        name: StoreName,
    },
    /// There is no executor of this name.
    #[error("there is no executor {name:?}; there are {}", list(known))]
    NoExecutor {
        /// The name asked for.
        name: ExecutorName,
        /// The names that there are.
        known: Vec<ExecutorName>,
    },
    /// No task is registered under this name.
    #[error(
        "no task is registered as {name:?}; register it before the job is added (registered: {})",
        list(known)
    )]
    NoTask {
        /// The name asked for.
        name: TaskName,
        /// The names that there are.
        known: Vec<TaskName>,
    },
    /// The task cannot take these arguments.
    #[error("task {task:?} cannot take these arguments: {what}")]
    Arguments {
        /// The task.
        task: TaskName,
        /// What is wrong with them.
        what: ArgumentsError,
    },
    /// A closure cannot be kept in a store that outlives the process.
    #[error(
        "a closure cannot be saved in the persistent store {store:?}; register it under a name with \
         register(\"name\", closure), and give the job .task(\"name\") in place of .run(closure)"
    )]
    ClosureInPersistentStore {
        /// The store.
        store: StoreName,
    },
    /// The trigger has no instant in the future.
    #[error("{trigger}: this trigger has no fire time after now ({now}), so the job would never run")]
    NeverFires {
        /// The trigger, described.
        trigger: String,
        /// The instant of adding.
        now: chrono::DateTime<chrono::Utc>,
    },
    /// A job would run after itself, by way of others.
    #[error("{chain}: the job would run after itself; have one of them run at times of its own")]
    Cycle {
        /// The jobs in the order in which they would run: `a, then b, then a`.
        chain: String,
    },
    /// No store has a job with this id.
    #[error("there is no job {id:?} in any store; list the jobs to see which there are")]
    NoJob {
        /// The id asked for.
        id: JobId,
    },
    /// The job whose next outcome was waited for has been removed, and no run of it goes on.
    #[error("job {id:?} has been removed, so no run of it will end; add it again to wait for one")]
    JobGone {
        /// The job.
        id: JobId,
    },
    /// A job was changed by others each time that a change of it was tried.
    #[error(
        "job {id:?} was changed by others while it was to be changed, each of {tries} times; try again later"
    )]
    Contended {
        /// The job.
        id: JobId,
        /// How often the change was tried.
        tries: u32,
    },
    /// The call would wait for its own end.
    #[error(
        "this call would wait for itself: it was made by a job of this scheduler, or on a thread that its runs depend \
         on; make it on another thread"
    )]
    WaitsForItself,
    /// The scheduler has been shut down.
    #[error("the scheduler has been shut down; start a new one")]
    ShutDown,
    /// The scheduler's thread could not be started.
    #[error("the scheduler's thread could not be started")]
    Thread(#[source] std::io::Error),
}

impl From<RegisterError> for SchedulerError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Name(error) => Self::Name(error),
            RegisterError::State(error) => Self::State(error),
        }
    }
}

fn list<T: ToString>(names: &[T]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.iter().map(|name| format!("{:?}", name.to_string())).collect::<Vec<_>>().join(", "),
    }
}
