//! A task that runs a program, captures the end of what it prints, and reports its exit status.
//!
//! The program is not run by a shell: its arguments are passed as they are. Register [`CommandTask`] under a name, and
//! give each job a [`Command`] as its arguments.
//!
//! | the program | the run |
//! | --- | --- |
//! | exits with 0 | succeeded; the end of what it printed is kept |
//! | exits with another status, or by a signal | failed; the message says which, beside the end of what it printed |
//! | cannot be started | failed; the message says why, and the causes are kept: see [`CommandError`] |
//! | is over its time limit | timed out |
//!
//! # What a program is started with
//! * A session of its own (setsid(2)) without a controlling terminal: it cannot open `/dev/tty`, and a program that would
//!   ask for a password there fails instead of waiting.
//! * The text given as [`Command::stdin`] on its standard input, or `/dev/null`.
//! * An empty signal mask and the default action of SIGPIPE. Other signals that the scheduler's process ignores stay ignored;
//!   a process that catches them instead hands on their default action.
//! * The environment of the scheduler's process without the variables that are addressed to that process itself:
//!   `NOTIFY_SOCKET`, `WATCHDOG_PID`, `WATCHDOG_USEC`, `LISTEN_PID`, `LISTEN_FDS`, `LISTEN_FDNAMES` and all that begin with
//!   `MATINS_`. A command with a [`user`](Command::user) gets none of it: see [`Account`].
//! * `MATINS_JOB`, `MATINS_RUN`, `MATINS_ATTEMPT` and `MATINS_SCHEDULED`: the job, the number of the run, which attempt it is, and
//!   the fire time, unless the command asks for a [clear environment](Command::clear_environment). The number of a run is higher
//!   than those of all earlier runs of the job: pass it to a system that refuses lower ones, and work that was taken over by
//!   another scheduler cannot be done twice there (a *fencing token*).
//! * File descriptors of the scheduler's process only if they were opened without `O_CLOEXEC`. The standard library opens all
//!   of its own with it.
//!
//! # How a run ends
//! A run ends when its program ends, and a second later at most: so long its output is read on if a background process
//! (`cmd &`) keeps it open. What such a process prints after that is read and dropped, so that it is not killed by SIGPIPE.
//! One thread reads for all of them; it ends with the last of these processes.
//!
//! A run that is cancelled has its whole process group sent SIGTERM, and SIGKILL if the program is still running 5 seconds
//! later. A program that had already ended by then is reported by its exit status.
//!
//! If the scheduler's process is killed, its commands keep running. With [`CommandTask::recording_in`], the next process
//! finds them: see [`Orphan`].
//!
//! ```
//! use matins_task_function::TaskRegistry;
//! use matins_task_command::{Command, CommandTask};
//!
//! let tasks = TaskRegistry::default();
//! tasks.register("command", CommandTask::default()).unwrap();
//! let arguments = serde_json::to_value(Command::new("rsync").arguments(["-a", "/home", "/backup"])).unwrap();
//! assert!(tasks.get("command").unwrap().check(&arguments).is_ok());
//! ```

#[cfg(not(unix))]
compile_error!(
    "matins-task-command needs Unix: commands are process groups that signals end. Elsewhere, use std::process in a task of your own."
);

mod account;
mod awaited;
mod command;
mod drain;
mod error;
mod orphan;
mod process;
mod spawn;

use std::path::PathBuf;

use matins_core::{ArgumentsError, Task, TaskContext, TaskResult, Value};
use serde::Deserialize;

pub use account::Account;
pub use awaited::is_awaited;
pub use command::{Command, Encoding, Inherit, OnOrphan};
pub use error::{CommandError, InvalidCommand, StartError};
pub use orphan::Orphan;

/// Runs the [`Command`] that it is given. See the [crate's page](crate).
#[derive(Debug, Clone)]
pub struct CommandTask {
    tail: usize,
    records: Option<PathBuf>,
    open_files: Option<u64>,
}

impl Default for CommandTask {
    /// Keeps the last 8 KiB of what a command prints.
    fn default() -> Self {
        Self::keeping(8 * 1024)
    }
}

impl CommandTask {
    /// Keeps the last `bytes` of what a command prints, standard output and standard error together.
    ///
    /// ```
    /// # use matins_task_command::{Command, CommandTask};
    /// # use matins_core::{JobId, RunId, Task, TaskContext};
    /// # let context = TaskContext::new(JobId::new("command")?, RunId::FIRST, chrono::DateTime::UNIX_EPOCH);
    /// let task = CommandTask::keeping(10);
    /// let seq = serde_json::to_value(Command::new("seq").arguments(["1000"]))?;
    /// let output = task.run(&seq, &context)?.output.unwrap();
    /// assert!(output.ends_with("\n999\n1000\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keeping(bytes: usize) -> Self {
        Self { tail: bytes, records: None, open_files: None }
    }

    /// Records each running command in a file in `directory`, which must exist. If this process is killed, the next one finds
    /// the commands that are still running with [`Orphan::all_in`]. A record that cannot be written costs that, and not the run.
    ///
    /// Records are written on Linux only.
    ///
    /// ```
    /// use matins_task_command::{CommandTask, Orphan};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let directory = directory.path();
    /// assert!(Orphan::all_in(directory).unwrap().is_empty());
    /// let task = CommandTask::default().recording_in(directory);
    /// # let _ = task;
    /// ```
    #[must_use]
    pub fn recording_in(mut self, directory: impl Into<PathBuf>) -> Self {
        self.records = Some(directory.into());
        self
    }

    /// Sets the soft limit of open files (`RLIMIT_NOFILE`) that a command has as soon as it is started, for a program that raised
    /// its own. Programs that use select(2) cannot handle more than 1,024 descriptors, and rely on the limit. `None`, the
    /// default, gives a command the limit of this process.
    ///
    /// It is set on Linux only.
    ///
    /// ```
    /// use matins_task_command::CommandTask;
    ///
    /// let task = CommandTask::default().open_files(Some(1024));
    /// # let _ = task;
    /// ```
    #[must_use]
    pub fn open_files(mut self, soft_limit: Option<u64>) -> Self {
        self.open_files = soft_limit;
        self
    }
}

impl Task for CommandTask {
    fn run(&self, arguments: &Value, context: &TaskContext) -> TaskResult {
        let command = Command::deserialize(arguments)
            .map_err(|source| CommandError::Arguments { arguments: arguments.clone(), source })?;
        command.check().map_err(CommandError::from)?;
        process::run(&command, context, self)
    }

    fn check(&self, arguments: &Value) -> Result<(), ArgumentsError> {
        let command =
            Command::deserialize(arguments).map_err(|error| ArgumentsError::new(error.to_string()))?;
        command.check().map_err(|error| ArgumentsError::new(error.to_string()))
    }
}
