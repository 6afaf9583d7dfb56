//! Runs that follow those of another job.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    After, AfterOutcome, DurationError, IntoDuration, IntoTrigger, JobId, NameError, Trigger, TriggerError,
};
use serde::{Deserialize, Serialize};

use crate::saved::Saved;
use crate::{DateTrigger, IntervalError, text};

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
#[serde(from = "Saved<After>")]
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

impl From<Saved<After>> for AfterTrigger {
    fn from(Saved(after): Saved<After>) -> Self {
        Self { after }
    }
}

/// `after("backup"; succeeded)`: see [`parse_trigger`](crate::parse_trigger).
impl fmt::Display for AfterTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.after.outcome {
            AfterOutcome::Failed => "failed",
            AfterOutcome::Any => "any",
            _ => "succeeded",
        };
        write!(f, "after({}; {outcome})", text::quoted(self.after.job.as_str()))
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

/// After each run of another job that has succeeded, or once, so long after the job is added.
///
/// A text or a [`JobId`] names a job. A duration counts from the instant at which this job is added.
///
/// Both are what one says with "after", and a name is never mistaken for a duration: their types differ.
///
/// ```
/// use chrono::{DateTime, TimeDelta};
/// use matins_core::{AfterOutcome, IntoTrigger, Trigger};
/// use matins_triggers::{TimeUnits, after};
///
/// let trigger = after("backup").into_trigger(DateTime::UNIX_EPOCH)?;
/// assert_eq!(trigger.describe(), "after backup has succeeded");
/// let trigger = after("backup").outcome(AfterOutcome::Failed).into_trigger(DateTime::UNIX_EPOCH)?;
/// assert_eq!(trigger.describe(), "after backup has failed");
///
/// let added = DateTime::UNIX_EPOCH;
/// let once = after(10.seconds()).into_trigger(added)?;
/// assert_eq!(once.next_after(added), Some(added + TimeDelta::seconds(10)));
/// assert_eq!(once.next_after(added + TimeDelta::seconds(10)), None);
///
/// let at_once = after(0.seconds()).into_trigger(added)?;
/// assert_eq!(at_once.next_after(added), Some(added + TimeDelta::microseconds(1)));
/// # Ok::<(), matins_core::TriggerError>(())
/// ```
pub fn after<T: AfterWhat>(what: T) -> T::Sentence {
    what.into_sentence()
}

/// What [`after`] takes: the id of a job, or a duration.
///
/// ```
/// use chrono::DateTime;
/// use matins_triggers::{AfterWhat, IntoTrigger, TimeUnits, Trigger, after};
///
/// // A job, or a time from now on.
/// let (job, duration) = ("backup".into_sentence(), 10.seconds().into_sentence());
/// let now = DateTime::UNIX_EPOCH;
/// assert_eq!(job.into_trigger(now)?.describe(), after("backup").into_trigger(now)?.describe());
/// assert!(duration.into_trigger(now)?.includes(now + 10.seconds()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither the id of a job nor a duration",
    note = "write `after(\"backup\")` for runs that follow those of that job, or `after(10.seconds())` for one run, so long after \
            the job is added"
)]
pub trait AfterWhat {
    /// The sentence about it.
    type Sentence: IntoTrigger + Send + 'static;

    /// Returns the sentence.
    fn into_sentence(self) -> Self::Sentence;
}

macro_rules! after_job {
    ($($id:ty),*) => {$(
        impl AfterWhat for $id {
            type Sentence = AfterJob;

            fn into_sentence(self) -> AfterJob {
                AfterJob { job: JobId::new(self), outcome: AfterOutcome::Succeeded }
            }
        }
    )*};
}
after_job!(&str, String, &String, JobId, &JobId);

macro_rules! after_duration {
    ($($duration:ty),*) => {$(
        impl AfterWhat for $duration {
            type Sentence = AfterDuration;

            fn into_sentence(self) -> AfterDuration {
                AfterDuration { duration: self.into_time_delta() }
            }
        }
    )*};
}
after_duration!(TimeDelta, Duration);

/// Once, so long after the job is added; see [`after`].
///
/// A job is never due at the very instant at which it is added. So a duration of zero is the next microsecond: the job is due at once.
#[derive(Debug, Clone)]
#[must_use]
pub struct AfterDuration {
    duration: TimeDelta,
}

impl IntoTrigger for AfterDuration {
    fn into_trigger(self, now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, TriggerError> {
        let duration = self.duration;
        if duration < TimeDelta::zero() {
            return Err(TriggerError::new(DurationError { given: duration }));
        }
        // A trigger is asked for instants later than `now`.
        let wait = duration.max(TimeDelta::microseconds(1));
        let instant = now.checked_add_signed(wait).ok_or(IntervalError::TooLong { period: duration })?;
        Ok(Arc::new(DateTrigger::new(instant)))
    }
}

/// A schedule after another job: [`after`].
#[derive(Debug, Clone)]
#[must_use]
pub struct AfterJob {
    job: Result<JobId, NameError>,
    outcome: AfterOutcome,
}

impl AfterJob {
    /// Sets the outcome after which the job runs. The default is after each run that has succeeded.
    ///
    /// ```
    /// use chrono::Utc;
    /// use matins_core::AfterOutcome;
    /// use matins_triggers::{IntoTrigger, Trigger, after};
    ///
    /// let alarm = after("backup").outcome(AfterOutcome::Failed).into_trigger(Utc::now())?;
    /// assert_eq!(alarm.describe(), "after backup has failed");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn outcome(self, outcome: AfterOutcome) -> Self {
        Self { outcome, ..self }
    }
}

impl IntoTrigger for AfterJob {
    fn into_trigger(self, _now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, TriggerError> {
        Ok(Arc::new(AfterTrigger::new(self.job?, self.outcome)))
    }
}
