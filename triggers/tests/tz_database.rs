//! Zone rules come from a tz database that can be updated: a directory is read before the bundled data, and read again on request.
//!
//! The database is one for the whole process, so the tests of this file take turns.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use matins_conformance::zone_files::tzif;
use matins_core::Trigger;
use matins_triggers::tzdb::{self, Source};
use matins_triggers::{AnyTrigger, CalendarTrigger, CronTrigger, DateTrigger, Zone};

const HOUR: i32 = 3600;

static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn next(trigger: &dyn Trigger, after: &str) -> String {
    trigger.next_after(utc(after)).unwrap().format("%FT%H:%MZ").to_string()
}

/// Writes a database with one zone, which has a fixed offset.
fn write(directory: &Path, release: &str, name: &str, offset: i32) {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, tzif(offset, &[], "")).unwrap();
    fs::write(directory.join("tzdata.zi"), format!("# version {release}\nL Test/Zone Test/Alias\n")).unwrap();
}

/// British Columbia stopped changing its clocks in 2026: 13 names were wrong with data of 2025.
#[test]
fn a_directory_wins_over_the_bundled_data_and_triggers_follow_it_when_it_is_read_again() {
    let _turn = turn();
    let directory = tempfile::tempdir().unwrap();
    tzdb::use_bundled();
    let vancouver = Zone::named("America/Vancouver").unwrap();
    let cron = CronTrigger::parse("0 9 * * *", "America/Vancouver").unwrap();
    let date = DateTrigger::parse("2026-12-24T09:00", vancouver).unwrap();
    let calendar: CalendarTrigger = "P1D from 2026-01-01T09:00:00 America/Vancouver".parse().unwrap();
    let members: [Arc<dyn Trigger>; 2] = [Arc::new(cron.clone()), Arc::new(date.clone())];
    let any = AnyTrigger::new(members).unwrap();
    let all = || {
        [&cron as &dyn Trigger, &date, &calendar, &any].map(|trigger| next(trigger, "2026-12-24T12:00:00Z"))
    };
    assert_eq!(all(), [(); 4].map(|()| "2026-12-24T16:00Z"), "the bundled data has the new rule");

    // As data of 2025 had it: UTC-8 in winter.
    write(directory.path(), "2025b", "America/Vancouver", -8 * HOUR);
    let refreshed = tzdb::use_directory(directory.path()).unwrap();
    assert_eq!(refreshed.changed, [vancouver]);
    assert_eq!(refreshed.version, tzdb::version());
    assert_eq!(refreshed.version.to_string(), format!("2025b, {}", directory.path().display()));
    assert_eq!(refreshed.version.source, Source::Directory(directory.path().to_owned()));
    assert!(
        refreshed.version.problems[0].contains("older than the bundled"),
        "{:?}",
        refreshed.version.problems
    );
    assert_eq!(all(), [(); 4].map(|()| "2026-12-24T17:00Z"));

    // An update of the package, taken up when it is asked for.
    write(directory.path(), "2026f", "America/Vancouver", -7 * HOUR);
    assert_eq!(all(), [(); 4].map(|()| "2026-12-24T17:00Z"));
    let refreshed = tzdb::refresh();
    assert_eq!((refreshed.changed, refreshed.version.release.as_deref()), (vec![vancouver], Some("2026f")));
    assert_eq!(all(), [(); 4].map(|()| "2026-12-24T16:00Z"));
    assert_eq!(tzdb::refresh().changed, [], "nothing has changed since");
    assert_eq!(Zone::named("America/Vancouver").unwrap(), vancouver);

    // A walk that has begun ends by the rules that it began with, or goes over to the new ones; it never panics.
    let mut walk = cron.fires_after(utc("2026-12-01T00:00:00Z"));
    let first = walk.next().unwrap();
    write(directory.path(), "2026g", "America/Vancouver", 9 * HOUR);
    tzdb::refresh();
    assert!(walk.take(400).is_sorted_by(|one, other| one < other) && first == utc("2026-12-01T16:00:00Z"));
}

