//! What is run: a job's arguments.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::InvalidCommand;

/// What to run: a job's arguments for [`CommandTask`](crate::CommandTask).
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
    /// The user that it runs as, by name: with that user's groups, in the user's home directory unless another one is given,
    /// and with the environment of the user's [`Account`](crate::Account) plus [`environment`](Self::environment) in place of
    /// the scheduler's. Only a scheduler that runs as root can run a command as another user. The supplementary groups are
    /// set on Linux; elsewhere the command has the main group alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What happens to it if the scheduler's process is killed while it runs. It is for the program that starts the next
    /// scheduler to do so; the task itself only records what is running.
    #[serde(default, skip_serializing_if = "OnOrphan::is_wait")]
    pub on_orphan: OnOrphan,
}

/// What happens to a command that is still running although the scheduler's process was killed, when the next one starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnOrphan {
    /// It counts as a running run of its job until it ends, for the job's overlap policy.
    #[default]
    Wait,
    /// It is sent SIGTERM, and SIGKILL 5 seconds later. Until it has ended it counts as with [`Wait`](Self::Wait).
    Kill,
    /// It is left alone, and the job runs beside it.
    Ignore,
}

impl OnOrphan {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature.
    fn is_wait(&self) -> bool {
        *self == Self::Wait
    }
}

/// How the texts of a [`Command`] become the bytes that the program gets: its arguments, environment, directory and input.
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
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature.
    fn is_utf8(&self) -> bool {
        *self == Self::Utf8
    }

    /// The bytes of a text that was checked.
    pub(crate) fn bytes(self, text: &str) -> Cow<'_, [u8]> {
        match self {
            Self::Utf8 => Cow::Borrowed(text.as_bytes()),
            Self::Latin1 => text.chars().map(|c| c as u8).collect(),
        }
    }

    pub(crate) fn os_string(self, text: &str) -> OsString {
        OsString::from_vec(self.bytes(text).into_owned())
    }
}

/// Which environment variables of the scheduler's process a command has, unless it has a [`user`](Command::user).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Inherit {
    /// All of them, except those that are addressed to the scheduler's process: see the [crate's page](crate).
    #[default]
    Everything,
    /// None.
    Nothing,
}

