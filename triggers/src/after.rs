//! Runs that follow those of another job.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{After, AfterOutcome, IntoTrigger, JobId, NameError, Trigger, TriggerError};
use serde::{Deserialize, Serialize};

/// Has no instants: its job runs after another job of the same store has, whenever that is.
///
/// Each run of the other job that ends as asked is followed by one run, whose [`cause`](matins_core::Run::cause) it is. Where a run is
/// tried again, its last attempt counts. The two jobs may be added in any order; a job cannot run after itself, also not by way of others.
///
/// ```
/// use matins_core::{AfterOutcome, JobId, Trigger};
/// use matins_triggers::AfterTrigger;
///
/// let trigger = AfterTrigger::new(JobId::new("backup")?, AfterOutcome::Succeeded);
/// assert_eq!(trigger.next_after(chrono::DateTime::UNIX_EPOCH), None);
/// assert_eq!(trigger.describe(), "after backup has succeeded");
/// # Ok::<(), matins_core::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AfterTrigger {
    #[serde(flatten)]
    after: After,
}

impl AfterTrigger {
    /// Returns the trigger of a job that runs after each run of `job` that ends so.
    pub const fn new(job: JobId, outcome: AfterOutcome) -> Self {
        Self { after: After::new(job, outcome) }
    }
}

#[typetag::serde(name = "after")]
impl Trigger for AfterTrigger {
    fn next_after(&self, _after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        None
    }

    fn previous_before(&self, _before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        None
    }

    fn describe(&self) -> String {
        self.after.to_string()
    }

    fn after(&self) -> Option<&After> {
        Some(&self.after)
    }
}

/// A schedule after another job: [`after`].
#[derive(Debug, Clone)]
#[must_use]
pub struct AfterJob {
    job: Result<JobId, NameError>,
    outcome: AfterOutcome,
}

/// After each run of another job that has succeeded.
///
/// ```
/// use matins_core::{AfterOutcome, IntoTrigger, Trigger};
/// use matins_triggers::after;
///
/// let trigger = after("backup").into_trigger(chrono::DateTime::UNIX_EPOCH)?;
/// assert_eq!(trigger.describe(), "after backup has succeeded");
/// let trigger = after("backup").outcome(AfterOutcome::Failed).into_trigger(chrono::DateTime::UNIX_EPOCH)?;
/// assert_eq!(trigger.describe(), "after backup has failed");
/// # Ok::<(), matins_core::TriggerError>(())
/// ```
pub fn after(job: impl AsRef<str>) -> AfterJob {
    AfterJob { job: JobId::new(job), outcome: AfterOutcome::Succeeded }
}

impl AfterJob {
    /// After each run that ends so instead.
    pub fn outcome(self, outcome: AfterOutcome) -> Self {
        Self { outcome, ..self }
    }
}

impl IntoTrigger for AfterJob {
    fn into_trigger(self, _now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, TriggerError> {
        Ok(Arc::new(AfterTrigger::new(self.job?, self.outcome)))
    }
}
