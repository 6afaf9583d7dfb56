//! What is said on the control socket.

use chrono::{DateTime, Utc};
use matins::{Job, JobId, OnConflict, SchedulerError};
use matins::{JobPosition, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::secrets;

/// The version that this program speaks.
pub(crate) const VERSION: u64 = 1;

/// A request; its name is in the field `command`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub(crate) enum Request {
    /// How the daemon is.
    Status,
    /// Each job.
    Jobs(JobsRequest),
    /// A job.
    Job {
        job: String,
    },
    /// Rows of the ledger, the newest first.
    Runs(RunsRequest),
    /// A row of the ledger, with what the run has printed.
    Run {
        run: u64,
    },
    /// A new job; `keys` are those of a job in a configuration.
    Add {
        job: String,
        keys: Map<String, Value>,
        #[serde(default)]
        on_conflict: OnConflict,
    },
    /// Other keys for a job; `null` is the key's default.
    Edit {
        job: String,
        keys: Map<String, Value>,
    },
    Remove {
        job: String,
    },
    /// Several jobs, together.
    RemoveMany(RemoveManyRequest),
    Pause {
        job: String,
    },
    Resume {
        job: String,
    },
    /// A run now; with `wait`, the answer comes when it has ended.
    Now {
        job: String,
        #[serde(default)]
        wait: bool,
    },
    /// What became, or will become, of a job at a time: `2026-03-29T02:30` in the job's zone, or with an offset;
    /// `02:30` is today's.
    Why {
        job: String,
        at: String,
    },
    /// What the store holds, a line each.
    Export,
    /// What an export has written follows the request, so many bytes of it.
    Import {
        #[serde(default)]
        on_conflict: OnConflict,
        bytes: u64,
    },
    /// Counts of the store, and its files.
    Info,
    /// Reads the daemon's files again, and does what has changed; with `dry_run`, says so only.
    Reload {
        #[serde(default)]
        dry_run: bool,
    },
    /// Ends the daemon.
    Stop {
        #[serde(default)]
        how: How,
    },
    /// Events from now on.
    Watch,
}

/// The names of all of them.
const COMMANDS: [&str; 19] = [
    "status",
    "jobs",
    "job",
    "runs",
    "run",
    "add",
    "edit",
    "remove",
    "remove_many",
    "pause",
    "resume",
    "now",
    "why",
    "export",
    "import",
    "info",
    "reload",
    "stop",
    "watch",
];

/// Which jobs are removed: those that are named, or those that meet both conditions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RemoveManyRequest {
    pub(crate) jobs: Vec<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) tag: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct JobsRequest {
    pub(crate) prefix: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) paused: Option<bool>,
    pub(crate) order: JobsOrder,
    /// Only those behind this place.
    pub(crate) after: Option<Place>,
    /// So many at most in this answer.
    pub(crate) page: Option<usize>,
}

/// The order of a list of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobsOrder {
    #[default]
    Id,
    /// Then by id; those without one come last.
    NextFire,
}

/// The place of a job in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) next_fire: Option<DateTime<Utc>>,
}

impl Place {
    pub(crate) fn of(job: &Job) -> Self {
        Self { id: job.id.to_string(), next_fire: job.next_fire }
    }
}

impl TryFrom<Place> for JobPosition {
    type Error = Problem;

    fn try_from(place: Place) -> Result<Self, Problem> {
        let id = JobId::new(&place.id).map_err(|error| Problem::bad(format!("after: {error}")))?;
        Ok(Self { id, next_fire: place.next_fire })
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RunsRequest {
    pub(crate) job: Option<String>,
    /// As the ledger names it, or `missed` for each reason.
    pub(crate) outcome: Option<String>,
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) until: Option<DateTime<Utc>>,
    /// So many at most; 0 is all of them.
    pub(crate) limit: usize,
    /// Only those behind the run of this number.
    pub(crate) after: Option<u64>,
    /// So many at most in this answer.
    pub(crate) page: Option<usize>,
}

/// How to end what is still running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    /// It is waited for.
    #[default]
    Wait,
    /// It is cancelled.
    Now,
}

/// Why a request was not done. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    pub(crate) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// It is no request, or one with a wrong value.
    BadRequest,
    /// There is no such command.
    UnknownCommand,
    /// It is of a version that is not spoken here.
    UnknownVersion,
    /// There is no such job or run.
    NotFound,
    /// There is such a job already.
    Conflict,
    /// The scheduler or its store could not do it.
    Failed,
    /// It needs a daemon.
    NoDaemon,
    /// Too many are connected.
    Busy,
    /// The peer is another user.
    Forbidden,
}

impl Request {
    /// Whether it changes nothing: it need not be done if whoever asked has gone.
    pub(crate) fn only_asks(&self) -> bool {
        match self {
            Self::Status
            | Self::Jobs(_)
            | Self::Job { .. }
            | Self::Runs(_)
            | Self::Run { .. }
            | Self::Why { .. }
            | Self::Export
            | Self::Info
            | Self::Watch => true,
            Self::Reload { dry_run } => *dry_run,
            Self::Add { .. }
            | Self::Edit { .. }
            | Self::Remove { .. }
            | Self::RemoveMany(_)
            | Self::Pause { .. }
            | Self::Resume { .. }
            | Self::Now { .. }
            | Self::Import { .. }
            | Self::Stop { .. } => false,
        }
    }
}

