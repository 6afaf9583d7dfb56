//! What a scheduler refuses, and why.

use std::error::Error;
use std::fmt;

use matins_core::{
    ArgumentsError, DurationError, ExecutorName, GroupError, JobId, NameError, StoreError, StoreName,
    TaskName, TriggerError, ValueError,
};
use matins_task_function::{MissingState, RegisterError};

/// Why a scheduler did not do what was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum SchedulerError {
    /// What was given as a trigger is not one, or the trigger is invalid.
    Trigger(TriggerError),
    /// A name is invalid.
    Name(NameError),
    /// A duration is negative.
    Duration(DurationError),
    /// A concurrency group is invalid.
    Group(GroupError),
    /// The store refused or failed.
    Store(StoreError),
    /// The arguments or the metadata of a job are over a [limit](matins_core::Limits).
    Value(ValueError),
    /// The task of a closure takes a [`State`](matins_task_function::State) that the scheduler was not given.
    State(MissingState),
    /// There is no store of this name.
    NoStore {
        /// The name asked for.
        name: StoreName,
        /// The names that there are.
        known: Vec<StoreName>,
    },
    /// There is a store of this name.
    StoreExists {
        /// The name.
        name: StoreName,
    },
    /// The store is shared with other schedulers, so that none of them can have it to itself.
    SharedStore {
        /// The name.
        name: StoreName,
    },
    /// There is no executor of this name.
    NoExecutor {
        /// The name asked for.
        name: ExecutorName,
        /// The names that there are.
        known: Vec<ExecutorName>,
    },
    /// No task is registered under this name.
    NoTask {
        /// The name asked for.
        name: TaskName,
        /// The names that there are.
        known: Vec<TaskName>,
    },
    /// The task cannot take these arguments.
    Arguments {
        /// The task.
        task: TaskName,
        /// What is wrong with them.
        what: ArgumentsError,
    },
    /// A closure cannot be kept in a store that outlives the process.
    ClosureInPersistentStore {
        /// The store.
        store: StoreName,
    },
    /// The trigger has no instant in the future.
    NeverFires {
        /// The trigger, described.
        trigger: String,
        /// The instant of adding.
        now: chrono::DateTime<chrono::Utc>,
    },
    /// A job would run after itself, by way of others.
    Cycle {
        /// The jobs in the order in which they would run: `a, then b, then a`.
        chain: String,
    },
    /// No store has a job with this id.
    NoJob {
        /// The id asked for.
        id: JobId,
    },
    /// A job that is to move to another store has a run in progress.
    JobIsRunning {
        /// The job.
        id: JobId,
        /// The store that it is in.
        store: StoreName,
    },
    /// The job whose next outcome was waited for has been removed, and no run of it is in progress.
    JobGone {
        /// The job.
        id: JobId,
    },
    /// A job was changed by others each time that a change of it was tried.
    Contended {
        /// The job.
        id: JobId,
        /// How often the change was tried.
        tries: u32,
    },
    /// The call would wait for its own end.
    WaitsForItself,
    /// The scheduler has been shut down.
    ShutDown,
    /// The scheduler's thread could not be started.
    Thread(std::io::Error),
}

impl fmt::Display for SchedulerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trigger(error) => error.fmt(f),
            Self::Name(error) => error.fmt(f),
            Self::Duration(error) => error.fmt(f),
            Self::Group(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Value(error) => error.fmt(f),
            Self::State(error) => error.fmt(f),
            Self::NoStore { name, known } => {
                write!(f, "there is no store {name:?}; there are {}", list(known))
            }
            Self::StoreExists { name } => {
                write!(f, "there is a store {name:?} already; remove it first, or choose another name")
            }
            Self::SharedStore { name } => {
                write!(
                    f,
                    "store {name:?} is shared with other schedulers, and cannot be worked on or taken away \
                     here; use its own tools"
                )
            }
            Self::NoExecutor { name, known } => {
                write!(f, "there is no executor {name:?}; there are {}", list(known))
            }
            Self::NoTask { name, known } => {
                write!(
                    f,
                    "no task is registered as {name:?}; register it before the job is added \
                     (registered: {})",
                    list(known)
                )
            }
            Self::Arguments { task, what } => write!(f, "task {task:?} cannot take these arguments: {what}"),
            Self::ClosureInPersistentStore { store } => write!(
                f,
                "a closure cannot be saved in the persistent store {store:?}; register it under a name \
                 with register(\"name\", closure), and give the job .task(\"name\") in place of .run(closure)"
            ),
            Self::NeverFires { trigger, now } => {
                write!(
                    f,
                    "{trigger}: this trigger has no fire time after now ({now}), so the job would \
                     never run"
                )
            }
            Self::Cycle { chain } => {
                write!(f, "{chain}: the job would run after itself; have one of them run at times of its own")
            }
            Self::NoJob { id } => {
                write!(f, "there is no job {id:?} in any store; list the jobs to see which there are")
            }
            Self::JobIsRunning { id, store } => {
                write!(f, "job {id:?} has a run in progress in the store {store:?}; move it when that has ended")
            }
            Self::JobGone { id } => {
                write!(f, "job {id:?} has been removed, so no run of it will end; add it again to wait for one")
            }
            Self::Contended { id, tries } => {
                write!(
                    f,
                    "job {id:?} was changed by others while it was to be changed, each of {tries} times; \
                     try again later"
                )
            }
            Self::WaitsForItself => f.write_str(
                "this call would wait for itself: it was made by a job of this scheduler, or on a thread that \
                 its runs depend on; make it on another thread",
            ),
            Self::ShutDown => f.write_str("the scheduler has been shut down; start a new one"),
            Self::Thread(_) => f.write_str("the scheduler's thread could not be started"),
        }
    }
}

impl Error for SchedulerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Trigger(error) => error.source(),
            Self::Name(error) => error.source(),
            Self::Duration(error) => error.source(),
            Self::Group(error) => error.source(),
            Self::Store(error) => error.source(),
            Self::Value(error) => error.source(),
            Self::State(error) => error.source(),
            Self::Thread(source) => Some(source),
            _ => None,
        }
    }
}

impl From<TriggerError> for SchedulerError {
    fn from(error: TriggerError) -> Self {
        Self::Trigger(error)
    }
}

impl From<NameError> for SchedulerError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

impl From<DurationError> for SchedulerError {
    fn from(error: DurationError) -> Self {
        Self::Duration(error)
    }
}

impl From<GroupError> for SchedulerError {
    fn from(error: GroupError) -> Self {
        Self::Group(error)
    }
}

impl From<StoreError> for SchedulerError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ValueError> for SchedulerError {
    fn from(error: ValueError) -> Self {
        Self::Value(error)
    }
}

impl From<MissingState> for SchedulerError {
    fn from(error: MissingState) -> Self {
        Self::State(error)
    }
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
