//! Why a request was not done.

use matins_core::{StoreError, error_chain};
use matins_scheduler::SchedulerError;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a request was not done. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{message}")]
#[non_exhaustive]
pub struct Problem {
    /// What kind of problem it is, for programs.
    pub kind: ProblemKind,
    /// What is wrong and what to do, for people.
    pub message: String,
}

/// What kind of problem it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProblemKind {
    /// It is not a request, or one of its values is wrong.
    BadRequest,
    /// No command has this name.
    UnknownCommand,
    /// The server does not know this version of the protocol.
    UnknownVersion,
    /// There is no such job or run.
    NotFound,
    /// There is such a job already.
    Conflict,
    /// The scheduler or its store failed.
    Failed,
    /// No daemon is running.
    NoDaemon,
    /// The process that serves the scheduler does not do this.
    Unsupported,
    /// Too many clients are connected.
    Busy,
    /// The client is another user.
    Forbidden,
}

impl Problem {
    /// Returns a problem of a kind, with a message for people.
    ///
    /// ```
    /// use matins_control::{Problem, ProblemKind};
    ///
    /// let problem = Problem::new(ProblemKind::Unsupported, "jobs of this application cannot be removed");
    /// assert_eq!(problem.to_string(), "jobs of this application cannot be removed");
    /// ```
    pub fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Returns a [`BadRequest`](ProblemKind::BadRequest), with a message for people.
    ///
    /// ```
    /// use matins_control::{Problem, ProblemKind};
    ///
    /// assert_eq!(Problem::bad("a limit is a number").kind, ProblemKind::BadRequest);
    /// ```
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(ProblemKind::BadRequest, message)
    }
}

impl From<SchedulerError> for Problem {
    fn from(error: SchedulerError) -> Self {
        let kind = match &error {
            SchedulerError::NoJob { .. }
            | SchedulerError::JobGone { .. }
            | SchedulerError::Store(StoreError::NotFound { .. }) => ProblemKind::NotFound,
            SchedulerError::Store(StoreError::Conflict { .. }) => ProblemKind::Conflict,
            SchedulerError::Store(_) | SchedulerError::ShutDown | SchedulerError::Thread(_) => {
                ProblemKind::Failed
            }
            _ => ProblemKind::BadRequest,
        };
        let message = match &error {
            SchedulerError::Store(StoreError::Conflict { id }) => {
                format!(
                    "there is a job {id:?} already; choose another id, change it, or add it with --replace"
                )
            }
            error => error_chain(error),
        };
        Self { kind, message }
    }
}
