//! What came of a simulation.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::ser::SerializeTuple;
use serde::{Serialize, Serializer};

/// What jobs will do.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Forecast {
    /// When it begins.
    pub from: DateTime<Utc>,
    /// When it ends; fires at this instant are in it.
    pub until: DateTime<Utc>,
    /// How many jobs there are.
    pub jobs: usize,
    /// How many fires, those that would be missed among them.
    pub fires: u64,
    /// By the hour that they are due in.
    pub fires_per_hour: BTreeMap<DateTime<Utc>, u64>,
    /// The minute with the most fires, the first of several.
    pub busiest_minute: Option<Busiest>,
    /// The second with the most fires, the first of several.
    pub busiest_second: Option<Busiest>,
    /// How many runs are in progress at once at most.
    pub most_at_once: usize,
    /// When that is for the first time.
    pub most_at_once_at: DateTime<Utc>,
    /// How many wait for a place at most.
    pub most_waiting: usize,
    /// How many runs are over their time limits, by job.
    pub timed_out: BTreeMap<String, u64>,
    /// How many fires are missed, by reason and by job.
    pub missed: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// How long runs were said to take, by job.
    pub durations: BTreeMap<String, RunTime>,
}

/// A minute or a second, and how many fires it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Busiest {
    /// Its beginning.
    pub at: DateTime<Utc>,
    /// How many fires.
    pub fires: u64,
}

/// How long the runs of a job take, and from where that is known. In JSON: the source and the seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunTime {
    /// Who says so.
    pub known_from: KnownFrom,
    /// How long they take.
    pub length: TimeDelta,
}

/// From where it is known how long runs take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KnownFrom {
    /// The definition of the job says so.
    File,
    /// Earlier runs took so long.
    Ledger,
    /// It is not known: this is what was assumed.
    Default,
}

impl RunTime {
    /// Runs take so long, as this source says.
    ///
    /// ```
    /// use chrono::TimeDelta;
    /// use matins_simulate::{KnownFrom, RunTime};
    ///
    /// let time = RunTime::new(KnownFrom::Ledger, TimeDelta::seconds(90));
    /// assert_eq!(serde_json::to_string(&time)?, r#"["ledger",90.0]"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn new(known_from: KnownFrom, length: TimeDelta) -> Self {
        Self { known_from, length }
    }
}

impl Serialize for RunTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(&self.known_from)?;
        pair.serialize_element(&self.length.as_seconds_f64())?;
        pair.end()
    }
}
