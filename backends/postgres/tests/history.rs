//! A server that has less than it has acknowledged: another one has taken its place, or it was restored from a copy.

mod database;

use std::time::Duration;

use database::Database;
use matins_core::{ClaimStore, ExecutorName, Node, OnConflict, Served, StoreError, TaskName, Want};
use matins_store_postgres::PostgresStore;

fn joined(database: &Database) -> (PostgresStore, u64) {
    let mut store = PostgresStore::open(&database.url).expect("a store");
    let joined = store.join(&Node::new("test", Duration::from_secs(60))).expect("a member");
    assert!(!joined.has_lost_history);
    (store, joined.member)
}

fn comes_back_with_higher_numbers(database: &Database, store: &mut PostgresStore) {
    let now = database.now();
    assert!(matches!(store.claim(&Want::at(now).limit(10)), Err(StoreError::Fenced)));
    assert!(matches!(store.heartbeat(), Err(StoreError::Fenced)));
    assert!(matches!(store.held(), Err(StoreError::Fenced)));
    let joined = store.join(&Node::new("test", Duration::from_secs(60))).expect("a member");
    assert!(joined.has_lost_history);
    assert_eq!(database.query("SELECT generation FROM {s}.meta")[0].get::<_, i64>(0), 2);
    let task = TaskName::new("task").expect("a name");
    store.serve(&Served::new([task], [ExecutorName::default()])).expect("taken note of");
    let job = matins_conformance::store_suite::job("a", Some(1));
    store.import(vec![job.clone()], Vec::new(), OnConflict::Refuse).expect("added");
    let claim = store.claim(&Want::at(now).jobs(std::slice::from_ref(&job.id))).expect("a claim");
    assert!(claim.first_run.0 > 1_000_000, "{:?}", claim.first_run);
    store.release();
    // Told once.
    let again = store.join(&Node::new("test", Duration::from_secs(60))).expect("a member");
    assert!(!again.has_lost_history);
}

#[test]
fn a_member_whose_renewals_are_gone_is_fenced_and_comes_back() {
    let Some(database) = Database::new("renewals") else { return };
    let (mut store, number) = joined(&database);
    for _ in 0..3 {
        store.heartbeat().expect("renewed");
    }
    database.query(&format!("UPDATE {{s}}.nodes SET beat = 2 WHERE id = {number}"));
    comes_back_with_higher_numbers(&database, &mut store);
}

#[test]
fn a_member_who_is_gone_is_fenced_and_comes_back() {
    let Some(database) = Database::new("members") else { return };
    let (mut store, number) = joined(&database);
    database.query(&format!("DELETE FROM {{s}}.nodes WHERE id = {number}"));
    comes_back_with_higher_numbers(&database, &mut store);
}

/// One that others declared dead has lost nothing.
#[test]
fn a_member_that_was_declared_dead_has_lost_no_history() {
    let Some(database) = Database::new("declared") else { return };
    let (mut store, number) = joined(&database);
    store.heartbeat().expect("renewed");
    database.query(&format!("UPDATE {{s}}.nodes SET state = 'dead' WHERE id = {number}"));
    assert!(matches!(store.heartbeat(), Err(StoreError::Fenced)));
    let joined = store.join(&Node::new("test", Duration::from_secs(60))).expect("a member");
    assert!(!joined.has_lost_history);
}
