//! Values: any that JSON has comes back exactly, and one that could not be read back is refused.

use std::cell::RefCell;

use matins_core::json::STORED_DEPTH;
use matins_core::{
    FireRange, Job, JobStore, Limits, OnConflict, Outcome, Run, RunId, StoreError, Transition, Value,
};
use proptest::collection::{btree_set, vec};
use proptest::test_runner::TestRunner;
use serde_json::json;

use super::ledger::{finished, started};
use super::{StoreFactory, all_jobs, all_runs, id, job, second};
use crate::proof;
use crate::strategies::{json_value, text};

/// Of a job's arguments and metadata, and of a run's result; messages, output and tags may be any text. Numbers are the same to
/// the last bit.
pub fn any_json_value_comes_back_exactly(factory: &mut dyn StoreFactory) {
    let factory = RefCell::new(factory);
    let values = (vec(json_value(), 1..12), vec(text(), 0..4), btree_set(text(), 0..4));
    TestRunner::new(proof::config(48))
        .run(&values, |(values, texts, tags)| {
            let mut store = factory.borrow_mut().create();
            let jobs = (0..).zip(&values).map(|(number, value)| {
                job(&format!("job {number:02}"), Some(number)).with(|job| {
                    job.arguments = value.clone();
                    job.metadata = texts.iter().map(|key| (key.clone(), value.clone())).collect();
                    job.tags.clone_from(&tags);
                })
            });
            let jobs: Vec<Job> = jobs.collect();
            let runs = (1..).zip(&values).map(|(number, value)| {
                finished(&started(number, "a", 1), Outcome::Succeeded, 2).with(|run| {
                    run.result = Some(value.clone());
                    run.message = texts.first().cloned();
                    run.output = texts.last().cloned();
                })
            });
            let runs: Vec<Run> = runs.collect();
            // A half each: in an import, and in the steps of a commit.
            let (imported, recorded) = runs.split_at(runs.len() / 2);
            store.import(jobs.clone(), imported.to_vec(), OnConflict::Refuse).expect("import");
            let begun = recorded.iter().map(|run| Transition::Record(started(run.id.0, "a", 1).into()));
            let ended = recorded.iter().map(|run| Transition::Finish(run.clone().into()));
            store.commit(begun.chain(ended).collect()).expect("commit");
            let check = |store: &mut dyn JobStore| {
                let (found_jobs, found_runs) = (all_jobs(store), all_runs(store));
                assert_eq!((&found_jobs, &found_runs), (&jobs, &runs));
                for (job, value) in found_jobs.iter().zip(&values) {
                    same(&job.arguments, value);
                    job.metadata.values().for_each(|metadata| same(metadata, value));
                }
                found_runs.iter().zip(&values).for_each(|(run, value)| {
                    same(run.result.as_ref().expect("a result"), value);
                });
            };
            check(&mut *store);
            if let Some(mut store) = factory.borrow_mut().crash(store) {
                check(&mut *store);
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

/// Values that are equal may differ in the sign of a zero; their text does not hide it.
fn same(found: &Value, expected: &Value) {
    assert_eq!(found.to_string(), expected.to_string());
}

/// Any depth, in each place; within the default limits, it is accepted.
pub fn a_value_that_nests_too_deep_is_refused_or_comes_back(factory: &mut dyn StoreFactory) {
    let nested = |levels: usize| {
        (0..levels)
            .fold(json!(1.5), |value, level| if level % 2 == 0 { json!([value]) } else { json!({"": value}) })
    };
    let depth = Limits::DEFAULT.depth;
    for levels in [1, depth, depth + 1, STORED_DEPTH - 1, STORED_DEPTH, STORED_DEPTH + 1, 126, 127, 128, 200]
    {
        let is_within_limits = levels <= depth;
        check_value(factory, &nested(levels), is_within_limits);
        // A trigger in a trigger in a trigger: what it is saved as nests as well.
        let mut many = job("a", Some(1));
        for _ in 0..levels / 3 {
            let any = matins_triggers::AnyTrigger::new([many.trigger]).expect("a trigger");
            many.trigger = std::sync::Arc::new(any);
        }
        check_job(factory, many, false);
    }
}

/// Keys that serde's JSON reader takes for something of its own.
pub fn a_key_that_json_readers_reserve_is_refused_or_comes_back(factory: &mut dyn StoreFactory) {
    for key in ["$serde_json::private::RawValue", "$serde_json::private::Number"] {
        for value in [json!("[1]"), json!("1"), json!(2), json!("no JSON")] {
            check_value(factory, &json!([{ key: value }]), false);
        }
        check_value(factory, &json!([key, {"key": key, "quoted": format!("\"{key}\":")}]), true);
    }
}

/// The largest number of a run leaves room for the next one, and a ledger that was refused is as before.
pub fn a_number_that_is_too_large_is_refused_or_comes_back(factory: &mut dyn StoreFactory) {
    for number in [i64::MAX as u64 - 1, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        check_run(factory, &started(number, "a", 1), false);
        let fires = FireRange { first: second(1), last: second(9), count: number };
        check_run(factory, &started(1, "a", 1).with(|run| run.fires = fires), false);
        let attempt = u32::try_from(number).unwrap_or(u32::MAX);
        check_run(factory, &started(1, "a", 1).with(|run| run.attempt = attempt), true);
    }
}

fn check_value(factory: &mut dyn StoreFactory, value: &Value, must_be_accepted: bool) {
    let plain = || job("a", Some(1));
    check_job(factory, plain().with(|job| job.arguments = value.clone()), must_be_accepted);
    let metadata = [("key".to_owned(), value.clone())].into();
    check_job(factory, plain().with(|job| job.metadata = metadata), must_be_accepted);
    check_run(factory, &started(1, "a", 1).with(|run| run.result = Some(value.clone())), must_be_accepted);
}

fn check_job(factory: &mut dyn StoreFactory, job: Job, must_be_accepted: bool) {
    let add = |store: &mut dyn JobStore| store.add(job.clone(), OnConflict::Replace);
    let import = |store: &mut dyn JobStore| {
        let others = vec![super::job("0", None), job.clone(), super::job("b", None)];
        store.import(others, Vec::new(), OnConflict::Replace)
    };
    let update = |store: &mut dyn JobStore| store.update(job.clone());
    check(factory, &add, must_be_accepted);
    check(factory, &import, must_be_accepted);
    check(factory, &update, must_be_accepted);
}

fn check_run(factory: &mut dyn StoreFactory, run: &Run, must_be_accepted: bool) {
    let import =
        |store: &mut dyn JobStore| store.import(vec![job("b", None)], vec![run.clone()], OnConflict::Replace);
    let record = |store: &mut dyn JobStore| {
        store.commit(vec![Transition::End { job: id("a") }, Transition::Record(run.clone().into())])
    };
    let finish = |store: &mut dyn JobStore| {
        store.commit(vec![
            Transition::Record(run.clone().with(|run| run.result = None).into()),
            Transition::Finish(run.clone().into()),
        ])
    };
    check(factory, &import, must_be_accepted);
    check(factory, &record, must_be_accepted);
    check(factory, &finish, must_be_accepted);
}

/// A change is either refused and changes nothing, or is there after the store was opened again.
fn check(
    factory: &mut dyn StoreFactory,
    change: &dyn Fn(&mut dyn JobStore) -> Result<(), StoreError>,
    must_be_accepted: bool,
) {
    let mut store = factory.create();
    store.add(job("a", Some(1)), OnConflict::Refuse).expect("add");
    let before = (all_jobs(&mut *store), all_runs(&mut *store));
    match change(&mut *store) {
        Ok(()) => {}
        Err(StoreError::Value(_)) if !must_be_accepted => {
            assert_eq!(
                (all_jobs(&mut *store), all_runs(&mut *store)),
                before,
                "a refused change changes nothing"
            );
        }
        Err(error) => panic!("{error}"),
    }
    // It works on.
    let next = store.next_run_id().expect("next run id");
    let newest = all_runs(&mut *store).last().map_or(RunId(0), |run| run.id);
    assert!(next > newest, "{next} comes after {newest}");
    store.add(job("later", Some(2)), OnConflict::Refuse).expect("add");
    let held = (all_jobs(&mut *store), all_runs(&mut *store));
    if let Some(mut store) = factory.crash(store) {
        assert_eq!((all_jobs(&mut *store), all_runs(&mut *store)), held);
        assert_eq!(store.quarantined(), [], "all can be read");
    }
}
