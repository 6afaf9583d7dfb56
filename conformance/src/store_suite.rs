//! The suite of job stores: what each of them owes, as functions, and [`store_suite!`](crate::store_suite!) which makes a
//! test of each.
//!
//! A store's own tests need one line: `matins_conformance::store_suite!(Volatile(MyStore::new));`, or, for a store that
//! survives, its own [`StoreFactory`] in the place of [`Volatile`].

use std::sync::Arc;

use crate::proof;
use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    Job, JobId, JobOrder, JobPosition, JobQuery, JobState, JobStore, MissedReason, OnConflict, Outcome,
    Policy, Run, RunId, RunOrder, RunQuery, StoreError, Stretch, TaskName, Transition, Trigger,
};
use matins_triggers::IntervalTrigger;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;

/// How the suite opens a store.
pub trait StoreFactory {
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
            due_jobs_come_in_order_and_within_the_limit,
            a_paused_job_is_never_due,
            jobs_are_listed_as_asked,
            jobs_and_runs_are_counted_as_they_are_listed,
            pages_have_each_job_that_does_not_change_exactly_once,
            a_commit_applies_every_step,
            a_stale_commit_changes_nothing,
            a_run_number_is_never_used_twice,
            runs_outlive_their_job,
            runs_are_listed_as_asked,
            pruning_keeps_what_is_new_and_what_is_unfinished,
            random_operations_agree_with_a_plain_model
        );
    };
    (@tests $factory:expr, $($name:ident),*) => {
        $(
            #[test]
            fn $name() {
                $crate::store_suite::$name(&mut $factory);
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
    Job {
        id: id(name),
        task: TaskName::new("task").expect("a task name"),
        arguments: json!({"to": "Ada", "n": [1, 2.5, null]}),
        trigger: Arc::new(trigger) as Arc<dyn Trigger>,
        next_fire: next_fire.map(second),
        state: if next_fire.is_some() { JobState::Active } else { JobState::Paused },
        executor: matins_core::ExecutorName::default(),
        policy: Policy::default(),
        tags: ["nightly".to_owned()].into(),
        metadata: [("owner".to_owned(), json!("Grace"))].into(),
        created: second(-5),
    }
}

/// The highest number of [`sample_runs`].
const SAMPLE_RUNS: u64 = 4;

/// Jobs by id that have something in each of their fields, for stores to keep from version to version. It must not change.
pub fn sample() -> Vec<Job> {
    let cron = matins_triggers::CronTrigger::parse("30 2 * * SUN", "Europe/Berlin").expect("a trigger");
    let mut nightly = job("nightly report", Some(100));
    nightly.trigger = Arc::new(cron);
    nightly.policy = Policy {
        misfire_grace: Some(std::time::Duration::from_millis(1500)),
        coalesce: matins_core::Coalesce::All,
        overlap: matins_core::Overlap::Allow(3),
        on_interrupt: matins_core::OnInterrupt::RunAgain,
        on_exhausted: matins_core::OnExhausted::Keep,
        ..Policy::default()
    };
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
    let stretch = Stretch { first: second(1), last: second(9), count: 5 };
    let failed = Run {
        message: Some("nein: \"zu spät\"\n".into()),
        output: Some("line 1\nline 2".into()),
        result: Some(json!({"rows": 3})),
        attempt: 2,
        ..finished(&started(1, "plain", 1), Outcome::Failed, 3)
    };
    vec![
        failed,
        Run::missed(RunId(2), id("gone"), stretch, MissedReason::Coalesced, second(10)),
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

/// Every field survives.
pub fn a_job_comes_back_as_it_was_added(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    let mut added = job("näme with ünicode 🕐", Some(7));
    added.next_fire = added.next_fire.map(|fire| fire + TimeDelta::microseconds(123_456));
    store.add(added.clone(), OnConflict::Refuse).expect("add");
    assert_eq!(store.get(&added.id).expect("get"), Some(added.clone()));
    if let Some(mut store) = reopened(factory, store) {
        assert_eq!(store.get(&added.id).expect("get"), Some(added));
    }
}

/// The three policies of conflict.
pub fn an_id_that_is_taken_is_refused_replaced_or_kept(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    let (old, new) = (job("a", Some(1)), job("a", Some(2)));
    store.add(old.clone(), OnConflict::Refuse).expect("add");
    let refused = store.add(new.clone(), OnConflict::Refuse);
    assert!(matches!(refused, Err(StoreError::Conflict { id }) if id == "a"));
    store.add(new.clone(), OnConflict::Keep).expect("keep");
    assert_eq!(all_jobs(&mut *store), [old]);
    store.add(new.clone(), OnConflict::Replace).expect("replace");
    assert_eq!(all_jobs(&mut *store), std::slice::from_ref(&new));
    assert_eq!(store.due(second(1), 10).expect("due"), [], "the old due time is gone");
    assert_eq!(store.due(second(2), 10).expect("due"), [new]);
}

/// Jobs and runs together, in the order given.
pub fn an_import_is_whole_or_nothing(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    let run = started(7, "a", 1);
    let jobs = || vec![job("a", Some(1)), job("b", None)];
    store.import(jobs(), vec![run.clone()], OnConflict::Refuse).expect("import");
    assert_eq!(all_jobs(&mut *store), jobs());
    assert_eq!(all_runs(&mut *store), std::slice::from_ref(&run));
    assert_eq!(store.next_run_id().expect("next run id"), RunId(8));

    let before = (all_jobs(&mut *store), all_runs(&mut *store));
    let taken = store.import(vec![job("c", Some(3)), job("b", Some(3))], vec![], OnConflict::Refuse);
    assert!(matches!(taken, Err(StoreError::Conflict { id }) if id == "b"));
    let twice = store.import(vec![job("c", Some(3)), job("c", Some(3))], vec![], OnConflict::Refuse);
    assert!(matches!(twice, Err(StoreError::Conflict { id }) if id == "c"));
    let numbered = store.import(vec![job("c", Some(3))], vec![started(8, "c", 1), run], OnConflict::Replace);
    assert!(matches!(numbered, Err(StoreError::RunExists { run: RunId(7) })));
    let numbered_twice =
        store.import(vec![job("c", Some(3))], vec![started(8, "c", 1), started(8, "c", 2)], OnConflict::Keep);
    assert!(matches!(numbered_twice, Err(StoreError::RunExists { run: RunId(8) })));
    assert_eq!((all_jobs(&mut *store), all_runs(&mut *store)), before);
    assert_eq!(store.next_due().expect("next due"), Some(second(1)));

    let new = vec![job("b", Some(4)), job("c", Some(5)), job("c", Some(6))];
    store.import(new.clone(), vec![], OnConflict::Keep).expect("keep");
    assert_eq!(all_jobs(&mut *store), [job("a", Some(1)), job("b", None), job("c", Some(5))]);
    store.import(new, vec![], OnConflict::Replace).expect("replace");
    assert_eq!(all_jobs(&mut *store), [job("a", Some(1)), job("b", Some(4)), job("c", Some(6))]);
    reopened(factory, store);
}

/// Updating and removing.
pub fn what_is_not_there_is_an_error(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    assert!(matches!(store.update(job("a", Some(1))), Err(StoreError::NotFound { .. })));
    assert!(matches!(store.remove(&id("a")), Err(StoreError::NotFound { .. })));
    assert_eq!(store.get(&id("a")).expect("get"), None);
    assert_eq!(store.next_due().expect("next due"), None);
    store.add(job("a", Some(1)), OnConflict::Refuse).expect("add");
    store.update(job("a", Some(3))).expect("update");
    assert_eq!(store.next_due().expect("next due"), Some(second(3)));
    assert_eq!(store.remove(&id("a")).expect("remove"), job("a", Some(3)));
    assert_eq!(store.next_due().expect("next due"), None);
}

/// By next fire time, then id.
pub fn due_jobs_come_in_order_and_within_the_limit(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    for (name, fire) in [("d", 2), ("b", 2), ("a", 3), ("c", 1), ("e", 9)] {
        store.add(job(name, Some(fire)), OnConflict::Refuse).expect("add");
    }
    assert_eq!(store.next_due().expect("next due"), Some(second(1)));
    assert_eq!(ids(&store.due(second(3), 10).expect("due")), ["c", "b", "d", "a"]);
    assert_eq!(ids(&store.due(second(3), 2).expect("due")), ["c", "b"]);
    assert_eq!(ids(&store.due(second(0), 10).expect("due")), [""; 0]);
}

/// Without a next fire time there is nothing to be due.
pub fn a_paused_job_is_never_due(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    store.add(job("a", None), OnConflict::Refuse).expect("add");
    assert_eq!(store.next_due().expect("next due"), None);
    assert_eq!(store.due(DateTime::<Utc>::MAX_UTC, 10).expect("due"), []);
}

/// Conditions, orders, pages.
pub fn jobs_are_listed_as_asked(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    for (name, fire) in [("b1", Some(2)), ("a1", Some(3)), ("a2", None), ("a3", Some(1))] {
        let mut job = job(name, fire);
        if name == "b1" {
            job.tags.clear();
            job.metadata = [("source file".to_owned(), json!(null))].into();
            job.task = TaskName::new("other").expect("a task name");
        }
        store.add(job, OnConflict::Refuse).expect("add");
    }
    let mut list = |query: JobQuery| -> Vec<String> {
        store.list(&query).expect("list").iter().map(|job| job.id.to_string()).collect()
    };
    let default = JobQuery::default;
    assert_eq!(list(default()), ["a1", "a2", "a3", "b1"]);
    assert_eq!(list(JobQuery { order: JobOrder::NextFire, ..default() }), ["a3", "b1", "a1", "a2"]);
    assert_eq!(list(JobQuery { id_prefix: Some("a".into()), ..default() }), ["a1", "a2", "a3"]);
    assert_eq!(list(JobQuery { tag: Some("nightly".into()), ..default() }), ["a1", "a2", "a3"]);
    assert_eq!(list(JobQuery { metadata_key: Some("owner".into()), ..default() }), ["a1", "a2", "a3"]);
    assert_eq!(list(JobQuery { metadata_key: Some("source file".into()), ..default() }), ["b1"]);
    assert_eq!(list(JobQuery { metadata_key: Some("source".into()), ..default() }), [""; 0]);
    assert_eq!(list(JobQuery { task: TaskName::new("other").ok(), ..default() }), ["b1"]);
    assert_eq!(list(JobQuery { state: Some(JobState::Paused), ..default() }), ["a2"]);
    assert_eq!(list(JobQuery { due_before: Some(second(3)), ..default() }), ["a3", "b1"]);
    let after =
        |name: &str, fire: Option<i64>| Some(JobPosition { id: id(name), next_fire: fire.map(second) });
    assert_eq!(list(JobQuery { after: after("a1", Some(3)), limit: Some(2), ..default() }), ["a2", "a3"]);
    assert_eq!(
        list(JobQuery { after: after("a20", None), ..default() }),
        ["a3", "b1"],
        "there is no such job"
    );
    let by_fire = || JobQuery { order: JobOrder::NextFire, ..default() };
    assert_eq!(list(JobQuery { after: after("b0", Some(2)), ..by_fire() }), ["b1", "a1", "a2"]);
    assert_eq!(list(JobQuery { after: after("a1", Some(3)), ..by_fire() }), ["a2"]);
    assert_eq!(list(JobQuery { after: after("a1", None), ..by_fire() }), ["a2"]);
    assert_eq!(list(JobQuery { limit: Some(0), ..by_fire() }), [""; 0]);
    let of_a = || JobQuery { id_prefix: Some("a".into()), limit: Some(1), ..default() };
    assert_eq!(list(JobQuery { after: after("a2", None), ..of_a() }), ["a3"]);
    assert_eq!(list(JobQuery { after: after("A", None), ..of_a() }), ["a1"]);
    assert_eq!(list(JobQuery { after: after("b", None), ..of_a() }), [""; 0]);
}

/// Counts are those of the lists, whatever happened before.
pub fn jobs_and_runs_are_counted_as_they_are_listed(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    let compare = |store: &mut dyn JobStore| {
        let paused = JobQuery { state: Some(JobState::Paused), ..JobQuery::default() };
        let of_a = JobQuery { id_prefix: Some("a".into()), limit: Some(1), ..JobQuery::default() };
        for query in [JobQuery::default(), paused, of_a] {
            let listed = store.list(&JobQuery { limit: None, ..query.clone() }).expect("list").len();
            assert_eq!(store.count(&query).expect("count"), listed, "{query:?}");
        }
        let unfinished = RunQuery { unfinished: true, ..RunQuery::default() };
        let of_b = RunQuery { limit: Some(1), ..RunQuery::of_job(&id("b")) };
        for query in [RunQuery::default(), unfinished, of_b] {
            let listed = store.runs(&RunQuery { limit: None, ..query.clone() }).expect("runs").len();
            assert_eq!(store.count_runs(&query).expect("count runs"), listed, "{query:?}");
        }
    };
    compare(&mut *store);
    for (name, fire) in [("a", Some(1)), ("a2", None), ("b", Some(2)), ("c", Some(3)), ("d", None)] {
        store.add(job(name, fire), OnConflict::Refuse).expect("add");
        compare(&mut *store);
    }
    assert_eq!(store.count(&JobQuery::default()).expect("count"), 5);
    let keep = store.import(vec![job("a", None), job("e", None)], vec![], OnConflict::Keep);
    keep.expect("import");
    compare(&mut *store);
    store.update(job("b", None)).expect("update");
    store.remove(&id("d")).expect("remove");
    compare(&mut *store);
    let runs = [started(1, "a", 1), started(2, "b", 1), finished(&started(3, "b", 1), Outcome::Succeeded, 2)];
    let mut batch: Vec<Transition> = runs.map(Transition::Record).into();
    batch.extend([Transition::End { job: id("c") }, Transition::End { job: id("never there") }]);
    store.commit(&batch).expect("commit");
    compare(&mut *store);
    store.commit(&[Transition::PruneBefore { before: second(9) }]).expect("prune");
    compare(&mut *store);
    assert!(store.commit(&[Transition::End { job: id("a") }, advance("b", Some(9), None)]).is_err());
    assert_eq!(store.count(&JobQuery::default()).expect("count"), 4);
    compare(&mut *store);
    if let Some(mut store) = reopened(factory, store) {
        compare(&mut *store);
    }
}

/// In either order, while jobs are added, removed and moved on between the pages.
pub fn pages_have_each_job_that_does_not_change_exactly_once(factory: &mut dyn StoreFactory) {
    let factory = std::cell::RefCell::new(factory);
    let jobs = vec((0_u8..40, prop::option::weighted(0.8, 0_i64..6)), 0..30);
    let by_fire = any::<bool>();
    TestRunner::new(proof::config(48))
        .run(&(jobs, by_fire, 1_usize..5, vec(operation(), 0..20)), |(jobs, by_fire, limit, operations)| {
            let mut store = factory.borrow_mut().create();
            let mut unchanged = std::collections::BTreeMap::new();
            for (number, fire) in jobs {
                let job = job(&format!("still {number}"), fire);
                store.add(job.clone(), OnConflict::Replace).expect("add");
                unchanged.insert(job.id.clone(), job);
            }
            let order = if by_fire { JobOrder::NextFire } else { JobOrder::Id };
            let mut query = JobQuery { order, limit: Some(limit), ..JobQuery::default() };
            let (mut model, mut operations) = (Model::default(), operations.into_iter());
            let mut found: Vec<Job> = Vec::new();
            loop {
                let page = store.list(&query).expect("list");
                let Some(last) = page.last() else { break };
                assert!(page.len() <= limit);
                query.after = Some(JobPosition::of(last));
                found.extend(page.into_iter().filter(|job| unchanged.contains_key(&job.id)));
                if let Some(operation) = operations.next() {
                    model.apply(&operation, &mut *store);
                }
            }
            let places = |job: &Job| (job.next_fire, job.id.clone());
            let is_less = |pair: &[Job]| {
                let ((a, id_a), (b, id_b)) = (places(&pair[0]), places(&pair[1]));
                order.compare((a, &id_a), (b, &id_b)).is_lt()
            };
            assert!(found.windows(2).all(is_less), "in order, and none twice");
            found.sort_by(|a, b| a.id.cmp(&b.id));
            assert_eq!(found, unchanged.into_values().collect::<Vec<_>>());
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

fn advance(name: &str, from: Option<i64>, to: Option<i64>) -> Transition {
    Transition::Advance { job: id(name), from: from.map(second), to: to.map(second) }
}

fn started(number: u64, name: &str, scheduled: i64) -> Run {
    Run::started(RunId(number), id(name), second(scheduled), second(scheduled))
}

fn finished(run: &Run, outcome: Outcome, at: i64) -> Run {
    Run { finished: Some(second(at)), outcome: Some(outcome), ..run.clone() }
}

/// A tick, and what follows it.
pub fn a_commit_applies_every_step(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    store.add(job("a", Some(1)), OnConflict::Refuse).expect("add");
    store.add(job("b", Some(1)), OnConflict::Refuse).expect("add");
    let run = started(1, "a", 1);
    let waiting = Run { attempt: 2, by_hand: true, ..Run::waiting(RunId(2), id("b"), second(1)) };
    let stretch = Stretch { first: second(1), last: second(5), count: 5 };
    let missed = Run::missed(RunId(3), id("b"), stretch, MissedReason::Coalesced, second(6));
    store
        .commit(&[
            advance("a", Some(1), Some(10)),
            Transition::Record(run.clone()),
            advance("b", Some(1), None),
            Transition::Record(waiting.clone()),
            Transition::Record(missed.clone()),
        ])
        .expect("commit");
    assert_eq!(all_runs(&mut *store), [run.clone(), waiting.clone(), missed.clone()]);
    assert_eq!(store.next_due().expect("next due"), Some(second(10)));
    let unfinished = RunQuery { unfinished: true, ..RunQuery::default() };
    assert_eq!(numbers(&store.runs(&unfinished).expect("runs")), [1, 2]);

    // A run that could not begin waits, with the reason, and is started once more.
    let postponed = Run { started: None, message: Some("no process is left".into()), ..run.clone() };
    store.commit(&[Transition::Finish(postponed.clone())]).expect("commit");
    assert_eq!(all_runs(&mut *store)[0], postponed);
    assert_eq!(numbers(&store.runs(&unfinished).expect("runs")), [1, 2]);
    store.commit(&[Transition::Finish(run.clone())]).expect("commit");
    assert_eq!(all_runs(&mut *store), [run.clone(), waiting.clone(), missed.clone()]);

    let done = Run {
        started: Some(second(2)),
        message: Some("nein: \"zu spät\"\n".into()),
        output: Some("line 1\nline 2".into()),
        result: Some(json!({"rows": 3})),
        ..finished(&run, Outcome::Failed, 8)
    };
    let longer = Stretch { last: second(7), count: 7, ..stretch };
    store
        .commit(&[
            Transition::Finish(done.clone()),
            Transition::Start { run: RunId(2), started: Some(second(8)), scheduled: second(6) },
            Transition::Extend { run: RunId(3), fires: longer },
            Transition::End { job: id("b") },
            Transition::End { job: id("never there") },
        ])
        .expect("commit");
    let waited = Run { started: Some(second(8)), fires: Stretch::single(second(6)), ..waiting };
    let expected = [done, waited, Run { fires: longer, ..missed }];
    assert_eq!(all_runs(&mut *store), expected);
    assert_eq!(ids(&all_jobs(&mut *store)), ["a"]);
    if let Some(mut store) = reopened(factory, store) {
        assert_eq!(numbers(&store.runs(&unfinished).expect("runs")), [2]);
    }
}

/// Whatever stands before and after the stale step in its batch.
pub fn a_stale_commit_changes_nothing(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    store.add(job("a", Some(1)), OnConflict::Refuse).expect("add");
    store.add(job("b", Some(2)), OnConflict::Refuse).expect("add");
    store.commit(&[Transition::Record(started(1, "a", 0))]).expect("commit");
    let before = (all_jobs(&mut *store), all_runs(&mut *store));
    let stale = store.commit(&[
        advance("a", Some(1), Some(11)),
        Transition::Record(started(2, "a", 1)),
        advance("b", Some(1), Some(12)),
        Transition::End { job: id("a") },
    ]);
    assert!(matches!(&stale, Err(StoreError::Stale { id, .. }) if *id == "b"), "{stale:?}");
    assert_eq!((all_jobs(&mut *store), all_runs(&mut *store)), before);
    let gone = store.commit(&[Transition::Record(started(2, "a", 1)), advance("c", Some(1), None)]);
    assert!(matches!(gone, Err(StoreError::NotFound { .. })), "{gone:?}");
    let taken = store.commit(&[advance("a", Some(1), Some(11)), Transition::Record(started(1, "a", 1))]);
    assert!(matches!(taken, Err(StoreError::RunExists { run: RunId(1) })), "{taken:?}");
    assert_eq!((all_jobs(&mut *store), all_runs(&mut *store)), before);
    // Within a batch, a job is where the step before left it.
    store.commit(&[advance("a", Some(1), Some(11)), advance("a", Some(11), Some(21))]).expect("commit");
    assert_eq!(store.get(&id("a")).expect("get").and_then(|job| job.next_fire), Some(second(21)));
}

/// Also after the newest run was pruned, and after reopening.
pub fn a_run_number_is_never_used_twice(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    assert_eq!(store.next_run_id().expect("next run id"), RunId::FIRST);
    let run = finished(&started(41, "a", 1), Outcome::Succeeded, 2);
    store.commit(&[Transition::Record(run)]).expect("commit");
    assert_eq!(store.next_run_id().expect("next run id"), RunId(42));
    store.commit(&[Transition::PruneBefore { before: second(100) }]).expect("commit");
    assert_eq!(store.next_run_id().expect("next run id"), RunId(42));
    if let Some(mut store) = reopened(factory, store) {
        assert_eq!(store.next_run_id().expect("next run id"), RunId(42));
    }
}

/// Removed, ended, replaced.
pub fn runs_outlive_their_job(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    for name in ["a", "b", "c"] {
        store.add(job(name, Some(1)), OnConflict::Refuse).expect("add");
    }
    let runs = [started(1, "a", 1), started(2, "b", 1), started(3, "c", 1)];
    store.commit(&runs.clone().map(Transition::Record)).expect("commit");
    store.remove(&id("a")).expect("remove");
    store.commit(&[Transition::End { job: id("b") }]).expect("commit");
    store.add(job("c", Some(5)), OnConflict::Replace).expect("replace");
    assert_eq!(all_runs(&mut *store), runs);
}

/// Conditions, orders, pages.
pub fn runs_are_listed_as_asked(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    let runs = [
        finished(&started(1, "a", 1), Outcome::Succeeded, 2),
        finished(&started(2, "b", 2), Outcome::Failed, 3),
        started(3, "a", 3),
        finished(&started(4, "a", 4), Outcome::Missed(MissedReason::Overlap), 4),
    ];
    store.commit(&runs.map(Transition::Record)).expect("commit");
    let mut list = |query: RunQuery| numbers(&store.runs(&query).expect("runs"));
    let default = RunQuery::default;
    assert_eq!(list(RunQuery::of_job(&id("a"))), [1, 3, 4]);
    assert_eq!(list(RunQuery { outcome: Some(Outcome::Failed), ..default() }), [2]);
    assert_eq!(list(RunQuery { outcome: Some(Outcome::Missed(MissedReason::Overlap)), ..default() }), [4]);
    assert_eq!(list(RunQuery { unfinished: true, ..default() }), [3]);
    assert_eq!(list(RunQuery { since: Some(second(2)), until: Some(second(4)), ..default() }), [2, 3]);
    assert_eq!(list(RunQuery { order: RunOrder::NewestFirst, limit: Some(2), ..default() }), [4, 3]);
    assert_eq!(list(RunQuery { after: Some(RunId(2)), ..default() }), [3, 4]);
    assert_eq!(list(RunQuery { after: Some(RunId(3)), order: RunOrder::NewestFirst, ..default() }), [2, 1]);
}

/// By number and by age.
pub fn pruning_keeps_what_is_new_and_what_is_unfinished(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    let done = |number: u64, name: &str| {
        finished(&started(number, name, number as i64), Outcome::Succeeded, number as i64)
    };
    let runs = [started(1, "a", 1), done(2, "a"), done(3, "b"), done(4, "a"), done(5, "a"), done(6, "a")];
    store.commit(&runs.map(Transition::Record)).expect("commit");
    store.commit(&[Transition::PruneJob { job: id("a"), keep: 2 }]).expect("prune");
    assert_eq!(numbers(&all_runs(&mut *store)), [1, 3, 5, 6]);
    store.commit(&[Transition::PruneBefore { before: second(6) }]).expect("prune");
    assert_eq!(numbers(&all_runs(&mut *store)), [1, 6]);
}

/// The plainest store that can be: lists that are searched from end to end.
#[derive(Debug, Default)]
struct Model {
    jobs: Vec<Job>,
    runs: Vec<Run>,
}

#[derive(Debug, Clone)]
enum Operation {
    Add(u8, Option<i64>, OnConflict),
    Update(u8, Option<i64>),
    Remove(u8),
    /// Moves a job on, from where it is or from where it is not, and records a run.
    Tick {
        job: u8,
        stale: bool,
        to: Option<i64>,
    },
    Finish(u64),
    Prune(u8, u32),
    Reopen,
    Crash,
}

fn operation() -> impl Strategy<Value = Operation> {
    let name = 0_u8..6;
    let fire = prop::option::weighted(0.8, 0_i64..20);
    let conflict = prop_oneof![Just(OnConflict::Refuse), Just(OnConflict::Replace), Just(OnConflict::Keep)];
    prop_oneof![
        4 => (name.clone(), fire.clone(), conflict).prop_map(|(name, fire, conflict)| Operation::Add(name, fire, conflict)),
        2 => (name.clone(), fire.clone()).prop_map(|(name, fire)| Operation::Update(name, fire)),
        1 => name.clone().prop_map(Operation::Remove),
        6 => (name.clone(), prop::bool::weighted(0.1), fire).prop_map(|(job, stale, to)| Operation::Tick { job, stale, to }),
        3 => (1_u64..20).prop_map(Operation::Finish),
        1 => (name, 0_u32..4).prop_map(|(name, keep)| Operation::Prune(name, keep)),
        1 => Just(Operation::Reopen),
        1 => Just(Operation::Crash),
    ]
}

impl Model {
    fn position(&self, name: &JobId) -> Option<usize> {
        self.jobs.iter().position(|job| job.id == *name)
    }

    fn due(&self) -> Vec<Job> {
        let mut due: Vec<Job> = self.jobs.iter().filter(|job| job.next_fire.is_some()).cloned().collect();
        due.sort_by_key(|job| (job.next_fire, job.id.clone()));
        due
    }

    /// Does the operation here and there; both must agree on whether it went well.
    fn apply(&mut self, operation: &Operation, store: &mut dyn JobStore) {
        match operation {
            Operation::Add(name, fire, on_conflict) => {
                let job = job(&format!("job {name}"), *fire);
                let added = store.add(job.clone(), *on_conflict);
                match (self.position(&job.id), on_conflict) {
                    (None, _) => self.jobs.push(job),
                    (Some(at), OnConflict::Replace) => self.jobs[at] = job,
                    (Some(_), OnConflict::Keep) => {}
                    _ => return assert!(added.is_err()),
                }
                added.expect("add");
            }
            Operation::Update(name, fire) => {
                let job = job(&format!("job {name}"), *fire);
                let updated = store.update(job.clone());
                match self.position(&job.id) {
                    Some(at) => self.jobs[at] = job,
                    None => return assert!(updated.is_err()),
                }
                updated.expect("update");
            }
            Operation::Remove(name) => {
                let id = id(&format!("job {name}"));
                let removed = store.remove(&id);
                match self.position(&id) {
                    Some(at) => assert_eq!(removed.expect("remove"), self.jobs.remove(at)),
                    None => assert!(removed.is_err()),
                }
            }
            Operation::Tick { job: name, stale, to } => {
                let id = id(&format!("job {name}"));
                let position = self.position(&id);
                let from = position.and_then(|at| self.jobs[at].next_fire);
                let named = if *stale { Some(second(-1)) } else { from };
                let run =
                    Run::started(store.next_run_id().expect("next run id"), id.clone(), second(0), second(1));
                let to = to.map(second);
                let batch =
                    [Transition::Record(run.clone()), Transition::Advance { job: id, from: named, to }];
                let committed = store.commit(&batch);
                match position {
                    Some(at) if named == from => {
                        self.jobs[at].next_fire = to;
                        self.runs.push(run);
                        committed.expect("commit");
                    }
                    _ => assert!(committed.is_err()),
                }
            }
            Operation::Finish(number) => {
                let Some(run) = self.runs.iter_mut().find(|run| run.id.0 == *number) else { return };
                *run = finished(run, Outcome::Succeeded, 3);
                store.commit(&[Transition::Finish(run.clone())]).expect("commit");
            }
            Operation::Prune(name, keep) => {
                let job = id(&format!("job {name}"));
                let newest: Vec<RunId> = self
                    .runs
                    .iter()
                    .rev()
                    .filter(|run| run.job == job)
                    .take(*keep as usize)
                    .map(|run| run.id)
                    .collect();
                self.runs.retain(|run| run.job != job || run.outcome.is_none() || newest.contains(&run.id));
                store.commit(&[Transition::PruneJob { job, keep: *keep }]).expect("prune");
            }
            Operation::Reopen | Operation::Crash => {}
        }
    }

    fn compare(&mut self, store: &mut dyn JobStore) {
        self.jobs.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(all_jobs(store), self.jobs);
        assert_eq!(all_runs(store), self.runs);
        assert_eq!(store.due(DateTime::<Utc>::MAX_UTC, 100).expect("due"), self.due());
        assert_eq!(store.next_due().expect("next due"), self.due().first().and_then(|job| job.next_fire));
    }
}

/// Random operations, reopenings and crashes, compared with a plain model after each; see [`proof`].
pub fn random_operations_agree_with_a_plain_model(factory: &mut dyn StoreFactory) {
    let factory = std::cell::RefCell::new(factory);
    TestRunner::new(proof::config(64))
        .run(&vec(operation(), 1..40), |operations| {
            let mut factory = factory.borrow_mut();
            let mut store = factory.create();
            let mut model = Model::default();
            for operation in operations {
                match operation {
                    Operation::Reopen if store.is_persistent() => {
                        store = factory.reopen(store).expect("a persistent store reopens");
                    }
                    Operation::Crash if store.is_persistent() => {
                        store = factory.crash(store).expect("a persistent store opens after a crash");
                    }
                    _ => model.apply(&operation, &mut *store),
                }
                model.compare(&mut *store);
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
