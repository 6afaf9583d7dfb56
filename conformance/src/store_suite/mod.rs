//! The suite of job stores: what each of them owes, as functions, and [`store_suite!`](crate::store_suite!) which makes a
//! test of each.
//!
//! A store's own tests need one line: `matins_conformance::store_suite!(Volatile(MyStore::new));`, or, for a store that
//! survives, its own [`StoreFactory`] in the place of [`Volatile`].

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    FireRange, Job, JobId, JobQuery, JobState, JobStore, MissedReason, Outcome, Policy, Run, RunId, RunQuery,
    TaskName,
};
use matins_triggers::IntervalTrigger;
use serde_json::json;

mod jobs;
mod ledger;
mod model;
mod values;

pub use jobs::*;
pub use ledger::*;
pub use model::*;
pub use values::*;

/// How the suite opens a store.
pub trait StoreFactory {
    /// Returns whether there is what the store needs, such as a server. If not, its tests are skipped; this says so in a line.
    fn is_available(&self) -> bool {
        true
    }

    /// A new, empty place for a store.
    fn create(&mut self) -> Box<dyn JobStore>;

    /// Closes the store and opens it again at the same place; `None` for a store that forgets when it closes.
    fn reopen(&mut self, store: Box<dyn JobStore>) -> Option<Box<dyn JobStore>>;

    /// Opens what the store has left where it is kept, as if its process had died now: without a word to it. The default
    /// closes it first; a store that writes something when it is closed should be given the harder test.
    fn crash(&mut self, store: Box<dyn JobStore>) -> Option<Box<dyn JobStore>> {
        self.reopen(store)
    }
}

/// The factory of a store that forgets when it closes.
#[derive(Debug)]
pub struct Volatile<F>(pub F);

impl<S: JobStore + 'static, F: FnMut() -> S> StoreFactory for Volatile<F> {
    fn create(&mut self) -> Box<dyn JobStore> {
        Box::new((self.0)())
    }

    fn reopen(&mut self, _store: Box<dyn JobStore>) -> Option<Box<dyn JobStore>> {
        None
    }
}

/// Makes a test of each function of the suite; the argument is an expression that makes a [`StoreFactory`].
#[macro_export]
macro_rules! store_suite {
    ($factory:expr) => {
        $crate::store_suite!(@tests $factory,
            a_job_comes_back_as_it_was_added,
            an_id_that_is_taken_is_refused_replaced_or_kept,
            an_import_is_whole_or_nothing,
            what_is_not_there_is_an_error,
            a_refusal_shows_each_of_its_causes_once,
            due_jobs_come_in_order_and_within_the_limit,
            a_paused_job_is_never_due,
            jobs_are_listed_as_asked,
            jobs_and_runs_are_counted_as_they_are_listed,
            pages_have_each_job_that_does_not_change_exactly_once,
            a_commit_applies_every_step,
            a_commit_updates_a_job,
            steps_about_one_row_apply_in_their_order,
            a_stale_commit_changes_nothing,
            a_run_number_is_never_used_twice,
            runs_outlive_their_job,
            runs_are_listed_as_asked,
            pruning_keeps_what_is_new_and_what_is_unfinished,
            random_operations_agree_with_a_plain_model,
            any_json_value_comes_back_exactly,
            a_value_that_nests_too_deep_is_refused_or_comes_back,
            a_key_that_json_readers_reserve_is_refused_or_comes_back,
            a_number_that_is_too_large_is_refused_or_comes_back
        );
    };
    (@tests $factory:expr, $($name:ident),*) => {
        $(
            #[test]
            fn $name() {
                let mut factory = $factory;
                if $crate::store_suite::StoreFactory::is_available(&factory) {
                    $crate::store_suite::$name(&mut factory);
                }
            }
        )*
    };
}

fn second(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).expect("an instant in range")
}

fn id(name: &str) -> JobId {
    JobId::new(name).expect("a job id")
}

