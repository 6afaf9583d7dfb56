//! The contracts of Matins: what a trigger, a job store and an executor owe each other, and the plain data
//! that passes between them.
//!
//! | part | trait | question it answers |
//! | --- | --- | --- |
//! | trigger | [`Trigger`] | when? |
//! | job store | [`JobStore`] | what must be remembered? |
//! | executor | [`Executor`] | who does the work? |
//! | clock | [`Clock`] | what time is it? |
//! | task | [`Task`] | what is the work? |
//!
//! A *job* ([`Job`]) joins a trigger to a task. When one of its *fire times* comes, a *run* ([`Run`]) is written
//! into the store's *ledger* before the work starts, and its [`Outcome`] when the work ends. Every fire time ends
//! in exactly one outcome, the ones that were missed included.
//!
//! This crate knows no trigger, store, executor or scheduler: they all depend on it, and it on none of them.
//!
//! ```
//! use chrono::{DateTime, TimeDelta, Utc};
//! use matins_core::Trigger;
//! use serde::{Deserialize, Serialize};
//!
//! /// Every full hour: the smallest trigger one can write.
//! #[derive(Debug, Serialize, Deserialize)]
//! struct Hourly;
//!
//! #[typetag::serde(name = "hourly")]
//! impl Trigger for Hourly {
//!     fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
//!         let hours = after.timestamp().div_euclid(3600) + 1;
//!         DateTime::from_timestamp(hours * 3600, 0)
//!     }
//! }
//!
//! let ten_past = "2026-03-29T00:10:00Z".parse::<DateTime<Utc>>().unwrap();
//! let next = Hourly.next_after(ten_past).unwrap();
//! assert_eq!(next - ten_past, TimeDelta::minutes(50));
//! ```

mod after;
mod boxed;
mod cancel;
mod cancel_callbacks;
mod cancelled;
mod claim;
mod clock;
mod count;
mod current_run;
mod duration;
mod executor;
mod fire_range;
mod group;
mod instants;
mod job;
mod job_order;
mod job_query;
pub mod json;
mod layer;
mod limits;
mod membership;
mod name;
mod panics;
mod policy;
mod request;
mod resources;
mod retry;
mod run;
mod run_ids;
mod run_log;
mod run_query;
mod run_state;
mod served;
mod shared;
mod store;
mod tail;
mod task;
mod task_error;
mod transition;
mod trigger;
mod trigger_error;

pub use after::{After, AfterOutcome};
pub use cancel::{CancelReason, CancelToken};
pub use cancel_callbacks::CancelCallbacks;
pub use cancelled::Cancelled;
pub use claim::{Capabilities, Claim, ClaimStore, Claimed, GroupTurn, JobRuns, Settled, Settlement, Want};
pub use clock::{Clock, Wake};
pub use count::{CountBudget, CountProgress};
pub use current_run::RunScope;
pub use duration::{DurationError, IntoDuration, IntoDurationLimit};
pub use executor::{Completion, CompletionSink, Executor, LeftBehind, Refusal, Refused, Shutdown, WaitMode};
pub use fire_range::FireRange;
pub use group::{Group, GroupError};
pub use instants::{Preceding, TriggerExt, Upcoming, previous_by_search};
pub use job::{Job, JobCounts, JobState};
pub use job_order::{JobOrder, JobPosition};
pub use job_query::JobQuery;
pub use layer::{Layer, LayerFn, Layers, Next, layer_fn};
pub use limits::{Limits, ValueError};
pub use membership::{Heartbeat, Joined, Node, WakeUp};
pub use name::{ExecutorName, GroupName, JobId, NameError, StoreName, TaskName};
pub use panics::{drop_caught, text_of_panic};
pub use policy::{Coalesce, OnConflict, OnExhausted, OnInterrupt, Overlap, Policy};
pub use request::{RunReport, RunRequest};
pub use resources::is_out_of_resources;
pub use retry::{Backoff, Retry};
pub use run::{MissedReason, Outcome, OutcomeError, Run, RunId};
pub use run_ids::RunIds;
pub use run_log::{Progress, RunLog, RunNote};
pub use run_query::{RunOrder, RunQuery};
pub use served::Served;
pub use shared::{Member, SharedFacts, SharedStore};
pub use store::{JobStore, QuarantineKind, Quarantined, StoreError};
pub use tail::{LiveTail, Tail};
pub use task::{Task, TaskContext, TaskFuture, TaskOutput, TaskResult};
pub use task_error::{ArgumentsError, TaskError, error_chain};
pub use transition::Transition;
pub use trigger::{IntoTrigger, Trigger, round_up_to_microsecond};
pub use trigger_error::TriggerError;

/// A JSON value: how arguments, results and metadata are carried and saved.
pub use serde_json::Value;
