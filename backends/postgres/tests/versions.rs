//! Schedulers of different versions on one database. The other version is what a test writes into the tables.

mod database;

use std::time::Duration;

use database::Database;
use matins_core::{ClaimStore, Node, StoreError, error_chain};
use matins_store_postgres::PostgresStore;

fn node() -> Node {
    Node::new("test", Duration::from_secs(60))
}

/// A member of this version.
fn member(database: &Database) -> (PostgresStore, u64) {
    let url = format!("{}&label=rack-3", database.url);
    let mut store = PostgresStore::open(url).expect("a store");
    let member = store.join(&node()).expect("a member").member;
    (store, member)
}

/// A later version may add what this one ignores.
#[test]
fn tables_with_more_in_them_are_shared() {
    let Some(database) = Database::new("newer") else { return };
    let (mut this, _) = member(&database);
    database.query("UPDATE {s}.meta SET format = format + 1");
    let (mut other, newer) = member(&database);
    database.query(&format!("UPDATE {{s}}.nodes SET format = format + 1 WHERE id = {newer}"));
    assert!(this.heartbeat().is_ok() && other.heartbeat().is_ok());
    database.expire(newer);
    assert!(PostgresStore::open(&database.url).is_ok());
}

#[test]
fn a_scheduler_that_is_too_old_is_told_to_be_upgraded() {
    let Some(database) = Database::new("older") else { return };
    let (mut store, number) = member(&database);
    database.query("UPDATE {s}.meta SET format = 99, min_format = 99");
    let refused = PostgresStore::open(&database.url).unwrap_err();
    assert!(matches!(refused, StoreError::TooNew { found: 99, known: 1, .. }), "{refused:?}");
    let shown = error_chain(&refused);
    assert!(shown.contains("has format 99") && shown.contains("use a newer program"), "{shown}");
    // Nor does one that was running come back.
    database.expire(number);
    database.query(&format!("UPDATE {{s}}.nodes SET state = 'dead' WHERE id = {number}"));
    assert!(matches!(store.heartbeat(), Err(StoreError::Fenced)));
    assert!(matches!(store.join(&node()), Err(StoreError::TooNew { .. })));
}

/// Tables are not changed under a scheduler that could not use them any more.
#[test]
fn an_upgrade_waits_for_schedulers_that_are_too_old_and_names_them() {
    let Some(database) = Database::new("upgrade") else { return };
    let (mut old, number) = member(&database);
    database.query("UPDATE {s}.meta SET min_format = 0");
    database.query("UPDATE {s}.nodes SET format = 0, version = '0.0.9'");
    let refused = PostgresStore::open(&database.url).unwrap_err();
    let shown = error_chain(&refused);
    assert!(shown.contains("rack-3 (Matins 0.0.9)") && shown.contains("upgrade or stop"), "{shown}");
    assert_eq!(
        database.query("SELECT min_format FROM {s}.meta")[0].get::<_, i32>(0),
        0,
        "nothing was changed"
    );
    assert!(old.heartbeat().is_ok());
    database.expire(number);
    drop(PostgresStore::open(&database.url).expect("the old one has stopped"));
    assert_eq!(database.query("SELECT min_format FROM {s}.meta")[0].get::<_, i32>(0), 1);
}