#[test]
fn what_is_missing_or_damaged_in_the_directory_comes_from_the_bundled_data_and_is_told() {
    let _turn = turn();
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "2099a", "Test/Zone", HOUR);
    write(directory.path(), "2099a", "Asia/Tokyo", 9 * HOUR);
    let tokyo = tzif(9 * HOUR, &[], "");
    fs::write(directory.path().join("Asia/Tokyo"), &tokyo[..tokyo.len() / 2]).unwrap();
    fs::write(directory.path().join("Asia/Damaged"), "TZif2").unwrap();
    tzdb::use_directory(directory.path()).unwrap();

    let noon = utc("2026-06-01T12:00:00Z");
    let local = |name: &str| Zone::named(name).unwrap().with_offset(noon).to_rfc3339();
    assert_eq!(local("Test/Zone"), "2026-06-01T13:00:00+01:00");
    assert_eq!(local("Test/Alias"), "2026-06-01T13:00:00+01:00", "a link that has no file is in tzdata.zi");
    assert_eq!(local("Asia/Tokyo"), "2026-06-01T21:00:00+09:00");
    assert_eq!(local("Asia/Kolkata"), "2026-06-01T17:30:00+05:30");
    let problems = tzdb::version().problems;
    let told = |name: &str, why: &str| {
        problems.iter().any(|problem| problem.starts_with(&format!("{name}: ")) && problem.contains(why))
    };
    assert!(
        told("Asia/Tokyo", "not a valid TZif file") && told("Asia/Kolkata", "does not exist"),
        "{problems:?}"
    );
    let error = Zone::named("Asia/Damaged").unwrap_err();
    assert!(error.reason.as_ref().is_some_and(|reason| reason.contains("Asia/Damaged")), "{error}");
    assert!(Zone::named("tzdata.zi").is_err(), "a file that is no zone");

    // Repaired, it is taken up.
    fs::write(directory.path().join("Asia/Tokyo"), tzif(10 * HOUR, &[], "")).unwrap();
    tzdb::refresh();
    assert_eq!(local("Asia/Tokyo"), "2026-06-01T22:00:00+10:00");
    assert!(!tzdb::version().problems.iter().any(|problem| problem.starts_with("Asia/Tokyo")));

    // The directory goes: zones keep what the bundled data does not have.
    let path = directory.path().to_owned();
    drop(directory);
    let version = tzdb::refresh().version;
    assert_eq!(version.source, Source::Bundled);
    assert!(version.problems[0].contains(path.to_str().unwrap()), "{:?}", version.problems);
    assert_eq!(local("Test/Zone"), "2026-06-01T13:00:00+01:00");
    assert!(version.problems.iter().any(|problem| problem.contains("rules read before are kept")));
    assert_eq!(local("Asia/Tokyo"), "2026-06-01T21:00:00+09:00");
    assert!(tzdb::use_directory(path).is_err());
}

#[test]
fn a_release_is_read_in_each_form_and_a_directory_without_one_is_dated() {
    let _turn = turn();
    for (file, text, release) in [
        ("tzdata.zi", "# version 2026f\nR A 1 2 - Ja 1 0 0 -\n", Some("2026f")),
        ("+VERSION", "2024a\n", Some("2024a")),
        ("version", "2023c", Some("2023c")),
        ("tzdata.zi", "R A 1 2 - Ja 1 0 0 -\n", None),
        ("version", "", None),
    ] {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(file), text).unwrap();
        let version = tzdb::use_directory(directory.path()).unwrap().version;
        assert_eq!(version.release.as_deref(), release, "{file} {text:?}");
        let age = version.newest_file.map(|time| Utc::now() - time);
        assert_eq!(age.is_some(), release.is_none());
        assert!(age.is_none_or(|age| age < TimeDelta::hours(1)));
        if release.is_none() {
            assert!(version.to_string().starts_with("of an unknown release (newest file of "), "{version}");
        }
    }
    tzdb::use_bundled();
}

#[test]
fn a_zone_given_by_a_file_follows_the_file_and_outlives_it() {
    let _turn = turn();
    let directory = tempfile::tempdir().unwrap();
    // Whatever the database is.
    tzdb::use_bundled();
    let path = directory.path().join("office");
    fs::write(&path, tzif(2 * HOUR, &[], "")).unwrap();
    let trigger = CronTrigger::parse("0 9 * * *", path.to_str().unwrap()).unwrap();
    assert_eq!(next(&trigger, "2026-06-01T12:00:00Z"), "2026-06-02T07:00Z");
    assert_eq!(trigger.to_string().parse::<CronTrigger>().unwrap(), trigger);
    fs::write(&path, tzif(3 * HOUR, &[], "")).unwrap();
    assert_eq!(tzdb::refresh().changed, [trigger.zone()]);
    assert_eq!(next(&trigger, "2026-06-01T12:00:00Z"), "2026-06-02T06:00Z");
    fs::remove_file(&path).unwrap();
    assert_eq!(tzdb::refresh().changed, []);
    assert_eq!(next(&trigger, "2026-06-01T12:00:00Z"), "2026-06-02T06:00Z");

    let saved = serde_json::to_string(&trigger).unwrap().replace("office", "nobody");
    let error = serde_json::from_str::<CronTrigger>(&saved).unwrap_err().to_string();
    assert!(error.contains("nobody") && error.contains("does not exist"), "{error}");
}
