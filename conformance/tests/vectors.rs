//! Every vector passes, and so does every vector read backwards.

use std::path::Path;

use matins_conformance::vectors::{self, Verdict};
use matins_triggers::tzdb;

fn check(file: &str, covered: usize) {
    tzdb::use_bundled();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(file);
    let vectors = vectors::read(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (mut passed, mut failures) = (0, Vec::new());
    for vector in vectors {
        if let Verdict::Failed(how) = vector.check_reversed() {
            failures.push(format!("reversed, {how}"));
        }
        match vector.check() {
            Verdict::Passed => passed += 1,
            Verdict::NotCovered => {}
            Verdict::Failed(how) => failures.push(how),
        }
    }
    assert!(failures.is_empty(), "{} failed, {passed} passed:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(passed, covered, "as many as the file has");
}

#[test]
fn crontab() {
    check("crontab.jsonl", 2187);
}

#[test]
fn extended_grammar() {
    check("extended.jsonl", 400);
}

#[test]
fn intervals() {
    check("interval.jsonl", 650);
}

#[test]
fn dates() {
    check("date.jsonl", 100);
}

#[test]
fn the_hard_set_of_the_rule() {
    check("rule.jsonl", 238);
}

#[test]
fn fields_by_name() {
    check("cron.jsonl", 2310);
}

#[test]
fn calendar() {
    check("calendar.jsonl", 846);
}

#[test]
fn combining() {
    check("combining.jsonl", 501);
}
