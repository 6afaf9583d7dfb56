//! Jobs: added, found, listed, counted.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    AfterOutcome, Job, JobOrder, JobPosition, JobQuery, JobState, JobStore, OnConflict, Outcome, RunId,
    RunQuery, StoreError, TaskName, Transition,
};
use matins_triggers::AfterTrigger;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;

use super::ledger::{advance, finished, started};
use super::model::{Model, operation};
use super::{StoreFactory, all_jobs, all_runs, due, id, ids, job, reopened, second};
use crate::causes::causes;
use crate::proof;

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
    assert_eq!(due(&mut *store, second(1), 10), [], "the old due time is gone");
    assert_eq!(due(&mut *store, second(2), 10), [new]);
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

/// Whoever prints an error with its causes prints each of them once.
pub fn a_refusal_shows_each_of_its_causes_once(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    store.add(job("a", Some(1)), OnConflict::Refuse).expect("add");
    let nested = (0..200).fold(json!(null), |value, _| json!([value]));
    let refusals = [
        store.add(job("a", Some(2)), OnConflict::Refuse),
        store.update(job("b", None)),
        store.remove(&id("b")).map(drop),
        store.commit(vec![advance("a", Some(5), None)]),
        store.import(vec![], vec![started(1, "a", 1), started(1, "a", 2)], OnConflict::Refuse),
        // A store that can read it back may take it.
        store.add(job("deep", None).with(|job| job.arguments = nested), OnConflict::Refuse),
    ];
    for (number, refusal) in refusals.into_iter().enumerate() {
        match refusal {
            Err(error) => drop(causes(&error)),
            Ok(()) => assert_eq!(number, 5, "it is refused"),
        }
    }
}

/// By next fire time, then id.
pub fn due_jobs_come_in_order_and_within_the_limit(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    for (name, fire) in [("d", 2), ("b", 2), ("a", 3), ("c", 1), ("e", 9)] {
        store.add(job(name, Some(fire)), OnConflict::Refuse).expect("add");
    }
    assert_eq!(store.next_due().expect("next due"), Some(second(1)));
    assert_eq!(ids(&due(&mut *store, second(3), 10)), ["c", "b", "d", "a"]);
    assert_eq!(ids(&due(&mut *store, second(3), 2)), ["c", "b"]);
    assert_eq!(ids(&due(&mut *store, second(0), 10)), [""; 0]);
}

/// Without a next fire time there is nothing to be due.
pub fn a_paused_job_is_never_due(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    store.add(job("a", None), OnConflict::Refuse).expect("add");
    assert_eq!(store.next_due().expect("next due"), None);
    assert_eq!(due(&mut *store, DateTime::<Utc>::MAX_UTC, 10), []);
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
        if name == "a2" {
            job.trigger = Arc::new(AfterTrigger::new(id("never there"), AfterOutcome::Any));
        }
        store.add(job, OnConflict::Refuse).expect("add");
    }
    let mut list = |query: JobQuery| -> Vec<String> {
        store.list(&query).expect("list").iter().map(|job| job.id.to_string()).collect()
    };
    let default = JobQuery::default;
    assert_eq!(list(default()), ["a1", "a2", "a3", "b1"]);
    assert_eq!(list(default().order(JobOrder::NextFire)), ["a3", "b1", "a1", "a2"]);
    assert_eq!(list(default().id_prefix("a")), ["a1", "a2", "a3"]);
    assert_eq!(list(default().tag("nightly")), ["a1", "a2", "a3"]);
    assert_eq!(list(default().metadata_key("owner")), ["a1", "a2", "a3"]);
    assert_eq!(list(default().metadata_key("source file")), ["b1"]);
    assert_eq!(list(default().metadata_key("source")), [""; 0]);
    assert_eq!(list(default().task(TaskName::new("other").ok())), ["b1"]);
    assert_eq!(list(default().state(JobState::Paused)), ["a2"]);
    assert_eq!(list(default().due_before(second(3))), ["a3", "b1"]);
    assert_eq!(list(default().follows()), ["a2"]);
    let after =
        |name: &str, fire: Option<i64>| Some(JobPosition { id: id(name), next_fire: fire.map(second) });
    assert_eq!(list(default().after(after("a1", Some(3))).limit(2)), ["a2", "a3"]);
    assert_eq!(list(default().after(after("a20", None))), ["a3", "b1"], "there is no such job");
    let by_fire = || default().order(JobOrder::NextFire);
    assert_eq!(list(by_fire().after(after("b0", Some(2)))), ["b1", "a1", "a2"]);
    assert_eq!(list(by_fire().after(after("a1", Some(3)))), ["a2"]);
    assert_eq!(list(by_fire().after(after("a1", None))), ["a2"]);
    assert_eq!(list(by_fire().limit(0)), [""; 0]);
    let of_a = || default().id_prefix("a").limit(1);
    assert_eq!(list(of_a().after(after("a2", None))), ["a3"]);
    assert_eq!(list(of_a().after(after("A", None))), ["a1"]);
    assert_eq!(list(of_a().after(after("b", None))), [""; 0]);
}

/// Counts are those of the lists, whatever happened before.
pub fn jobs_and_runs_are_counted_as_they_are_listed(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    let compare = |store: &mut dyn JobStore| {
        let paused = JobQuery::default().state(JobState::Paused);
        let of_a = JobQuery::default().id_prefix("a").limit(1);
        for query in [JobQuery::default(), paused, of_a] {
            let listed = store.list(&query.clone().limit(None)).expect("list").len();
            assert_eq!(store.count(&query).expect("count"), listed, "{query:?}");
        }
        let unfinished = RunQuery::default().unfinished();
        let of_b = RunQuery::of_job(&id("b")).limit(1);
        for query in [RunQuery::default(), unfinished, of_b] {
            let listed = store.runs(&query.clone().limit(None)).expect("runs").len();
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
    let mut batch: Vec<Transition> = runs.map(|run| Transition::Record(run.into())).into();
    batch.extend([Transition::End { job: id("c") }, Transition::End { job: id("never there") }]);
    store.commit(batch).expect("commit");
    compare(&mut *store);
    store.commit(vec![Transition::PruneBefore { before: second(9) }]).expect("prune");
    compare(&mut *store);
    assert!(store.commit(vec![Transition::End { job: id("a") }, advance("b", Some(9), None)]).is_err());
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
            let mut query = JobQuery::default().order(order).limit(limit);
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
