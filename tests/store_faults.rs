//! Disks that are full, places that cannot be written: a clear error, and nothing acknowledged is lost.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use matins::prelude::*;
use matins::{JobStore, StoreError, VirtualClock};
use matins_conformance::store_suite::job;

const STORES: [&str; 2] = ["file", "sqlite"];

fn open(kind: &str, path: &Path) -> Result<Box<dyn JobStore>, StoreError> {
    Ok(match kind {
        "file" => Box::new(FileStore::open(path)?),
        _ => Box::new(SqliteStore::open(path)?),
    })
}

/// The child: adds jobs until it is refused some times over, many at once at last, and prints what it was told.
fn add_until_full(kind: &str, path: &Path) {
    let mut store = open(kind, path).expect("the store opens");
    let mut refused = 0;
    for number in 0.. {
        let mut job = job(&format!("job {number:05}"), Some(1));
        job.arguments = "x".repeat(20_000).into();
        match store.add(job, OnConflict::Refuse) {
            Ok(()) => println!("acknowledged {number:05}"),
            Err(error) => {
                println!("refused {number:05}: {error}");
                refused += 1;
            }
        }
        if refused == 3 {
            break;
        }
    }
    let before = store.list(&JobQuery::default()).expect("the list").len();
    let many = (0..5_000).map(|number| job(&format!("one of many {number}"), Some(1))).collect();
    store.import(many, Vec::new(), OnConflict::Refuse).expect_err("there is no room for many");
    assert_eq!(store.list(&JobQuery::default()).expect("the list").len(), before);
    println!("refused many");
}

#[test]
fn the_child() {
    if let (Ok(kind), Some(path)) = (env::var("MATINS_FULL_CHILD"), env::var_os("MATINS_FULL_PATH")) {
        add_until_full(&kind, Path::new(&path));
    }
}

#[test]
fn a_full_disk_is_an_error_and_what_was_acknowledged_is_kept() {
    for kind in STORES {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(kind);
        // No file may grow beyond some megabytes: to a store that is a disk which is full.
        let output = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 4096; exec \"$0\" --exact the_child --nocapture"])
            .arg(env::current_exe().unwrap())
            .env("MATINS_FULL_CHILD", kind)
            .env("MATINS_FULL_PATH", &path)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers = |word: &str| -> Vec<String> {
            let lines = text.lines().filter_map(|line| line.split_once(word));
            let numbers = lines.filter_map(|(_, number)| number.get(..5));
            numbers.map(|number| format!("job {number}")).collect()
        };
        let (acknowledged, refused) = (numbers("acknowledged "), numbers("refused "));
        assert!(acknowledged.len() > 20 && refused.len() == 3, "{kind}: {text}");
        assert!(text.contains("refused many"), "{kind}: {text}");
        assert!(text.contains(&format!("in {}", path.display())), "the error says where: {text}");
        let mut store = open(kind, &path).unwrap();
        let held = store.list(&JobQuery::default()).unwrap();
        let held: Vec<&str> = held.iter().map(|job| job.id.as_str()).collect();
        for job in &acknowledged {
            assert!(held.contains(&job.as_str()), "{kind}: {job} is lost");
        }
        // An answer of failure may be given where the write was made after all, and the process died then.
        assert!(held.len() <= acknowledged.len() + 1, "{kind}: {held:?}");
        store.add(job("with room again", Some(1)), OnConflict::Refuse).unwrap();
    }
}

#[test]
fn a_place_that_cannot_be_written_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("letter"), "a file, and no directory").unwrap();
    for kind in STORES {
        for place in [directory.path().join("letter/jobs"), "/proc/matins-jobs".into()] {
            let error = open(kind, &place).err().expect("no store can be there").to_string();
            assert!(error.contains(place.to_str().unwrap()), "{kind}: {error}");
        }
    }
}

#[test]
fn a_read_only_directory_is_an_error_and_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let closed = directory.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o555)).unwrap();
    if fs::write(closed.join("probe"), "").is_ok() {
        // To root no directory is closed; the test above has places that are.
        return;
    }
    for kind in STORES {
        let error = open(kind, &closed.join("jobs")).err().expect("nothing can be made there").to_string();
        assert!(error.contains("closed") && error.contains("ermission denied"), "{kind}: {error}");
    }
    assert_eq!(fs::read_dir(&closed).unwrap().count(), 0);
}

