//! Files that are owned, foreign, damaged or new: one clear error each, and nothing changed.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_conformance::store_suite::{job, sample_runs};
use matins_core::{Job, JobQuery, JobStore, OnConflict, QuarantineKind, RunQuery, StoreError, Transition};
use matins_store_sqlite::SqliteStore;
use rusqlite::Connection;
use tempfile::tempdir;

fn due(store: &mut SqliteStore, limit: usize) -> Vec<Job> {
    store.due(DateTime::<Utc>::MAX_UTC, limit).unwrap().into_iter().map(Arc::unwrap_or_clone).collect()
}

fn files_in(directory: &Path) -> Vec<String> {
    let names =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn a_second_owner_is_refused_by_name_and_welcome_once_the_first_is_gone() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let first = SqliteStore::open(&path).unwrap();
    let Err(StoreError::Owned { owner, .. }) = SqliteStore::open(&path) else { panic!("a second owner") };
    assert!(owner.contains(&format!("process {} ", std::process::id())), "{owner}");
    drop(first);
    SqliteStore::open(&path).unwrap();
}

#[test]
fn a_file_is_checked_beside_its_owner() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    assert!(SqliteStore::check_file(&path).is_err(), "it is not there");
    assert!(!path.exists(), "and is not made");
    let mut owner = SqliteStore::open(&path).unwrap();
    for number in 0..500 {
        owner.add(job(&format!("job-{number}"), None), OnConflict::Refuse).unwrap();
    }
    SqliteStore::check_file(&path).unwrap();
    drop(owner);
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    // A page of a table in the middle, its head overwritten.
    let at = whole.len() / 2 / 4096 * 4096;
    damaged[at..at + 64].fill(0xff);
    fs::write(&path, damaged).unwrap();
    let error = SqliteStore::check_file(&path).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    fs::write(&path, "name,when\nbackup,daily\n").unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("not a SQLite database"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "name,when\nbackup,daily\n");
    assert_eq!(files_in(directory.path()), ["jobs.db"]);
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE jobs (name TEXT)").unwrap();
    let before = fs::read(&path).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_truncated_database_is_refused() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    drop(SqliteStore::open(&path).unwrap());
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn a_file_of_a_later_format_is_refused() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    drop(SqliteStore::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::TooNew { found: 99, .. }), "{error}");
}

#[test]
fn a_row_edited_into_nonsense_is_quarantined_and_stands_in_no_others_way() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let mut store = SqliteStore::open(&path).unwrap();
    for (name, fire) in [("first", 1), ("report", 2), ("third", 3)] {
        store.add(job(name, Some(fire)), OnConflict::Refuse).unwrap();
    }
    let reader = Connection::open(&path).unwrap();
    for nonsense in ["'nonsense'", "'{}'", "json_set(body, '$.trigger.type', 'lunar')", "x'ff'"] {
        let edit = format!("UPDATE jobs SET body = CAST({nonsense} AS TEXT) WHERE id = 'report'");
        reader.execute(&edit, []).unwrap();
        drop(store);
        store = SqliteStore::open(&path).unwrap();
        let readable = due(&mut store, 2);
        assert_eq!(readable, [job("first", Some(1)), job("third", Some(3))], "{nonsense}");
        assert_eq!(store.list(&JobQuery::default()).unwrap(), readable);
        let [quarantined] = store.quarantined() else { panic!("{nonsense}: {:?}", store.quarantined()) };
        assert_eq!(quarantined.id, "report");
        assert!(quarantined.place.contains("table jobs"), "{quarantined}");
        let error = store.get(&job("report", None).id).unwrap_err().to_string();
        assert!(error.contains("id \"report\"") && error.contains("sqlite3"), "{error}");
        // The others go on, and a new job in its place takes it back.
        let step = |name: &str, fire| Transition::Advance {
            job: job(name, None).id,
            from: job(name, Some(fire)).next_fire,
            to: job(name, Some(fire)).next_fire,
        };
        store.commit(vec![step("first", 1), step("third", 3)]).unwrap();
        assert_eq!(store.next_due().unwrap(), job("first", Some(1)).next_fire);
        store.add(job("report", Some(2)), OnConflict::Replace).unwrap();
        assert!(store.quarantined().is_empty());
        assert_eq!(due(&mut store, 9).len(), 3);
    }
}

