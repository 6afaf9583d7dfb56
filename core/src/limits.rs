//! How much a job and a run may hold, so that no store grows without bound or holds what it cannot read back.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;

use serde_json::Value;

use crate::json::{check_trigger, check_value, dismantle, measure};
use crate::{Job, JobId, Outcome, RunReport};

/// The limits of what jobs and runs hold.
///
/// A job that is over a limit is refused when it is added or changed. A run whose result is over a limit has failed, with a
/// message that says so. Its message and its output are shortened.
///
/// ```
/// use matins_core::Limits;
///
/// assert_eq!(Limits::DEFAULT.result, 256 * 1024);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The arguments of a job, as JSON, in bytes.
    pub arguments: usize,
    /// The metadata and tags of a job together, as JSON, in bytes.
    pub metadata: usize,
    /// The result of a run, as JSON, in bytes.
    pub result: usize,
    /// The message of a run, in bytes. Of a longer one, the beginning is kept.
    pub message: usize,
    /// The output of a run, in bytes. Of a longer one, the end is kept.
    pub output: usize,
    /// How many levels deep arguments, metadata and results may nest.
    pub depth: usize,
}

impl Limits {
    /// 1 MiB of arguments and of metadata, 256 KiB of result, 16 KiB of message, 64 KiB of output; 100 levels.
    pub const DEFAULT: Self = Self {
        arguments: 1 << 20,
        metadata: 1 << 20,
        result: 256 << 10,
        message: 16 << 10,
        output: 64 << 10,
        depth: 100,
    };

