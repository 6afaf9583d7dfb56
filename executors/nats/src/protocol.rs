//! What a scheduler and its workers say to each other: frames of JSON. `protocol/README.md` describes them for workers in other
//! languages, with a JSON Schema of each.

use chrono::{DateTime, Utc};
use matins_core::{Outcome, RunNote, Value};
use serde::{Deserialize, Serialize};

/// The version of these frames. A frame may have more members than its schema says: those who do not know them ignore them. What
/// older workers could not ignore is a new version.
pub(crate) const VERSION: u32 = 1;

/// A run, on its way to a worker.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct RunFrame {
    pub(crate) version: u32,
    /// The last part of the subjects of this run.
    pub(crate) id: String,
    /// The number of the run in its store. It rises with each run of a job: a fencing token for what the task writes to.
    pub(crate) run: u64,
    pub(crate) job: String,
    pub(crate) task: String,
    pub(crate) arguments: Value,
    /// The fire time that the run is for.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(crate) scheduled: DateTime<Utc>,
    /// 1 for the first attempt at this fire time.
    pub(crate) attempt: u32,
    /// The number of the run of another job that it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<u64>,
    /// How long the worker lets it run, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time_limit_us: Option<u64>,
    /// The time within which the worker acknowledges that the run is in progress, in milliseconds.
    pub(crate) ack_wait_ms: u64,
}

/// Who has a run. Whoever creates this has it, and nobody else ever begins it.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ClaimFrame {
    pub(crate) version: u32,
    /// The worker that does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) worker: Option<String>,
    /// The number in the stream of the message that the worker was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sequence: Option<u64>,
    /// How often the server had given the message out by then, this time included. Where it is left out, it was the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delivered: Option<u64>,
    /// Its scheduler has taken it back before a worker began, for this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) withdrawn: Option<Withdrawn>,
}

/// Why a scheduler has taken a run back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Withdrawn {
    /// Somebody has cancelled it.
    Cancelled,
    /// It has waited for a worker longer than its misfire grace.
    TooLate,
    /// The server has lost its message twice.
    Lost,
}

/// What a worker says about a run while it is in progress. It may be lost on its way.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct NoteFrame {
    pub(crate) version: u32,
    #[serde(flatten)]
    pub(crate) note: Note,
}

#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Note {
    /// This worker has begun it.
    Started(String),
    /// It logs a line.
    Line(String),
    /// How far it has come.
    Progress { done: u64, total: u64 },
}

impl Note {
    /// `None` for a kind of note that this version does not know.
    pub(crate) fn of(note: RunNote) -> Option<Self> {
        match note {
            RunNote::Line(line) => Some(Self::Line(line)),
            RunNote::Progress(progress) => {
                Some(Self::Progress { done: progress.done, total: progress.total })
            }
            _ => None,
        }
    }
}

/// What each worker says three times in each `ack_wait`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct AliveFrame {
    pub(crate) version: u32,
    /// The ids of the runs that it has claimed and not ended.
    pub(crate) runs: Vec<String>,
}

/// Asks a worker to stop a run, or tells it that the run's scheduler begins to shut down.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct CancelFrame {
    pub(crate) version: u32,
    /// The id of the run.
    pub(crate) id: String,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ResultFrame {
    pub(crate) version: u32,
    /// `succeeded`, `failed`, `timed out`, `cancelled` or `interrupted`.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(crate) outcome: Outcome,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// The end of what it has logged and printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<String>,
    /// What the task returned.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "matins_core::json::some")]
    pub(crate) result: Option<Value>,
    /// The task has not begun its work, because the system had nothing left for it: it is tried again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) not_started: bool,
    /// How long the work took, in microseconds; without it, the work has never begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) took_us: Option<u64>,
    /// When it ended, by the clock of the worker.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(crate) finished: DateTime<Utc>,
}

impl ResultFrame {
    /// The result of a run whose worker was lost.
    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..Self::new(Outcome::Interrupted) }
    }

    pub(crate) fn new(outcome: Outcome) -> Self {
        Self {
            version: VERSION,
            outcome,
            message: None,
            output: None,
            result: None,
            not_started: false,
            took_us: None,
            finished: Utc::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use schemars::{JsonSchema, schema_for};
    use serde_json::{Value, json};

    use super::*;

    /// A frame's schema is in a file, for those who write workers in other languages.
    fn check<T: JsonSchema>(name: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("protocol/{name}.schema.json"));
        let schema = serde_json::to_string_pretty(&schema_for!(T)).unwrap() + "\n";
        if std::env::var_os("MATINS_ACCEPT_SCHEMAS").is_some() {
            fs::write(&path, &schema).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == schema,
            "{} is not the schema of this frame. Look at what has changed, run this test with MATINS_ACCEPT_SCHEMAS=1, and commit it",
            path.display()
        );
    }

    #[test]
    fn the_schemas_of_the_frames_are_published() {
        check::<RunFrame>("run");
        check::<ClaimFrame>("claim");
        check::<NoteFrame>("note");
        check::<AliveFrame>("alive");
        check::<CancelFrame>("cancel");
        check::<ResultFrame>("result");
    }

    /// What workers of any language send is read, whatever more it has.
    #[test]
    fn frames_are_read_with_what_they_lack_and_what_they_have_beyond() {
        let read = |frame: Value| serde_json::from_value::<ResultFrame>(frame);
        let ended =
            json!({"version": 1, "outcome": "succeeded", "finished": "2026-11-01T09:00:00Z", "new": [1]});
        let ended = read(ended).unwrap();
        assert_eq!((ended.outcome, ended.result, ended.took_us), (Outcome::Succeeded, None, None));
        assert!(read(json!({"version": 1, "outcome": "won", "finished": "2026-11-01T09:00:00Z"})).is_err());
        let null =
            json!({"version": 1, "outcome": "succeeded", "finished": "2026-11-01T09:00:00Z", "result": null});
        assert_eq!(read(null).unwrap().result, Some(Value::Null));
        let note: NoteFrame =
            serde_json::from_value(json!({"version": 1, "progress": {"done": 1, "total": 2}})).unwrap();
        assert!(matches!(note.note, Note::Progress { done: 1, total: 2 }));
    }
}