#[test]
fn a_file_that_is_deleted_or_replaced_underneath_is_an_error_and_no_loss() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let quarantined = directory.path().join("quarantined.db");
    let mut store = SqliteStore::open(&path).unwrap();
    store.add(job("report", Some(1)), OnConflict::Refuse).unwrap();
    fs::rename(&path, &quarantined).unwrap();
    let error = store.add(job("lost", Some(1)), OnConflict::Refuse).unwrap_err().to_string();
    assert!(error.contains("jobs.db is damaged: the file that was opened is not there any more"), "{error}");
    fs::write(&path, "another").unwrap();
    let error = store.add(job("lost", Some(1)), OnConflict::Refuse).unwrap_err().to_string();
    assert!(error.contains("another file was put in its place"), "{error}");
    fs::rename(&quarantined, &path).unwrap();
    store.add(job("kept", Some(1)), OnConflict::Refuse).unwrap();
    drop(store);
    let mut store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.list(&JobQuery::default()).unwrap().len(), 2);
}

#[test]
fn a_person_who_holds_the_write_lock_delays_a_commit_and_loses_none() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let person = Connection::open(&path).unwrap();
    person.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (asked, asking) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        asked.send(()).unwrap();
        store.add(job("report", Some(1)), OnConflict::Refuse).map(|()| store)
    });
    asking.recv().unwrap();
    person.execute_batch("COMMIT").unwrap();
    let mut store = writer.join().unwrap().unwrap();
    assert_eq!(store.list(&JobQuery::default()).unwrap().len(), 1);
}

#[test]
fn what_a_person_edits_is_seen_at_the_next_look() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let mut report = job("report", Some(1));
    store.add(report.clone(), OnConflict::Refuse).unwrap();
    for arguments in ["one", "two"] {
        assert_eq!(due(&mut store, 9), std::slice::from_ref(&report));
        report.arguments = arguments.into();
        let edit = "UPDATE jobs SET body = json_set(body, '$.arguments', ?1)";
        Connection::open(&path).unwrap().execute(edit, [arguments]).unwrap();
        assert_eq!(due(&mut store, 9), std::slice::from_ref(&report));
    }
}

#[test]
fn a_person_can_read_it_while_it_is_open() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let mut store = SqliteStore::open(&path).unwrap();
    store.add(job("report", Some(1)), OnConflict::Refuse).unwrap();
    let reader = Connection::open(&path).unwrap();
    let row: (String, String) = reader
        .query_row("SELECT next_fire_utc, state FROM jobs_readable", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(row, ("2023-11-14 22:13:21.000000".to_owned(), "active".to_owned()));
    reader.query_row("SELECT count(*) FROM runs_readable", [], |row| row.get::<_, i64>(0)).unwrap();
}

/// Links, FIFOs and directories under the names that SQLite opens beside its file: none is opened, and nothing waits for one.
#[test]
fn what_was_placed_under_the_names_of_companions_is_refused() {
    for ending in ["-owner", "-wal", "-shm", "-journal"] {
        for kind in ["link", "fifo", "directory"] {
            let directory = tempdir().unwrap();
            let (victim, name) = (directory.path().join("victim"), format!("jobs.db{ending}"));
            let path = directory.path().join(&name);
            fs::write(&victim, "precious").unwrap();
            match kind {
                "link" => std::os::unix::fs::symlink(&victim, &path).unwrap(),
                "fifo" => {
                    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
                }
                _ => fs::create_dir(&path).unwrap(),
            }
            let error = SqliteStore::open(directory.path().join("jobs.db")).unwrap_err();
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains(&name), "{kind}: {error}: {source}");
            assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        }
    }
}

/// Reported: arguments or a result nested 200 deep were accepted. Then the job was damaged, and `runs()` failed for the whole
/// ledger.
#[test]
fn a_file_that_was_written_before_there_were_limits_is_read_except_for_jobs_that_nest_too_deep() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let rows = sample_runs();
    store.import(vec![job("deep", Some(1)), job("flat", Some(2))], rows.clone(), OnConflict::Refuse).unwrap();
    let person = Connection::open(&path).unwrap();
    for levels in [127, 200, 100_000] {
        let deep = format!("{}1.5{}", "[".repeat(levels), "]".repeat(levels));
        let body: String =
            person.query_row("SELECT body FROM jobs WHERE id = 'flat'", [], |row| row.get(0)).unwrap();
        let body = body.replacen("\"arguments\":", &format!("\"arguments\":{deep},\"was\":"), 1);
        person.execute("UPDATE jobs SET body = ?1 WHERE id = 'deep'", [body]).unwrap();
        person.execute("UPDATE runs SET result = ?1 WHERE id = 1", [&deep]).unwrap();
        drop(store);
        store = SqliteStore::open(&path).unwrap();
        assert_eq!(store.list(&JobQuery::default()).unwrap(), [job("flat", Some(2))]);
        let said = store.quarantined()[0].to_string();
        assert!(said.contains(" levels deep, and 120 can be read"), "{said}");
        let read = store.runs(&RunQuery::default()).unwrap();
        assert_eq!(read[1..], rows[1..]);
        let mut result = read[0].result.as_ref().unwrap();
        let mut depth = 0;
        while let Some(inner) = result.get(0) {
            (result, depth) = (inner, depth + 1);
        }
        let text = result.as_str().map_or_else(|| result.to_string(), str::to_owned);
        assert_eq!(
            (text.len(), text.contains("1.5")),
            (2 * (levels - depth) + 3, true),
            "the rest is there as text"
        );
        // What was read can be written.
        let finish = Transition::Finish(read[0].clone().into());
        store.commit(vec![finish]).unwrap();
        assert_eq!(store.runs(&RunQuery::default()).unwrap(), read);
    }
    person.execute("UPDATE runs SET result = 'no JSON at all' WHERE id = 1", []).unwrap();
    let result = store.runs(&RunQuery::default()).unwrap().remove(0).result;
    assert_eq!(result, Some("no JSON at all".into()));
}

