//! Why a run of a command failed, each cause as an error of its own.

use std::io;
use std::path::PathBuf;

use matins_core::{TaskError, Value, is_out_of_resources};
use thiserror::Error;

/// Why a run of a command failed. Its causes are its [`source`](std::error::Error::source)s.
///
/// A layer finds it with [`TaskError::downcast_ref`]:
///
/// ```
/// use matins_core::{JobId, RunId, Task, TaskContext};
/// use matins_task_command::{Command, CommandError, CommandTask};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let command = serde_json::to_value(Command::shell("exit 3"))?;
/// let context = TaskContext::new(JobId::new("backup")?, RunId::FIRST, chrono::DateTime::UNIX_EPOCH);
/// let error = CommandTask::default().run(&command, &context).unwrap_err();
/// assert!(matches!(error.downcast_ref(), Some(CommandError::Status(3))));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The arguments of the job are no command.
    #[error("the arguments {arguments} are no command")]
    Arguments {
        /// The arguments.
        arguments: Value,
        /// What is wrong with them.
        source: serde_json::Error,
    },
    /// The command has a value that no program can be started with.
    #[error(transparent)]
    Invalid(#[from] InvalidCommand),
    /// The program could not be started.
    #[error("cannot start {program:?}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: StartError,
    },
    /// The program was started and could not be watched, so it was killed.
    #[error("cannot watch {program:?}")]
    Watch {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The program exited with a status that is not 0.
    #[error("exited with status {0}")]
    Status(i32),
    /// A signal killed the program.
    #[error("killed by signal {0}")]
    Signal(i32),
}

/// Why a program could not be started, and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The system, or a limit, had nothing left for it. It can be tried again.
    #[error("the system, or a limit of this process or its user, has nothing left for it")]
    OutOfResources(#[source] io::Error),
    /// There is no such program.
    #[error("name a program that is in its PATH, or the whole path of one")]
    NotFound(#[source] io::Error),
    /// Its user may not run it.
    #[error("its user must be allowed to run the program, and to enter its directory")]
    NotPermitted(#[source] io::Error),
    /// There is no such directory.
    #[error("there is no directory {}; create it, or correct the directory of the job", .directory.display())]
    NoDirectory {
        /// The directory.
        directory: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The home directory of its user does not exist.
    #[error("the home directory {} of {user} does not exist; create it, or set the directory of the job", .directory.display())]
    NoHome {
        /// The home directory.
        directory: PathBuf,
        /// The user.
        user: String,
        /// What the system says.
        source: io::Error,
    },
    /// The user database cannot be read.
    #[error("cannot look up the user {user:?}")]
    LookUpUser {
        /// The user.
        user: String,
        /// Why.
        source: io::Error,
    },
    /// There is no such user.
    #[error("there is no user {0:?} on this machine; correct the user of the job")]
    NoUser(String),
    /// Only root runs programs as another user.
    #[error(
        "only a scheduler that runs as root can run it as {0:?}; start it as root, or leave the user out"
    )]
    NotRoot(String),
    /// Any other error of the system.
    #[error(transparent)]
    Io(io::Error),
}

impl StartError {
    /// An error that has no explanation of its own, unless nothing was left.
    pub(crate) fn of(error: io::Error) -> Self {
        if is_out_of_resources(&error) { Self::OutOfResources(error) } else { Self::Io(error) }
    }
}

/// What is wrong with a [`Command`](crate::Command), and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidCommand {
    /// The program is empty.
    #[error("the program is empty; name one")]
    NoProgram,
    /// The program or an argument holds a zero byte.
    #[error("a program and its arguments cannot hold a zero byte; leave it out")]
    ZeroByte,
    /// An environment variable cannot be set.
    #[error("{0:?} cannot be set in an environment; correct its name or value")]
    Environment(String),
    /// A character cannot be passed in the encoding Latin-1.
    #[error("{0:?} cannot be passed as Latin-1; use the encoding utf8")]
    Latin1(char),
    /// The umask is too large.
    #[error("{0:#o} is no umask; write one from 0 to 0o777")]
    Umask(u32),
    /// The nice level is out of range.
    #[error("{0} is no nice level; write one from -20 to 19")]
    Nice(i8),
}

impl From<CommandError> for TaskError {
    /// The error is the origin of the task's error. A program that could not be started because nothing was left is to be tried again.
    fn from(error: CommandError) -> Self {
        let not_started = matches!(error, CommandError::Start { source: StartError::OutOfResources(_), .. });
        let mut failed = Self::from_error(error);
        failed.not_started = not_started;
        failed
    }
}