impl Command {
    /// Runs `program`, without arguments.
    ///
    /// ```
    /// # use matins_task_command::{Command, CommandTask};
    /// # fn run(command: Command) -> matins_core::TaskResult {
    /// #     let job = matins_core::JobId::new("command").unwrap();
    /// #     let context = matins_core::TaskContext::new(job, matins_core::RunId::FIRST, chrono::DateTime::UNIX_EPOCH);
    /// #     let arguments = serde_json::to_value(command).unwrap();
    /// #     matins_core::Task::run(&CommandTask::default(), &arguments, &context)
    /// # }
    /// let output = run(Command::new("echo").arguments(["hello"]))?.output;
    /// assert_eq!(output.as_deref(), Some("hello\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
            on_orphan: OnOrphan::default(),
        }
    }

    /// Runs `line` by `/bin/sh -c`.
    ///
    /// ```
    /// # use matins_task_command::{Command, CommandTask};
    /// # fn run(command: Command) -> matins_core::TaskResult {
    /// #     let job = matins_core::JobId::new("command").unwrap();
    /// #     let context = matins_core::TaskContext::new(job, matins_core::RunId::FIRST, chrono::DateTime::UNIX_EPOCH);
    /// #     let arguments = serde_json::to_value(command).unwrap();
    /// #     matins_core::Task::run(&CommandTask::default(), &arguments, &context)
    /// # }
    /// let output = run(Command::shell("echo hello | tr a-z A-Z"))?.output;
    /// assert_eq!(output.as_deref(), Some("HELLO\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shell(line: impl Into<String>) -> Self {
        Self::new("/bin/sh").arguments(["-c".to_owned(), line.into()])
    }

    /// Sets the arguments. They are passed as they are: no shell reads them.
    ///
    /// ```
    /// # use matins_task_command::{Command, CommandTask};
    /// # fn run(command: Command) -> matins_core::TaskResult {
    /// #     let job = matins_core::JobId::new("command").unwrap();
    /// #     let context = matins_core::TaskContext::new(job, matins_core::RunId::FIRST, chrono::DateTime::UNIX_EPOCH);
    /// #     let arguments = serde_json::to_value(command).unwrap();
    /// #     matins_core::Task::run(&CommandTask::default(), &arguments, &context)
    /// # }
    /// let output = run(Command::new("echo").arguments(["$HOME", "a b"]))?.output;
    /// assert_eq!(output.as_deref(), Some("$HOME a b\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn arguments<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// Adds an environment variable.
    ///
    /// ```
    /// # use matins_task_command::{Command, CommandTask};
    /// # fn run(command: Command) -> matins_core::TaskResult {
    /// #     let job = matins_core::JobId::new("command").unwrap();
    /// #     let context = matins_core::TaskContext::new(job, matins_core::RunId::FIRST, chrono::DateTime::UNIX_EPOCH);
    /// #     let arguments = serde_json::to_value(command).unwrap();
    /// #     matins_core::Task::run(&CommandTask::default(), &arguments, &context)
    /// # }
    /// let output = run(Command::shell("echo $GREETING").environment("GREETING", "hello"))?.output;
    /// assert_eq!(output.as_deref(), Some("hello\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Sets the directory in which it runs.
    ///
    /// ```
    /// # use matins_task_command::{Command, CommandTask};
    /// # fn run(command: Command) -> matins_core::TaskResult {
    /// #     let job = matins_core::JobId::new("command").unwrap();
    /// #     let context = matins_core::TaskContext::new(job, matins_core::RunId::FIRST, chrono::DateTime::UNIX_EPOCH);
    /// #     let arguments = serde_json::to_value(command).unwrap();
    /// #     matins_core::Task::run(&CommandTask::default(), &arguments, &context)
    /// # }
    /// let output = run(Command::new("pwd").directory("/"))?.output;
    /// assert_eq!(output.as_deref(), Some("/\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Sets the text on its standard input.
    ///
    /// ```
    /// # use matins_task_command::{Command, CommandTask};
    /// # fn run(command: Command) -> matins_core::TaskResult {
    /// #     let job = matins_core::JobId::new("command").unwrap();
    /// #     let context = matins_core::TaskContext::new(job, matins_core::RunId::FIRST, chrono::DateTime::UNIX_EPOCH);
    /// #     let arguments = serde_json::to_value(command).unwrap();
    /// #     matins_core::Task::run(&CommandTask::default(), &arguments, &context)
    /// # }
    /// let output = run(Command::new("sort").stdin("b\na\n"))?.output;
    /// assert_eq!(output.as_deref(), Some("a\nb\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// Clears the environment, except for what [`environment`](Self::environment) adds.
    ///
    /// ```
    /// # use matins_task_command::{Command, CommandTask};
    /// # fn run(command: Command) -> matins_core::TaskResult {
    /// #     let job = matins_core::JobId::new("command").unwrap();
    /// #     let context = matins_core::TaskContext::new(job, matins_core::RunId::FIRST, chrono::DateTime::UNIX_EPOCH);
    /// #     let arguments = serde_json::to_value(command).unwrap();
    /// #     matins_core::Task::run(&CommandTask::default(), &arguments, &context)
    /// # }
    /// let output = run(Command::new("/usr/bin/env").clear_environment().environment("A", "1"))?.output;
    /// assert_eq!(output.as_deref(), Some("A=1\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear_environment(mut self) -> Self {
        self.inherit = Inherit::Nothing;
        self
    }

    /// Sets the umask, such as `0o077`.
    ///
    /// ```
    /// # use matins_task_command::{Command, CommandTask};
    /// # fn run(command: Command) -> matins_core::TaskResult {
    /// #     let job = matins_core::JobId::new("command").unwrap();
    /// #     let context = matins_core::TaskContext::new(job, matins_core::RunId::FIRST, chrono::DateTime::UNIX_EPOCH);
    /// #     let arguments = serde_json::to_value(command).unwrap();
    /// #     matins_core::Task::run(&CommandTask::default(), &arguments, &context)
    /// # }
    /// let output = run(Command::shell("umask").umask(0o077))?.output;
    /// assert_eq!(output.as_deref(), Some("0077\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn umask(mut self, umask: u32) -> Self {
        self.umask = Some(umask);
        self
    }

    /// Sets the nice level, -20 to 19, which is added to the scheduler's own. With a higher one, it stands back behind other processes.
    ///
    /// ```
    /// # use matins_task_command::{Command, CommandTask};
    /// # fn run(command: Command) -> matins_core::TaskResult {
    /// #     let job = matins_core::JobId::new("command").unwrap();
    /// #     let context = matins_core::TaskContext::new(job, matins_core::RunId::FIRST, chrono::DateTime::UNIX_EPOCH);
    /// #     let arguments = serde_json::to_value(command).unwrap();
    /// #     matins_core::Task::run(&CommandTask::default(), &arguments, &context)
    /// # }
    /// let output = run(Command::shell("nice").nice(5))?.output.unwrap();
    /// assert!(output.trim().parse::<i32>()? >= 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nice(mut self, nice: i8) -> Self {
        self.nice = Some(nice);
        self
    }

    /// Sets the user that it runs as. Only a scheduler that runs as root can run a command as another user.
    ///
    /// ```
    /// use matins_task_command::Command;
    ///
    /// let command = Command::new("id").user("nobody");
    /// assert_eq!(command.user.as_deref(), Some("nobody"));
    /// ```
    pub fn user(mut self, name: impl Into<String>) -> Self {
        self.user = Some(name.into());
        self
    }

    /// Sets what happens to it if the scheduler's process is killed while it runs.
    ///
    /// ```
    /// use matins_task_command::{Command, OnOrphan};
    ///
    /// let command = Command::new("rsync").on_orphan(OnOrphan::Kill);
    /// assert_eq!(command.on_orphan, OnOrphan::Kill);
    /// ```
    pub fn on_orphan(mut self, on_orphan: OnOrphan) -> Self {
        self.on_orphan = on_orphan;
        self
    }

    /// Says whether it can be started, as far as that can be told before.
    ///
    /// ```
    /// use matins_task_command::{Command, InvalidCommand};
    ///
    /// assert!(Command::new("true").check().is_ok());
    /// assert_eq!(Command::new("tr\0ue").check(), Err(InvalidCommand::ZeroByte));
    /// ```
    ///
    /// # Errors
    /// What is wrong with it first: no program, a zero byte, a variable that cannot be set, a umask or nice level that is not one.
    pub fn check(&self) -> Result<(), InvalidCommand> {
        if let Some(umask) = self.umask.filter(|umask| *umask > 0o777) {
            return Err(InvalidCommand::Umask(umask));
        }
        if let Some(nice) = self.nice.filter(|nice| !(-20..=19).contains(nice)) {
            return Err(InvalidCommand::Nice(nice));
        }
        let has_zero = |text: &str| text.contains('\0');
        if self.program.is_empty() {
            return Err(InvalidCommand::NoProgram);
        }
        if has_zero(&self.program) || self.arguments.iter().any(|argument| has_zero(argument)) {
            return Err(InvalidCommand::ZeroByte);
        }
        if self.encoding == Encoding::Latin1 {
            let environment = self.environment.iter().flat_map(|(name, value)| [name, value]);
            let directory = self.directory.as_ref().and_then(|directory| directory.to_str());
            let texts = std::iter::once(&self.program).chain(&self.arguments).chain(environment);
            let mut texts = texts.chain(&self.stdin).map(String::as_str).chain(directory);
            if let Some(c) = texts.find_map(|text| text.chars().find(|c| u32::from(*c) > 0xff)) {
                return Err(InvalidCommand::Latin1(c));
            }
        }
        let bad = |name: &String| name.is_empty() || name.contains('=') || has_zero(name);
        match self.environment.iter().find(|(name, value)| bad(name) || has_zero(value)) {
            Some((name, _)) => Err(InvalidCommand::Environment(name.clone())),
            None => Ok(()),
        }
    }
}