impl Problem {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(Kind::BadRequest, message)
    }
}

impl From<SchedulerError> for Problem {
    fn from(error: SchedulerError) -> Self {
        let kind = match &error {
            SchedulerError::NoJob { .. }
            | SchedulerError::JobGone { .. }
            | SchedulerError::Store(StoreError::NotFound { .. }) => Kind::NotFound,
            SchedulerError::Store(StoreError::Conflict { .. }) => Kind::Conflict,
            SchedulerError::Store(_) | SchedulerError::ShutDown | SchedulerError::Thread(_) => Kind::Failed,
            _ => Kind::BadRequest,
        };
        let message = match &error {
            SchedulerError::Store(StoreError::Conflict { id }) => {
                format!(
                    "there is a job {id:?} already; choose another id, change it, or add it with --replace"
                )
            }
            error => matins::error_chain(error),
        };
        Self { kind, message }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        match problem.kind {
            Kind::BadRequest | Kind::UnknownCommand | Kind::UnknownVersion => Self::BadInput(problem.message),
            Kind::NoDaemon => Self::NoDaemon(problem.message),
            _ => Self::NotDone(problem.message),
        }
    }
}

/// The field of a request that asks for secrets as they are, in place of `(hidden)`.
const SHOW_SECRETS: &str = "show_secrets";

/// A request as a line.
pub(crate) fn write(request: &Request) -> String {
    let mut value = json!(request);
    value["matins"] = json!(VERSION);
    if secrets::are_shown() {
        value[SHOW_SECRETS] = json!(true);
    }
    format!("{value}\n")
}

/// A request as it came, and whether its answer shows secrets.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) shows_secrets: bool,
}

/// Reads a line as a request.
pub(crate) fn read(line: &[u8]) -> Result<Asked, Problem> {
    let value: Value = serde_json::from_slice(line)
        .map_err(|error| Problem::bad(format!("this is no line of JSON: {error}")))?;
    match value.get("matins").and_then(Value::as_u64) {
        Some(VERSION) => {}
        Some(other) => {
            let message = format!("version {other} is not spoken here; this daemon speaks version {VERSION}");
            return Err(Problem::new(Kind::UnknownVersion, message));
        }
        None => return Err(Problem::bad("a request has its version in the field \"matins\", as 1")),
    }
    let command = value.get("command").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !COMMANDS.contains(&command.as_str()) {
        let message = format!("there is no command {command:?}; there are {}", COMMANDS.join(", "));
        return Err(Problem::new(Kind::UnknownCommand, message));
    }
    let shows_secrets = value.get(SHOW_SECRETS).and_then(Value::as_bool).unwrap_or(false);
    let request =
        serde_json::from_value(value).map_err(|error| Problem::bad(format!("{command}: {error}")))?;
    Ok(Asked { request, shows_secrets })
}

/// A line of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Item(Value),
    Done(Value),
    Error(Problem),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(line: &str) -> Kind {
        read(line.as_bytes()).unwrap_err().kind
    }

    #[test]
    fn requests_are_read_as_they_are_written() {
        let request = Request::Pause { job: "a \"b\"\n".into() };
        let line = write(&request);
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(
            matches!(read(line.as_bytes()).map(|asked| asked.request), Ok(Request::Pause { job }) if job == "a \"b\"\n")
        );
        let later = br#"{"matins":1,"command":"now","job":"a","priority":7}"#;
        assert!(matches!(
            read(later),
            Ok(Asked { request: Request::Now { wait: false, .. }, shows_secrets: false })
        ));
        let with_secrets = br#"{"matins":1,"command":"job","job":"a","show_secrets":true}"#;
        assert!(read(with_secrets).is_ok_and(|asked| asked.shows_secrets));
    }

    #[test]
    fn what_is_no_request_is_told_apart() {
        assert_eq!(kind("nonsense"), Kind::BadRequest);
        assert_eq!(kind("[1]"), Kind::BadRequest);
        assert_eq!(kind(r#"{"command":"status"}"#), Kind::BadRequest);
        assert_eq!(kind(r#"{"matins":2,"command":"status"}"#), Kind::UnknownVersion);
        assert_eq!(kind(r#"{"matins":1,"command":"paint"}"#), Kind::UnknownCommand);
        assert_eq!(kind(r#"{"matins":1,"command":"pause"}"#), Kind::BadRequest);
        assert_eq!(kind(r#"{"matins":1,"command":"pause","job":7}"#), Kind::BadRequest);
    }

    #[test]
    fn every_command_is_known_by_its_name() {
        for command in COMMANDS {
            let line = json!({"matins": 1, "command": command, "job": "a", "run": 1, "keys": {}, "at": "", "bytes": 0});
            assert!(read(line.to_string().as_bytes()).is_ok(), "{command}");
        }
    }
}