    /// Checks the trigger, the arguments, the metadata and the tags of a job.
    ///
    /// ```
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
    /// # struct Hourly;
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for Hourly {
    /// #     fn next_after(&self, after: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    /// #         chrono::DateTime::from_timestamp((after.timestamp().div_euclid(3600) + 1) * 3600, 0)
    /// #     }
    /// # }
    /// # fn job(id: &str) -> matins_core::Job {
    /// #     let (id, task) = (matins_core::JobId::new(id).unwrap(), matins_core::TaskName::new("work").unwrap());
    /// #     let created = chrono::DateTime::UNIX_EPOCH;
    /// #     matins_core::Job::new(id, task, std::sync::Arc::new(Hourly), Some(created), created)
    /// # }
    /// use matins_core::Limits;
    ///
    /// let huge = "x".repeat(2 << 20);
    /// let error = Limits::DEFAULT.check_job(&job("report").with(|job| job.arguments = huge.into())).unwrap_err();
    /// assert!(error.to_string().contains("the arguments of job \"report\""));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If one of them is too long, nests too deep, or has a key that is reserved.
    pub fn check_job(&self, job: &Job) -> Result<(), ValueError> {
        check_trigger(&format!("the trigger of job {:?}", job.id), &*job.trigger)?;
        self.check_parts(Some(&job.id), &job.arguments, &job.metadata, &job.tags)
    }

    /// Checks the arguments, the metadata and the tags of a job that may not have an id yet.
    ///
    /// # Errors
    /// As [`check_job`](Self::check_job).
    pub fn check_parts(
        &self,
        id: Option<&JobId>,
        arguments: &Value,
        metadata: &BTreeMap<String, Value>,
        tags: &BTreeSet<String>,
    ) -> Result<(), ValueError> {
        let of = |what: &str| match id {
            Some(id) => format!("{what} of job {id:?}"),
            None => what.to_owned(),
        };
        self.check_value(|| of("the arguments"), arguments, self.arguments)?;
        if metadata.is_empty() && tags.is_empty() {
            return Ok(());
        }
        for (key, value) in metadata {
            check_value(|| format!("{} under {key:?}", of("the metadata")), value, self.depth)?;
        }
        self.check_size(&of("the metadata"), &(metadata, tags), self.metadata)
    }

    /// Checks a job that was changed. What it had before is accepted: it may be older than the limits.
    ///
    /// ```
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize)]
    /// # struct Hourly;
    /// # #[typetag::serde]
    /// # impl matins_core::Trigger for Hourly {
    /// #     fn next_after(&self, after: chrono::DateTime<chrono::Utc>) -> Option<chrono::DateTime<chrono::Utc>> {
    /// #         chrono::DateTime::from_timestamp((after.timestamp().div_euclid(3600) + 1) * 3600, 0)
    /// #     }
    /// # }
    /// # fn job(id: &str) -> matins_core::Job {
    /// #     let (id, task) = (matins_core::JobId::new(id).unwrap(), matins_core::TaskName::new("work").unwrap());
    /// #     let created = chrono::DateTime::UNIX_EPOCH;
    /// #     matins_core::Job::new(id, task, std::sync::Arc::new(Hourly), Some(created), created)
    /// # }
    /// use matins_core::Limits;
    ///
    /// let huge = "x".repeat(2 << 20);
    /// let old = job("report").with(|job| job.arguments = huge.into());
    /// // What was too long before does not keep a job from being changed.
    /// let changed = old.clone().with(|job| job.policy.priority = 10);
    /// assert!(Limits::DEFAULT.check_change(&old, &changed).is_ok());
    /// assert!(Limits::DEFAULT.check_change(&job("report"), &changed).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`check_job`](Self::check_job), if `after` has other arguments, metadata or tags than `before`.
    pub fn check_change(&self, before: &Job, after: &Job) -> Result<(), ValueError> {
        let is_same = before.arguments == after.arguments
            && before.metadata == after.metadata
            && before.tags == after.tags;
        if is_same { Ok(()) } else { self.check_job(after) }
    }

    /// Makes a report fit: a result that is over a limit is dropped and the run has failed, a long message loses its end, and
    /// long output loses its beginning. The message says what was dropped.
    ///
    /// Every report passes through here when an executor [reports](crate::Completion::finish).
    pub fn fit(&self, report: &mut RunReport) {
        let what = || "the result of the run".to_owned();
        let checked =
            report.result.as_ref().map_or(Ok(()), |result| self.check_value(what, result, self.result));
        if let Err(error) = checked {
            if let Some(result) = report.result.take() {
                dismantle(result);
            }
            if report.outcome == Outcome::Succeeded {
                report.outcome = Outcome::Failed;
            }
            let before = report.message.take().map_or(String::new(), |message| format!("{message}; "));
            report.message = Some(format!("{before}{error}"));
        }
        if let Some(message) = report.message.as_mut().filter(|message| message.len() > self.message) {
            keep_start(message, self.message);
        }
        if let Some(output) = report.output.as_mut().filter(|output| output.len() > self.output) {
            keep_end(output, self.output);
        }
    }

    fn check_value(&self, what: impl Fn() -> String, value: &Value, size: usize) -> Result<(), ValueError> {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
            value => {
                check_value(&what, value, self.depth)?;
                self.check_size(&what(), value, size)
            }
        }
    }

    fn check_size<T: serde::Serialize>(&self, what: &str, value: &T, limit: usize) -> Result<(), ValueError> {
        match measure(what, value, self.depth + 2)? {
            size if size > limit => Err(ValueError::TooLarge { what: what.to_owned(), size, limit }),
            _ => Ok(()),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Room for the line that says how much was left out.
const NOTE: usize = 80;

fn keep_start(text: &mut String, limit: usize) {
    let mut end = limit.saturating_sub(NOTE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let dropped = text.len() - end;
    text.truncate(end);
    text.push_str(&format!("\n[the last {dropped} bytes are left out]"));
}

fn keep_end(text: &mut String, limit: usize) {
    let mut start = text.len() - limit.saturating_sub(NOTE);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    *text = format!("[the first {start} bytes are left out]\n{}", &text[start..]);
}

/// Why a value cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueError {
    /// It nests too deep.
    TooDeep {
        /// What it is: "the arguments of job \"a\"".
        what: String,
        /// How many levels are allowed.
        limit: usize,
    },
    /// It is too long.
    TooLarge {
        /// What it is.
        what: String,
        /// How long it is as JSON, in bytes.
        size: usize,
        /// How many bytes are allowed.
        limit: usize,
    },
    /// It has a key that serde's JSON reader keeps for itself.
    ReservedKey {
        /// What it is.
        what: String,
        /// The key.
        key: String,
    },
    /// It cannot be written as JSON.
    NotJson {
        /// What it is.
        what: String,
        /// What the writer says.
        why: String,
    },
    /// A number is beyond what stores can hold.
    OutOfRange {
        /// What it is.
        what: String,
        /// Which number, and why.
        why: String,
    },
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep { what, limit } => {
                write!(f, "{what}: nested more than {limit} levels deep; make it flatter, or pass it as text")
            }
            Self::TooLarge { what, size, limit } => write!(
                f,
                "{what}: {size} bytes as JSON, and the limit is {limit}; keep it elsewhere, and pass \
                 where it is"
            ),
            Self::ReservedKey { what, key } => {
                write!(f, "{what}: the key {key:?} is reserved by serde_json; choose another key")
            }
            Self::NotJson { what, why } => write!(f, "{what}: cannot be written as JSON: {why}"),
            Self::OutOfRange { what, why } => write!(f, "{what}: {why}; choose a smaller number"),
        }
    }
}

