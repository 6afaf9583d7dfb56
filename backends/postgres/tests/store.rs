//! What the store keeps, lists and quarantines, on a real server.

mod database;

use std::time::Duration;

use chrono::TimeDelta;
use database::Database;
use matins_conformance::store_suite::job;
use matins_core::{
    ClaimStore, ExecutorName, JobId, JobOrder, JobPosition, JobQuery, JobState, Node, OnConflict, Outcome,
    Run, RunId, RunOrder, RunQuery, Served, Settlement, StoreError, TaskName, Transition, Want,
};
use matins_store_postgres::PostgresStore;
use matins_store_query::{JobQueryExt, RunQueryExt};
use serde_json::json;

fn store(database: &Database) -> PostgresStore {
    let mut store = PostgresStore::open(&database.url).expect("a store");
    store.join(&Node::new("test", Duration::from_secs(60))).expect("a member");
    let task = TaskName::new("task").expect("a name");
    store.serve(&Served::new([task], [ExecutorName::default()])).expect("taken note of");
    store
}

fn settle(store: &mut PostgresStore, batch: Vec<Transition>) {
    store.settle(Settlement { batch, ..Settlement::default() }).expect("settled");
}

/// A job comes back exactly, whatever JSON it holds; texts of runs too.
#[test]
fn values_come_back_exactly() {
    let Some(database) = Database::new("values") else { return };
    let mut store = store(&database);
    let mut exact = job("exact \u{1F550} \u{fffd}", Some(100));
    exact.arguments = json!({
        "float": 0.1, "large": 1e300, "small": -5e-324, "negative zero": -0.0, "whole": 2.0,
        "nul": "a\0b", "escapes": "\"\\\u{1a}\u{7f}", "big": u64::MAX, "nested": [[[null, true]]]
    });
    store.import(vec![exact.clone()], Vec::new(), OnConflict::Refuse).expect("added");
    let read = store.get(&exact.id).expect("read").expect("the job");
    assert_eq!(read, exact);
    let negative_zero = read.arguments["negative zero"].as_f64().expect("a number");
    assert!(negative_zero.is_sign_negative());

    let now = database.now();
    let claim = store.claim(&Want::at(now).jobs(std::slice::from_ref(&exact.id))).expect("a claim");
    let run = Run::started(claim.first_run, exact.id.clone(), now, now);
    settle(&mut store, vec![Transition::Record(run.clone().into())]);
    store.claim(&Want::at(now).ended(std::slice::from_ref(&exact.id))).expect("a claim");
    let ended = run.with(|run| {
        run.finished = Some(now + TimeDelta::seconds(1));
        run.outcome = Some(Outcome::Failed);
        run.message = Some("died: \0\u{1a}@ \u{1F4A5}".to_owned());
        run.output = Some("\0".repeat(3));
        run.result = Some(json!({"rows": [1.0, -0.0, "\0"]}));
    });
    settle(&mut store, vec![Transition::Finish(ended.clone().into())]);
    assert_eq!(store.runs(&RunQuery::default()).expect("read"), [ended]);
}

#[test]
fn jobs_are_listed_and_counted_as_asked() {
    let Some(database) = Database::new("lists") else { return };
    let mut store = store(&database);
    let mut jobs: Vec<_> =
        (0..25).map(|n| job(&format!("a%_\\{n:02}"), (n % 5 > 0).then_some(n % 7))).collect();
    jobs.extend((0..5).map(|n| job(&format!("b{n}"), Some(n)).with(|job| job.tags.clear())));
    jobs[3].metadata = [("key".to_owned(), json!(1))].into();
    jobs[4].task = TaskName::new("other").expect("a name");
    store.import(jobs.clone(), Vec::new(), OnConflict::Refuse).expect("added");
    let queries = [
        JobQuery::default(),
        JobQuery::default().id_prefix("a%_\\0"),
        JobQuery::default().id_prefix("b"),
        JobQuery::default().task(TaskName::new("other").expect("a name")),
        JobQuery::default().tag("nightly"),
        JobQuery::default().metadata_key("key"),
        JobQuery::default().state(JobState::Paused),
        JobQuery::default().due_before(jobs[1].next_fire),
        JobQuery::default().follows(),
    ];
    for query in queries {
        for order in [JobOrder::Id, JobOrder::NextFire] {
            let query = query.clone().order(order);
            assert_eq!(store.list(&query).expect("read"), query.select(jobs.clone()), "{query:?}");
            assert_eq!(store.count(&query).expect("counted"), query.select(jobs.clone()).len(), "{query:?}");
            let (mut pages, mut page) = (Vec::new(), query.clone().limit(4));
            loop {
                let part = store.list(&page).expect("read");
                let Some(last) = part.last() else { break };
                page = page.after(JobPosition::of(last));
                pages.extend(part);
            }
            assert_eq!(pages, query.select(jobs.clone()), "in pages: {query:?}");
        }
    }
}

