//! What a tick changes: the steps that a store applies together or not at all.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{FireRange, Job, JobId, Run, RunId};

/// One step of a [`commit`](crate::JobStore::commit).
///
/// A store must do every one of them, so that another kind of step is a breaking change: a store that does not know it does not
/// compile, rather than lose it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    /// A job moves on to its next fire time.
    Advance {
        /// The job.
        job: JobId,
        /// The fire time that it leaves. Where the store holds another, the transition is stale and the whole batch
        /// is refused.
        from: Option<DateTime<Utc>>,
        /// The fire time that it goes to; `None` when there are no more.
        to: Option<DateTime<Utc>>,
    },
    /// A new row of the ledger: a run that starts or waits, or fires that were missed. Its id must be new.
    Record(Arc<Run>),
    /// A run that waited starts, for the fire time `scheduled` (which may be later than the one it began to wait for).
    Start {
        /// The run.
        run: RunId,
        /// When it starts; `None` when only its fire time changes and it waits on.
        started: Option<DateTime<Utc>>,
        /// Its fire time from now on.
        scheduled: DateTime<Utc>,
    },
    /// A row of missed fires grows by fires that were missed in the same way.
    Extend {
        /// The row.
        run: RunId,
        /// The fires that it stands for from now on.
        fires: FireRange,
    },
    /// A run ends: the row takes the outcome, the times, the turn and the words of this one, and keeps the rest.
    ///
    /// Without an outcome the row stays unfinished: a run that was started could not begin, and waits until it is tried again
    /// (no [`started`](Run::started)) for its [`turn`](Run::turn), or has been started once more. The message says why it waits.
    Finish(Arc<Run>),
    /// A job takes the place of the one with its id: its next revision. A store that several schedulers share refuses any other
    /// revision with [`StoreError::Revised`](crate::StoreError::Revised).
    Update(Box<Job>),
    /// A job is over and goes; its runs stay.
    End {
        /// The job.
        job: JobId,
    },
    /// Old rows of one job go: all but the newest `keep` and those unfinished.
    PruneJob {
        /// The job.
        job: JobId,
        /// How many rows stay.
        keep: u32,
    },
    /// Rows that were finished before an instant go.
    PruneBefore {
        /// The instant.
        before: DateTime<Utc>,
    },
}