/// A job that is next due at the given second of the suite's time.
pub fn job(name: &str, next_fire: Option<i64>) -> Job {
    let trigger = IntervalTrigger::new(second(0), TimeDelta::seconds(10)).expect("an interval");
    let task = TaskName::new("task").expect("a task name");
    let mut job = Job::new(id(name), task, Arc::new(trigger), next_fire.map(second), second(-5));
    job.arguments = json!({"to": "Ada", "n": [1, 2.5, null]});
    job.state = if next_fire.is_some() { JobState::Active } else { JobState::Paused };
    job.tags = ["nightly".to_owned()].into();
    job.metadata = [("owner".to_owned(), json!("Grace"))].into();
    job
}

/// The highest number of [`sample_runs`].
const SAMPLE_RUNS: u64 = 4;

/// Jobs by id that have something in each of their fields, for stores to keep from version to version. It must not change.
pub fn sample() -> Vec<Job> {
    let cron = matins_triggers::CronTrigger::parse("30 2 * * SUN", "Europe/Berlin").expect("a trigger");
    let mut nightly = job("nightly report", Some(100));
    nightly.trigger = Arc::new(cron);
    nightly.policy = Policy::default().with(|policy| {
        policy.misfire_grace = Some(std::time::Duration::from_millis(1500));
        policy.coalesce = matins_core::Coalesce::All;
        policy.overlap = matins_core::Overlap::Allow(3);
        policy.on_interrupt = matins_core::OnInterrupt::RunAgain;
        policy.on_exhausted = matins_core::OnExhausted::Keep;
    });
    nightly.executor = matins_core::ExecutorName::new("cpu").expect("a name");
    let mut plain = job("plain", Some(200));
    (plain.arguments, plain.tags, plain.metadata) = (json!(null), [].into(), [].into());
    vec![job("älteste 🕐", Some(7)), nightly, plain, job("paused", None)]
        .into_iter()
        .map(|job| (job.id.clone(), job))
        .collect::<std::collections::BTreeMap<_, _>>()
        .into_values()
        .collect()
}

/// Runs of each kind, by number, for the same purpose.
pub fn sample_runs() -> Vec<Run> {
    let range = FireRange { first: second(1), last: second(9), count: 5 };
    let failed = finished(&started(1, "plain", 1), Outcome::Failed, 3).with(|run| {
        run.message = Some("nein: \"zu spät\"\n".into());
        run.output = Some("line 1\nline 2".into());
        run.result = Some(json!({"rows": 3}));
        run.attempt = 2;
    });
    vec![
        failed,
        Run::missed(RunId(2), id("gone"), range, MissedReason::Coalesced, second(10)),
        started(3, "plain", 20),
        Run::waiting(RunId(SAMPLE_RUNS), id("plain"), second(30)),
    ]
}

/// A store that was filled with [`sample`] and [`sample_runs`] by whatever version holds them still.
pub fn holds_the_sample(store: &mut dyn JobStore) {
    assert_eq!(all_jobs(store), sample());
    assert_eq!(all_runs(store), sample_runs());
    assert_eq!(store.next_run_id().expect("next run id"), RunId(SAMPLE_RUNS + 1));
}

fn ids(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.id.as_str()).collect()
}

fn numbers(runs: &[Run]) -> Vec<u64> {
    runs.iter().map(|run| run.id.0).collect()
}

fn due(store: &mut dyn JobStore, now: DateTime<Utc>, limit: usize) -> Vec<Job> {
    store.due(now, limit).expect("due").into_iter().map(Arc::unwrap_or_clone).collect()
}

fn all_jobs(store: &mut dyn JobStore) -> Vec<Job> {
    store.list(&JobQuery::default()).expect("list")
}

fn all_runs(store: &mut dyn JobStore) -> Vec<Run> {
    store.runs(&RunQuery::default()).expect("runs")
}

/// Reopens a persistent store, and checks that it holds what it held.
fn reopened(factory: &mut dyn StoreFactory, mut store: Box<dyn JobStore>) -> Option<Box<dyn JobStore>> {
    let before = (all_jobs(&mut *store), all_runs(&mut *store), store.next_run_id().expect("next run id"));
    let persistent = store.is_persistent();
    let mut store = factory.reopen(store)?;
    assert!(persistent, "a store that can be reopened says that it is persistent");
    let after = (all_jobs(&mut *store), all_runs(&mut *store), store.next_run_id().expect("next run id"));
    assert_eq!(after, before, "a store holds after reopening what it held before");
    Some(store)
}
