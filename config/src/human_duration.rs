//! Durations as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::TimeDelta;
use matins_core::{DurationError, IntoDuration};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A duration that is read and written as `30s`, `5m`, `1h 30m`, `250ms`, `2days`.
///
/// ```
/// use std::time::Duration;
/// use matins_config::HumanDuration;
///
/// assert_eq!("1h 30m".parse(), Ok(HumanDuration(Duration::from_secs(5_400))));
/// let error = "3 parsecs".parse::<HumanDuration>().unwrap_err();
/// assert!(error.to_string().starts_with("\"3 parsecs\" is no duration"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "String", inline))]
#[serde(try_from = "String", into = "String")]
pub struct HumanDuration(pub Duration);

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is no duration: {why}; write 3s, 5m, 1h 30m, 250ms, 2days")]
pub struct HumanDurationError {
    text: String,
    why: String,
}

impl FromStr for HumanDuration {
    type Err = HumanDurationError;

    fn from_str(text: &str) -> Result<Self, HumanDurationError> {
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|error| HumanDurationError { text: text.to_owned(), why: error.to_string() })
    }
}

impl TryFrom<String> for HumanDuration {
    type Error = HumanDurationError;

    fn try_from(text: String) -> Result<Self, HumanDurationError> {
        text.parse()
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl From<HumanDuration> for String {
    fn from(duration: HumanDuration) -> Self {
        duration.to_string()
    }
}

impl IntoDuration for HumanDuration {
    fn into_time_delta(self) -> TimeDelta {
        self.0.into_time_delta()
    }

    fn into_duration(self) -> Result<Duration, DurationError> {
        Ok(self.0)
    }
}

impl From<HumanDuration> for Duration {
    fn from(duration: HumanDuration) -> Self {
        duration.0
    }
}
