//! Durations, as any of the usual types.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use chrono::TimeDelta;

/// A duration that is negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationError {
    /// The duration given.
    pub given: TimeDelta,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the duration {} is negative; give one of zero or more", self.given)
    }
}

impl Error for DurationError {}

/// A duration: [`std::time::Duration`] or [`chrono::TimeDelta`], which is also what `30.seconds()` of `matins-triggers` returns.
///
/// Each function that takes a duration takes both. One that is negative or too long is refused with an error. Where a function cannot
/// return an error, such as the builders of executors, a negative duration counts as zero.
///
/// ```
/// use std::time::Duration;
/// use chrono::TimeDelta;
/// use matins_core::IntoDuration;
///
/// assert_eq!(TimeDelta::seconds(30).into_duration(), Ok(Duration::from_secs(30)));
/// assert_eq!(Duration::from_secs(30).into_time_delta(), TimeDelta::seconds(30));
/// assert!(TimeDelta::seconds(-30).into_duration().is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a duration",
    note = "write `30.seconds()`, `std::time::Duration::from_secs(30)` or `chrono::TimeDelta::seconds(30)`"
)]
pub trait IntoDuration {
    /// Returns this as chrono's type. What is longer than that can hold (292 million years) becomes the longest that it can hold.
    fn into_time_delta(self) -> TimeDelta;

    /// Returns this as the type of the standard library.
    ///
    /// # Errors
    /// If it is negative.
    fn into_duration(self) -> Result<Duration, DurationError>;
}

impl IntoDuration for Duration {
    fn into_time_delta(self) -> TimeDelta {
        TimeDelta::from_std(self).unwrap_or(TimeDelta::MAX)
    }

    fn into_duration(self) -> Result<Duration, DurationError> {
        Ok(self)
    }
}

impl IntoDuration for TimeDelta {
    fn into_time_delta(self) -> TimeDelta {
        self
    }

    fn into_duration(self) -> Result<Duration, DurationError> {
        self.to_std().map_err(|_| DurationError { given: self })
    }
}

/// A limit that is a duration, or `None` for no limit.
///
/// ```
/// use chrono::TimeDelta;
/// use matins_core::IntoDurationLimit;
///
/// assert_eq!(None.into_limit(), Ok(None));
/// assert!(TimeDelta::seconds(-1).into_limit().is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a duration",
    note = "write `30.seconds()`, `std::time::Duration::from_secs(30)`, or `None` for no limit"
)]
pub trait IntoDurationLimit {
    /// Returns the limit, if there is one.
    ///
    /// # Errors
    /// If it is negative.
    fn into_limit(self) -> Result<Option<Duration>, DurationError>;
}

impl<T: IntoDuration> IntoDurationLimit for T {
    fn into_limit(self) -> Result<Option<Duration>, DurationError> {
        self.into_duration().map(Some)
    }
}

/// Only of the standard library's durations, so that the type of a bare `None` is known.
impl IntoDurationLimit for Option<Duration> {
    fn into_limit(self) -> Result<Option<Duration>, DurationError> {
        Ok(self)
    }
}