#[test]
fn a_job_edited_into_nonsense_is_announced_and_all_others_keep_firing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let clock = VirtualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
    let builder = SchedulerBuilder::new().store("default", SqliteStore::open(&path).unwrap());
    let builder = builder.executor("default", ThreadExecutor::new()).clock(clock.clone());
    let mut scheduler = builder.background().unwrap();
    scheduler.register("nothing", || ()).unwrap();
    for id in ["first", "spoilt", "third"] {
        scheduler.add(every(10.seconds()).task("nothing").id(id)).unwrap();
    }
    let events = scheduler.subscribe();
    scheduler.start().unwrap();
    let person = rusqlite::Connection::open(&path).unwrap();
    person.execute("UPDATE jobs SET body = 'nonsense' WHERE id = 'spoilt'", []).unwrap();

    let (mut announced, mut ran) = (0, 0);
    for _ in 0..3 {
        clock.advance(chrono::TimeDelta::seconds(10));
        let mut ended = 0;
        while ended < 2 {
            match events.next_within(std::time::Duration::from_secs(60)).expect("an event") {
                Event::JobQuarantined { job, .. } => {
                    assert!(job.id == "spoilt" && job.what.contains("no job"), "{job}");
                    announced += 1;
                }
                Event::RunFinished { run, .. } => {
                    assert_ne!(run.job, "spoilt");
                    ended += 1;
                }
                _ => {}
            }
        }
        ran += ended;
    }
    assert_eq!((announced, ran), (1, 6), "it is announced once");
    assert_eq!(scheduler.quarantined().unwrap().len(), 1);
    assert_eq!(scheduler.list(&JobQuery::default()).unwrap().len(), 2);
    scheduler.shutdown_and_wait(Shutdown::Wait);
}

/// Reported: one unfinished row that could not be read stopped its whole store.
#[test]
fn a_row_left_by_an_earlier_process_that_cannot_be_read_does_not_stop_its_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    let run = |number, name: &str| {
        let id = matins::JobId::new(name).unwrap();
        matins::Run::started(matins::RunId(number), id, start, start)
    };
    let mut store = SqliteStore::open(&path).unwrap();
    store.import(Vec::new(), vec![run(1, "spoilt"), run(2, "sound")], OnConflict::Refuse).unwrap();
    drop(store);
    let person = rusqlite::Connection::open(&path).unwrap();
    person.execute("UPDATE runs SET fires = -1 WHERE id = 1", []).unwrap();

    let clock = VirtualClock::new(start);
    let builder = SchedulerBuilder::new().store("default", SqliteStore::open(&path).unwrap());
    let builder = builder.executor("default", ThreadExecutor::new()).clock(clock.clone());
    let mut scheduler = builder.background().unwrap();
    scheduler.register("nothing", || ()).unwrap();
    for id in ["spoilt", "sound"] {
        scheduler.add(every(10.seconds()).task("nothing").id(id)).unwrap();
    }
    let events = scheduler.subscribe();
    scheduler.start().unwrap();
    clock.advance(chrono::TimeDelta::seconds(10));
    let (mut quarantined, mut ended) = (Vec::new(), Vec::new());
    while quarantined.is_empty() || ended.len() < 3 {
        match events.next_within(std::time::Duration::from_secs(60)).expect("an event") {
            Event::JobQuarantined { job, .. } => quarantined.push(job.to_string()),
            Event::RunFinished { run, .. } => ended.push(format!("{} {}", run.job, run.outcome.unwrap())),
            Event::StoreFailed { error, .. } => panic!("{error}"),
            _ => {}
        }
    }
    ended.sort();
    assert_eq!(ended, ["sound interrupted", "sound succeeded", "spoilt succeeded"]);
    assert!(
        quarantined.len() == 1 && quarantined[0].starts_with("run 1 is quarantined: "),
        "{quarantined:?}"
    );
    assert_eq!(scheduler.runs_in("default", &RunQuery::default()).unwrap().len(), 3);
    scheduler.shutdown_and_wait(Shutdown::Wait);
}