#[test]
fn runs_are_listed_and_counted_as_asked() {
    let Some(database) = Database::new("runs") else { return };
    let mut store = store(&database);
    let (one, other) = (job("one", Some(1)), job("other", Some(2)));
    store.import(vec![one.clone(), other.clone()], Vec::new(), OnConflict::Refuse).expect("added");
    let now = database.now();
    let ids = [one.id.clone(), other.id.clone()];
    let claim = store.claim(&Want::at(now).jobs(&ids)).expect("a claim");
    let first = claim.first_run.0;
    let row = |number: u64, id: &JobId| {
        Run::started(RunId(first + number), id.clone(), now - TimeDelta::hours(9 - number as i64), now)
    };
    let rows: Vec<Run> = (0..8).map(|n| row(n, &ids[n as usize % 2])).collect();
    settle(&mut store, rows.iter().cloned().map(|run| Transition::Record(run.into())).collect());
    store.claim(&Want::at(now).jobs(&ids)).expect("a claim");
    let mut all = rows.clone();
    for run in all.iter_mut().take(5) {
        (run.finished, run.outcome) = (Some(now), Some(Outcome::Succeeded));
    }
    all[2].outcome = Some(Outcome::Failed);
    settle(&mut store, all.iter().take(5).cloned().map(|run| Transition::Finish(run.into())).collect());
    let queries = [
        RunQuery::default(),
        RunQuery::of_job(&one.id),
        RunQuery::default().outcome(Outcome::Failed),
        RunQuery::default().unfinished(),
        RunQuery::default().since(rows[2].scheduled()).until(rows[6].scheduled()),
        RunQuery::default().after(RunId(first + 3)),
    ];
    for query in queries {
        for order in [RunOrder::OldestFirst, RunOrder::NewestFirst] {
            for limit in [None, Some(2)] {
                let query = query.clone().order(order).limit(limit);
                let mut expected: Vec<Run> = all.iter().filter(|run| query.matches(run)).cloned().collect();
                if order == RunOrder::NewestFirst {
                    expected.reverse();
                }
                let whole = query.clone().after(None);
                let count = all.iter().filter(|run| whole.matches(run)).count();
                expected.truncate(limit.unwrap_or(usize::MAX));
                assert_eq!(store.runs(&query).expect("read"), expected, "{query:?}");
                assert_eq!(store.count_runs(&query).expect("counted"), count, "{query:?}");
            }
        }
    }
    let prune = vec![Transition::PruneJob { job: one.id.clone(), keep: 1 }];
    settle(&mut store, prune);
    let kept = store.runs(&RunQuery::of_job(&one.id)).expect("read");
    assert!(kept.iter().filter(|run| run.outcome.is_some()).count() <= 1, "{kept:?}");
    assert_eq!(kept.iter().filter(|run| run.outcome.is_none()).count(), 1, "unfinished rows stay");
    settle(&mut store, vec![Transition::PruneBefore { before: now + TimeDelta::days(1) }]);
    let left = store.runs(&RunQuery::default()).expect("read");
    assert!(left.iter().all(|run| run.outcome.is_none()) && left.len() == 3, "{left:?}");
}