impl Error for ValueError {}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::RunId;

    fn report() -> RunReport {
        RunReport {
            run: RunId::FIRST,
            started: None,
            finished: DateTime::UNIX_EPOCH,
            outcome: Outcome::Succeeded,
            message: None,
            output: None,
            result: None,
            not_started: false,
        }
    }

    /// Reported: a task that returned 50 MiB had them kept whole, and one that returned a list nested 200 deep made the
    /// ledger unreadable.
    #[test]
    #[cfg_attr(miri, ignore = "50 MiB take Miri hours")]
    fn a_result_that_is_over_a_limit_fails_the_run_and_says_so() {
        let deep = (0..200).fold(Value::Null, |value, _| Value::Array(vec![value]));
        let long = Value::from("x".repeat(50 << 20));
        for (result, said) in [(deep, ": nested more than 100 levels deep"), (long, ": 52428802 bytes")] {
            let mut over = RunReport { result: Some(result), ..report() };
            Limits::DEFAULT.fit(&mut over);
            assert_eq!((over.outcome, &over.result), (Outcome::Failed, &None));
            let message = over.message.unwrap();
            assert!(message.starts_with("the result of the run: ") && message.contains(said), "{message}");
        }
        let fits = RunReport { result: Some(serde_json::json!({"rows": [1, 2]})), ..report() };
        let mut same = fits.clone();
        Limits::DEFAULT.fit(&mut same);
        assert_eq!(same, fits);
    }

    #[test]
    fn a_long_message_keeps_its_beginning_and_long_output_its_end() {
        for (unit, count) in [("x", 1 << 20), ("€", 1 << 19), ("🕐", 70_001)] {
            let text = format!("begin{}end", unit.repeat(count));
            let mut report = RunReport { message: Some(text.clone()), output: Some(text), ..report() };
            Limits::DEFAULT.fit(&mut report);
            let once = report.clone();
            let (message, output) = (report.message.as_ref().unwrap(), report.output.as_ref().unwrap());
            let near = |length: usize, limit: usize| (limit - 2 * NOTE..=limit).contains(&length);
            assert!(near(message.len(), 16 << 10) && near(output.len(), 64 << 10));
            assert!(message.starts_with("begin") && message.ends_with(" bytes are left out]"), "{unit}");
            assert!(output.starts_with("[the first ") && output.ends_with("end"), "{unit}");
            Limits::DEFAULT.fit(&mut report);
            assert_eq!(report, once, "what fits stays as it is");
        }
    }
}
