//! A job that runs after another one.

use serde::{Deserialize, Serialize};

use crate::{JobId, Outcome};

/// Which run of which job is followed by a run of this one. Both jobs are in the same store.
///
/// ```
/// use matins_core::{After, AfterOutcome, JobId, Outcome};
///
/// let after = After::new(JobId::new("backup")?, AfterOutcome::Succeeded);
/// assert!(after.outcome.includes(Outcome::Succeeded));
/// assert_eq!(after.to_string(), "after backup has succeeded");
/// # Ok::<(), matins_core::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct After {
    /// The job whose runs are followed. It need not be there yet.
    pub job: JobId,
    /// How they have to end.
    #[serde(default)]
    pub outcome: AfterOutcome,
}

/// How a run has to end to be followed by one of another job. Where it is tried again, the last attempt counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AfterOutcome {
    /// It has succeeded.
    #[default]
    Succeeded,
    /// It has failed, has timed out, or was interrupted.
    Failed,
    /// It has begun and ended, in whatever way.
    Any,
}

impl After {
    /// After a run of `job` that ends so.
    pub const fn new(job: JobId, outcome: AfterOutcome) -> Self {
        Self { job, outcome }
    }
}

impl std::fmt::Display for After {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ends = match self.outcome {
            AfterOutcome::Succeeded => "succeeded",
            AfterOutcome::Failed => "failed",
            AfterOutcome::Any => "ended",
        };
        write!(f, "after {} has {ends}", self.job)
    }
}

impl AfterOutcome {
    /// Returns whether a run that ended so is followed. One that was missed never is.
    ///
    /// ```
    /// use matins_core::{AfterOutcome, Outcome};
    ///
    /// assert!(AfterOutcome::Failed.includes(Outcome::TimedOut));
    /// assert!(!AfterOutcome::Failed.includes(Outcome::Cancelled));
    /// assert!(AfterOutcome::Any.includes(Outcome::Cancelled));
    /// ```
    pub const fn includes(self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Succeeded => matches!(self, Self::Succeeded | Self::Any),
            Outcome::Failed | Outcome::TimedOut | Outcome::Interrupted => {
                matches!(self, Self::Failed | Self::Any)
            }
            Outcome::Cancelled => matches!(self, Self::Any),
            Outcome::Missed(_) => false,
        }
    }
}