/// One job that cannot be read holds up no other, and comes back once it was corrected.
#[test]
fn a_job_that_cannot_be_read_is_quarantined() {
    let Some(database) = Database::new("quarantined") else { return };
    let mut store = store(&database);
    let (bad, good) = (job("bad", Some(1)), job("good", Some(2)));
    store.import(vec![bad.clone(), good.clone()], Vec::new(), OnConflict::Refuse).expect("added");
    database.query(
        "UPDATE {s}.jobs SET body = '{\"task\": 7}', version = nextval('{s}.versions') WHERE id = 'bad'",
    );
    database.query("UPDATE {s}.due d SET version = j.version FROM {s}.jobs j WHERE j.key = d.key");
    let now = database.now();
    for _ in 0..3 {
        let claim = store.claim(&Want::at(now).limit(10).starts().takes_over()).expect("a claim");
        assert_eq!(claim.jobs.iter().map(|job| &job.id).collect::<Vec<_>>(), [&good.id]);
        store.release();
    }
    assert_eq!(store.list(&JobQuery::default()).expect("read"), [good]);
    let [quarantined] = store.quarantined() else { panic!("one is quarantined: {:?}", store.quarantined()) };
    assert_eq!(quarantined.id, "bad");
    assert!(matches!(store.get(&bad.id), Err(StoreError::Damaged { .. })));
    let named = store.claim(&Want::at(now).jobs(std::slice::from_ref(&bad.id)));
    assert!(matches!(named, Err(StoreError::Damaged { .. })), "{named:?}");
    store.import(vec![bad.clone()], Vec::new(), OnConflict::Replace).expect("replaced");
    assert!(store.quarantined().is_empty());
    assert_eq!(store.claim(&Want::at(now).limit(10)).expect("a claim").due, 2);
}

#[test]
fn an_id_that_is_taken_is_refused_replaced_or_kept() {
    let Some(database) = Database::new("taken") else { return };
    let mut store = store(&database);
    let (old, new) = (job("a", Some(1)), job("a", Some(2)));
    store.import(vec![old.clone()], Vec::new(), OnConflict::Refuse).expect("added");
    let refused = store.import(vec![job("b", Some(1)), new.clone()], Vec::new(), OnConflict::Refuse);
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    assert_eq!(store.count(&JobQuery::default()).expect("counted"), 1, "all or nothing");
    let twice = store.import(vec![job("c", Some(1)), job("c", Some(2))], Vec::new(), OnConflict::Refuse);
    assert!(matches!(twice, Err(StoreError::Conflict { .. })), "{twice:?}");
    store.import(vec![new.clone()], Vec::new(), OnConflict::Keep).expect("kept");
    assert_eq!(store.get(&old.id).expect("read"), Some(old.clone()));
    store.import(vec![new.clone()], Vec::new(), OnConflict::Replace).expect("replaced");
    assert_eq!(store.get(&old.id).expect("read"), Some(new));
}

/// Numbers of runs follow each other: those that a claim has taken and not used are given back.
#[test]
fn numbers_have_no_gaps_where_nobody_else_takes_any() {
    let Some(database) = Database::new("numbers") else { return };
    let mut store = store(&database);
    store.import(vec![job("a", Some(1))], Vec::new(), OnConflict::Refuse).expect("added");
    let id = JobId::new("a").expect("a name");
    for expected in 1..4 {
        let now = database.now();
        store.claim(&Want::at(now).limit(10)).expect("a claim");
        store.release();
        let claim = store.claim(&Want::at(now).jobs(std::slice::from_ref(&id))).expect("a claim");
        assert_eq!(claim.first_run, RunId(expected));
        settle(
            &mut store,
            vec![Transition::Record(Run::started(claim.first_run, id.clone(), now, now).into())],
        );
    }
}

#[test]
fn tables_of_a_later_version_are_refused_if_they_cannot_be_used() {
    let Some(database) = Database::new("formats") else { return };
    drop(store(&database));
    database.query("UPDATE {s}.meta SET format = 99");
    drop(store(&database));
    database.query("UPDATE {s}.meta SET min_format = 99");
    let refused = PostgresStore::open(&database.url);
    assert!(matches!(refused, Err(StoreError::TooNew { found: 99, .. })), "{refused:?}");
}

#[test]
fn a_database_that_is_not_there_is_an_error_that_says_where() {
    let error = PostgresStore::open("postgres://ada:secret@127.0.0.1:1/jobs?connect_timeout=1").unwrap_err();
    let shown = matins_core::error_chain(&error);
    assert!(
        shown.contains("connecting to postgres://ada@127.0.0.1:1/jobs") && !shown.contains("secret"),
        "{shown}"
    );
}
