//! How a command ends that does not end well: a sentence for people, and an exit status for scripts.

use std::fmt;

use matins::control::{ClientError, Problem, ProblemKind};
use matins::definitions::DefinitionError;
use matins::simulate::SimulationError;
use matins::{Outcome, Run};

/// Why a command did not do what was asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The command line, a file or a store cannot be read: exit status 2. Nothing was changed.
    BadInput(String),
    /// What was asked for could not be done, or came out badly (no such job, a run that failed): exit status 1.
    NotDone(String),
    /// There is no daemon to ask: exit status 3, which is also what the LSB has init scripts' `status` say.
    NoDaemon(String),
}

impl Failure {
    /// Tells by the exit status whether a run has succeeded.
    ///
    /// # Errors
    /// If it has not.
    pub fn unless_succeeded(run: &Run) -> Result<(), Self> {
        match run.outcome {
            Some(Outcome::Succeeded) => Ok(()),
            outcome => Err(Self::NotDone(format!(
                "run {} {}",
                run.id,
                outcome.map_or("has not ended", Outcome::as_str)
            ))),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        match problem.kind {
            ProblemKind::BadRequest | ProblemKind::UnknownCommand | ProblemKind::UnknownVersion => {
                Self::BadInput(problem.message)
            }
            ProblemKind::NoDaemon => Self::NoDaemon(problem.message),
            _ => Self::NotDone(problem.message),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Problem(problem) => problem.into(),
            ClientError::Lost(_) => Self::NoDaemon(error.to_string()),
            error => Self::NotDone(error.to_string()),
        }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::BadInput(message)
    }
}

impl From<DefinitionError> for Failure {
    fn from(error: DefinitionError) -> Self {
        Self::BadInput(error.into())
    }
}

impl From<SimulationError> for Failure {
    fn from(error: SimulationError) -> Self {
        match error {
            SimulationError::Definition(error) => error.into(),
            error => Self::NotDone(matins::error_chain(&error)),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::BadInput(message) | Self::NotDone(message) | Self::NoDaemon(message)) = self;
        f.write_str(message)
    }
}
