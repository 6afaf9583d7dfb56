//! Stores with jobs and rows that cannot be read: written before there were limits, or by another version.

use std::fs;
use std::path::Path;

use matins_conformance::store_suite::{job, sample_runs};
use matins_core::{
    FireRange, JobId, JobQuery, JobStore, OnConflict, Outcome, QuarantineKind, Run, RunId, RunQuery,
    StoreError, Transition,
};
use serde_json::json;
use serde_json::value::RawValue;
use tempfile::{TempDir, tempdir};

use crate::format::{FORMAT, Head, HeadLine};
use crate::{FileStore, line};

fn deep(levels: usize) -> String {
    format!("{}1.5{}", "[".repeat(levels), "]".repeat(levels))
}

fn raw(json: String) -> Box<RawValue> {
    RawValue::from_string(json).unwrap()
}

/// A job whose arguments nest that deep, as JSON.
fn deep_job(id: &str, levels: usize) -> String {
    let mut plain = job(id, Some(1));
    plain.arguments = "ARGUMENTS".into();
    serde_json::to_string(&plain).unwrap().replace("\"ARGUMENTS\"", &deep(levels))
}

fn plain_job(id: &str) -> String {
    serde_json::to_string(&job(id, Some(2))).unwrap()
}

fn row(number: u64, rest: &str) -> String {
    format!(r#"{{"id":{number},"job":"a","fire":"2023-11-14T22:13:20Z"{rest}}}"#)
}

fn ended(rest: &str) -> String {
    format!(r#","started":"2023-11-14T22:13:20Z","finished":"2023-11-14T22:13:21Z",{rest}"#)
}

/// Writes a store whose snapshot and log have these lines, each a JSON object.
fn write(directory: &Path, snapshot: &[String], log: &[String]) {
    let count =
        |kind: &str| snapshot.iter().filter(|line| line.starts_with(&format!("{{\"{kind}\""))).count();
    let head = |kind: &str, jobs, runs| {
        let head = Head { matins: kind.to_owned(), format: FORMAT, generation: 1, jobs, runs, last_run: 0 };
        let mut bytes = Vec::new();
        line::write(&mut bytes, &HeadLine { head: &head }).unwrap();
        bytes
    };
    let mut bytes = head("snapshot", count("job"), count("run"));
    for line in snapshot {
        line::write(&mut bytes, &raw(line.clone())).unwrap();
    }
    fs::write(directory.join("snapshot.jsonl"), bytes).unwrap();
    let mut bytes = head("log", 0, 0);
    for (number, line) in log.iter().enumerate() {
        let numbered = line.replacen('{', &format!("{{\"n\":{},", number + 1), 1);
        line::write_framed(&mut bytes, &raw(numbered)).unwrap();
    }
    fs::write(directory.join("log.jsonl"), bytes).unwrap();
}

fn numbers(store: &mut FileStore) -> Vec<u64> {
    store.runs(&RunQuery::default()).unwrap().iter().map(|run| run.id.0).collect()
}

fn quarantined(store: &FileStore) -> Vec<(QuarantineKind, &str)> {
    store.quarantined().iter().map(|quarantined| (quarantined.kind, quarantined.id.as_str())).collect()
}

/// Opens it, has its files written again, and opens it once more.
fn reopened(directory: &TempDir, mut check: impl FnMut(&mut FileStore)) {
    let mut store = FileStore::open(directory.path()).unwrap();
    check(&mut store);
    // Both files are written again with the next change.
    fs::remove_file(directory.path().join("log.jsonl")).unwrap();
    fs::remove_file(directory.path().join("snapshot.jsonl")).unwrap();
    store.add(job("new", None), OnConflict::Replace).unwrap();
    store.remove(&JobId::new("new").unwrap()).unwrap();
    check(&mut store);
    drop(store);
    check(&mut FileStore::open(directory.path()).unwrap());
}

/// Reported: arguments or a result nested 200 deep were accepted, and the store could not be opened again.
#[test]
fn a_store_that_was_written_before_there_were_limits_opens_with_all_that_can_be_read() {
    for levels in [100, 118, 119, 121, 123, 124, 126, 200, 100_000] {
        let directory = tempdir().unwrap();
        let result = ended(&format!(r#""outcome":"succeeded","result":{}"#, deep(levels)));
        let snapshot = [
            format!(r#"{{"job":{}}}"#, plain_job("a")),
            format!(r#"{{"job":{}}}"#, deep_job("in snapshot", levels)),
            format!(r#"{{"run":{}}}"#, row(1, &result)),
            format!(r#"{{"run":{}}}"#, row(2, &ended(r#""outcome":"failed""#))),
        ];
        let finish = format!(r#"{{"finish":{{"run":4{result}}}}}"#);
        let log = [
            format!(
                r#"{{"put":{{"jobs":[{},{}],"runs":[{}]}}}}"#,
                plain_job("b"),
                deep_job("in log", levels),
                row(3, &result)
            ),
            format!(r#"{{"commit":[{{"record":{}}},{{"advance":{{"job":"in log"}}}}]}}"#, row(4, "")),
            format!(r#"{{"commit":[{{"advance":{{"job":"b"}}}},{finish}]}}"#),
        ];
        write(directory.path(), &snapshot, &log);
        reopened(&directory, |store| {
            let jobs = store.list(&JobQuery::default()).unwrap();
            let plain = jobs.iter().filter(|job| job.id.as_str().len() == 1).count();
            assert_eq!(plain, 2, "{levels}");
            if levels > 126 {
                let expected = [(QuarantineKind::Job, "in log"), (QuarantineKind::Job, "in snapshot")];
                assert_eq!(quarantined(store), expected);
                assert!(store.quarantined()[0].what.contains("levels deep, and 120 can be read"));
                let error = store.get(&JobId::new("in log").unwrap()).unwrap_err();
                assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
            }
            let runs = store.runs(&RunQuery::default()).unwrap();
            assert_eq!(numbers(store), [1, 2, 3, 4], "{levels}");
            for run in [0, 2, 3] {
                assert_eq!(runs[run].outcome, Some(Outcome::Succeeded));
                let mut result = runs[run].result.as_ref().unwrap();
                let mut depth = 0;
                while let Some(inner) = result.get(0) {
                    (result, depth) = (inner, depth + 1);
                }
                // What nests deeper is there as text.
                let text = result.as_str().map_or_else(|| result.to_string(), str::to_owned);
                assert_eq!(text, deep(levels - depth), "run {run}, {levels} levels");
            }
        });
    }
}

/// Rows of a version that knows more: the others are read, and theirs are kept.
#[test]
fn a_row_that_cannot_be_read_is_quarantined_and_kept() {
    let directory = tempdir().unwrap();
    let later = ended(r#""outcome":"skipped by a later version""#);
    let snapshot = [
        format!(r#"{{"job":{}}}"#, plain_job("a")),
        format!(r#"{{"run":{}}}"#, row(1, &later)),
        format!(r#"{{"run":{}}}"#, row(2, r#","attempt":"many""#)),
        format!(r#"{{"run":{}}}"#, row(3, "")),
    ];
    let log = [
        format!(r#"{{"put":{{"jobs":[],"runs":[{},{}]}}}}"#, row(4, &later), row(5, "")),
        format!(r#"{{"commit":[{{"record":{}}},{{"record":{}}}]}}"#, row(6, &later), row(7, "")),
        format!(r#"{{"commit":[{{"finish":{{"run":5{later}}}}}]}}"#),
    ];
    write(directory.path(), &snapshot, &log);
    reopened(&directory, |store| {
        assert_eq!(numbers(store), [3, 7]);
        let run = |number| (QuarantineKind::Run, number);
        assert_eq!(quarantined(store), [run("1"), run("2"), run("4"), run("5"), run("6")]);
        let said = store.quarantined()[3].to_string();
        assert!(said.starts_with("run 5 is quarantined: ") && said.contains("a later version"), "{said}");
        assert_eq!(store.next_run_id().unwrap(), RunId(8));
        assert_eq!(store.count_runs(&RunQuery::default()).unwrap(), 2);
        let taken = sample_runs()[0].clone().with(|run| run.id = RunId(5));
        let taken = store.import(Vec::new(), vec![taken], OnConflict::Keep);
        assert!(matches!(taken, Err(StoreError::RunExists { run: RunId(5) })), "{taken:?}");
    });
    // Those that have ended grow old as others do.
    let mut store = FileStore::open(directory.path()).unwrap();
    let before = job("a", Some(60)).next_fire.unwrap();
    store.commit(vec![Transition::PruneBefore { before }]).unwrap();
    assert_eq!(quarantined(&store), [(QuarantineKind::Run, "2")]);
    drop(store);
    assert_eq!(quarantined(&FileStore::open(directory.path()).unwrap()), [(QuarantineKind::Run, "2")]);
}

/// A program that could read the row changed it further.
#[test]
fn steps_on_a_row_that_is_quarantined_are_applied_and_it_is_taken_back_when_it_can_be_read() {
    let directory = tempdir().unwrap();
    let snapshot = [format!(
        r#"{{"run":{}}}"#,
        row(1, r#","last":"2023-11-14T22:14:00Z","count":9,"outcome":"asleep""#)
    )];
    let start = r#"{"start":{"run":1,"started":"2023-11-14T22:15:00Z","scheduled":"2023-11-14T22:14:00Z"}}"#;
    let extend = r#"{"extend":{"run":1,"fires":{"first":"2023-11-14T22:13:20Z","last":"2023-11-14T22:14:10Z","count":10}}}"#;
    let finish = format!(r#"{{"finish":{{"run":1{}}}}}"#, ended(r#""outcome":"failed","message":"no""#));
    let line = |step: &str| format!(r#"{{"commit":[{step}]}}"#);
    write(directory.path(), &snapshot, &[line(start), line(extend), line(&finish)]);
    reopened(&directory, |store| {
        assert_eq!(quarantined(store), []);
        let runs = store.runs(&RunQuery::default()).unwrap();
        let at = |second| job("a", Some(second)).next_fire.unwrap();
        let mut expected = Run::started(RunId(1), JobId::new("a").unwrap(), at(0), at(0));
        expected.fires = FireRange { first: at(0), last: at(50), count: 10 };
        (expected.finished, expected.outcome) = (Some(at(1)), Some(Outcome::Failed));
        expected.message = Some("no".to_owned());
        assert_eq!(runs, [expected]);
    });
}

/// What a step of another kind does is not known, so nothing may be left out.
#[test]
fn a_step_of_an_unknown_kind_is_an_error() {
    for step in [json!({"tidy": {"run": 1}}), json!({"finish": {"outcome": "no run"}}), json!(7)] {
        let directory = tempdir().unwrap();
        write(directory.path(), &[], &[format!(r#"{{"commit":[{step}]}}"#)]);
        let error = FileStore::open(directory.path()).unwrap_err().to_string();
        assert!(error.contains("log.jsonl, line 2, byte "), "{error}");
    }
}
