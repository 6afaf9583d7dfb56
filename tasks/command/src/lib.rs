//! A task that runs a program, captures the end of what it prints, and reports its exit status.
//!
//! The program is not run by a shell: its arguments are passed as they are. Register [`CommandTask`] under a name, and
//! give each job a [`Command`] as its arguments.
//!
//! A run that is cancelled gets its whole process group a SIGTERM, and, if that does not end it within 5 seconds, a
//! SIGKILL.
//!
//! | the program | the run |
//! | --- | --- |
//! | exits with 0 | succeeded; the end of what it printed is kept |
//! | exits with another status, or by a signal | failed; the message says which, beside the end of what it printed |
//! | cannot be started | failed; the message says why |
//! | is over its time limit | timed out |
//!
//! ```
//! use matins_core::TaskRegistry;
//! use matins_task_command::{Command, CommandTask};
//!
//! let tasks = TaskRegistry::default();
//! tasks.register("command", CommandTask::default()).unwrap();
//! let arguments = serde_json::to_value(Command::new("rsync").arguments(["-a", "/home", "/backup"])).unwrap();
//! assert!(tasks.get("command").unwrap().check(&arguments).is_ok());
//! ```

mod process;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use matins_core::{Task, TaskContext, TaskError, TaskResult, Value};
use serde::{Deserialize, Serialize};

/// What to run: a job's arguments for [`CommandTask`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct Command {
    /// The program: a path, or a name that is looked for in `PATH`.
    pub program: String,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// Environment variables set for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Which other environment variables it has.
    #[serde(default)]
    pub inherit: Inherit,
    /// The directory that it runs in; the scheduler's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// How the texts here become the bytes that the program gets.
    #[serde(default, skip_serializing_if = "Encoding::is_utf8")]
    pub encoding: Encoding,
    /// What it reads from its standard input; nothing by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// The permissions that files made by it do not get, such as `0o077`: umask(2). The scheduler's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub umask: Option<u32>,
    /// How far it stands back behind others for a processor, from -20 to 19, added to the scheduler's own: nice(1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nice: Option<i8>,
    /// The user that it runs as, by name, with that user's main group and no other, in the user's home directory and with
    /// `HOME`, `USER` and `LOGNAME` of that user where nothing else is said. Only a scheduler that runs as root can do that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// Which environment variables of the scheduler's process a command has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Inherit {
    /// All of them.
    #[default]
    Everything,
    /// None.
    Nothing,
}

/// How the texts of a [`Command`] become the bytes that the program gets: its arguments, environment and input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Encoding {
    /// As UTF-8.
    #[default]
    Utf8,
    /// As Latin-1: each character, from U+0000 to U+00FF, is the byte of its number. So a command can be any bytes.
    Latin1,
}

impl Encoding {
    // serde passes a reference.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn is_utf8(&self) -> bool {
        *self == Self::Utf8
    }

    /// The bytes of a text that was checked.
    fn bytes(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Latin1 => text.chars().map(|c| c as u8).collect(),
        }
    }

    fn os_string(self, text: &str) -> OsString {
        OsString::from_vec(self.bytes(text))
    }
}

impl Command {
    /// Runs `program`, without arguments.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            inherit: Inherit::default(),
            directory: None,
            encoding: Encoding::default(),
            stdin: None,
            umask: None,
            nice: None,
            user: None,
        }
    }

    /// Runs `line` by `/bin/sh -c`.
    pub fn shell(line: impl Into<String>) -> Self {
        Self::new("/bin/sh").arguments(["-c".to_owned(), line.into()])
    }

    /// With these arguments.
    pub fn arguments<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// With this environment variable.
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// In this directory.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// With this on its standard input.
    pub fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// With nothing in its environment but what is said here.
    pub fn clear_environment(mut self) -> Self {
        self.inherit = Inherit::Nothing;
        self
    }

    /// With this umask, such as `0o077`.
    pub fn umask(mut self, umask: u32) -> Self {
        self.umask = Some(umask);
        self
    }

    /// So far behind others for a processor: -20 to 19.
    pub fn nice(mut self, nice: i8) -> Self {
        self.nice = Some(nice);
        self
    }

    /// As this user.
    pub fn user(mut self, name: impl Into<String>) -> Self {
        self.user = Some(name.into());
        self
    }

    fn check(&self) -> Result<(), String> {
        if let Some(umask) = self.umask.filter(|umask| *umask > 0o777) {
            return Err(format!("{umask:#o} is no umask; write one from 0 to 0o777"));
        }
        if let Some(nice) = self.nice.filter(|nice| !(-20..=19).contains(nice)) {
            return Err(format!("{nice} is no nice level; write one from -20 to 19"));
        }
        let has_zero = |text: &str| text.contains('\0');
        if self.program.is_empty() {
            return Err("the program is empty; name one".to_owned());
        }
        if has_zero(&self.program) || self.arguments.iter().any(|argument| has_zero(argument)) {
            return Err("a program and its arguments cannot hold a zero byte; leave it out".to_owned());
        }
        if self.encoding == Encoding::Latin1 {
            let environment = self.environment.iter().flat_map(|(name, value)| [name, value]);
            let directory = self.directory.as_ref().and_then(|directory| directory.to_str());
            let mut texts = [&self.program]
                .into_iter()
                .chain(&self.arguments)
                .chain(environment)
                .chain(&self.stdin)
                .map(String::as_str)
                .chain(directory);
            if let Some(c) = texts.find_map(|text| text.chars().find(|c| u32::from(*c) > 0xff)) {
                return Err(format!("{c:?} cannot be passed as Latin-1; use the encoding utf8"));
            }
        }
        let bad = |name: &String| name.is_empty() || name.contains('=') || has_zero(name);
        match self.environment.iter().find(|(name, value)| bad(name) || has_zero(value)) {
            Some((name, _)) => {
                Err(format!("{name:?} cannot be set in an environment; mend its name or value"))
            }
            None => Ok(()),
        }
    }
}

/// Runs the [`Command`] that it is given. See the [crate's page](crate).
#[derive(Debug, Clone)]
pub struct CommandTask {
    tail: usize,
}

impl Default for CommandTask {
    /// Keeps the last 8 KiB of what a command prints.
    fn default() -> Self {
        Self { tail: 8 * 1024 }
    }
}

impl CommandTask {
    /// Keeps the last `bytes` of what a command prints, standard output and standard error together.
    pub fn keeping(bytes: usize) -> Self {
        Self { tail: bytes }
    }
}

impl Task for CommandTask {
    fn run(&self, arguments: &Value, context: &TaskContext) -> TaskResult {
        let command = Command::deserialize(arguments)
            .map_err(|error| TaskError::new(format!("the arguments {arguments} are no command: {error}")))?;
        command.check().map_err(TaskError::new)?;
        process::run(&command, context, self.tail)
    }

    fn check(&self, arguments: &Value) -> Result<(), String> {
        Command::deserialize(arguments).map_err(|error| error.to_string())?.check()
    }
}