/// Reported: one unfinished row that could not be read stopped its whole store.
#[test]
fn a_row_of_the_ledger_edited_into_nonsense_is_quarantined() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let rows = sample_runs();
    store.import(vec![job("plain", Some(1))], rows.clone(), OnConflict::Refuse).unwrap();
    let unfinished = RunQuery::default().unfinished();
    assert_eq!(store.runs(&unfinished).unwrap(), rows[2..]);
    let person = Connection::open(&path).unwrap();
    let edits = [
        "job = ' no name '",
        "first_fire = -9223372036854775808",
        "last_fire = 9223372036854775807",
        "fires = -1",
        "attempt = 5000000000",
        "started = 9223372036854775807",
        "outcome = 'skipped by a later version'",
        "finished = -9223372036854775808, outcome = 'failed'",
    ];
    for edit in edits {
        person.execute(&format!("UPDATE runs SET {edit} WHERE id = 3"), []).unwrap();
        for _ in 0..2 {
            assert_eq!(store.runs(&unfinished).unwrap(), rows[3..], "{edit}");
            let others = [&rows[..2], &rows[3..]].concat();
            assert_eq!(store.runs(&RunQuery::default()).unwrap(), others, "{edit}");
            assert_eq!(store.count_runs(&RunQuery::default()).unwrap(), 3, "{edit}");
            let [quarantined] = store.quarantined() else { panic!("{edit}: {:?}", store.quarantined()) };
            assert_eq!((quarantined.kind, quarantined.id.as_str()), (QuarantineKind::Run, "3"));
            assert!(
                quarantined.to_string().contains("run 3 is quarantined: ")
                    && quarantined.place.contains("table runs")
            );
            // A job that is replaced does not take it back.
            store.add(job("plain", Some(1)), OnConflict::Replace).unwrap();
        }
        person.execute("DELETE FROM runs WHERE id = 3", []).unwrap();
        store.commit(vec![Transition::PruneJob { job: rows[0].job.clone(), keep: 9 }]).unwrap();
        assert_eq!(store.quarantined(), [], "it is not there any more");
        store.commit(vec![Transition::Record(rows[2].clone().into())]).unwrap();
        assert_eq!(store.runs(&RunQuery::default()).unwrap(), rows);
    }
    // A row that somebody repairs is read like any other.
    person.execute("UPDATE runs SET fires = -1 WHERE id = 3", []).unwrap();
    assert_eq!(store.runs(&unfinished).unwrap(), rows[3..]);
    person.execute("UPDATE runs SET fires = 1 WHERE id = 3", []).unwrap();
    assert_eq!(store.runs(&unfinished).unwrap(), rows[2..]);
    assert_eq!(store.quarantined(), []);
}

#[test]
fn a_next_fire_time_beyond_all_years_sets_its_job_aside() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let mut store = SqliteStore::open(&path).unwrap();
    let person = Connection::open(&path).unwrap();
    for time in [i64::MIN, i64::MAX] {
        for is_read_before in [false, true] {
            store.add(job("odd", Some(1)), OnConflict::Replace).unwrap();
            if is_read_before {
                due(&mut store, 9);
            }
            person.execute("UPDATE jobs SET next_fire = ?1 WHERE id = 'odd'", [time]).unwrap();
            assert_eq!(due(&mut store, 9), []);
            assert_eq!(store.next_due().unwrap(), None, "{time}");
            store.add(job("sound", Some(2)), OnConflict::Replace).unwrap();
            assert_eq!(store.next_due().unwrap(), job("sound", Some(2)).next_fire);
            store.remove(&job("sound", None).id).unwrap();
        }
    }
}
