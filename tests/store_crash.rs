//! `kill -9` of a process that commits as fast as it can: every batch that it was told is durable is there whole, and at
//! most one more, whole or not at all.
//!
//! `MATINS_CRASH_CYCLES` sets how often each store is hit (default: 5):
//! `MATINS_CRASH_CYCLES=200 cargo test --release --test store_crash -- --nocapture`.

use std::collections::BTreeMap;
use std::env;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use matins::{
    FileStore, Job, JobId, JobQuery, JobStore, OnConflict, Outcome, Run, RunQuery, SqliteStore, Transition,
};
use matins_conformance::store_suite::job;

const GENEROUS: Duration = Duration::from_secs(60);
const JOBS: i64 = 20;

fn open(kind: &str, path: &Path) -> Box<dyn JobStore> {
    match kind {
        "file" => Box::new(FileStore::open(path).expect("the file store opens")),
        _ => Box::new(SqliteStore::open(path).expect("the SQLite store opens")),
    }
}

fn name(number: i64) -> JobId {
    JobId::new(format!("job {number:02}")).expect("a job id")
}

/// Batch `number` moves every job from second `number` to the next, and records a run of each that is finished.
fn batch(store: &mut dyn JobStore, number: i64) -> Vec<Transition> {
    let fire = |second| job("x", Some(second)).next_fire;
    let mut id = store.next_run_id().expect("the ledger is readable");
    let mut batch = Vec::new();
    for job in 0..JOBS {
        let (from, to) = (fire(number), fire(number + 1));
        batch.push(Transition::Advance { job: name(job), from, to });
        let at = from.expect("an instant");
        let run = Run::started(id, name(job), at, at);
        batch.push(Transition::Record(run.clone().into()));
        batch.push(Transition::Finish(
            run.with(|run| {
                run.finished = to;
                run.outcome = Some(Outcome::Succeeded);
            })
            .into(),
        ));
        id = id.next();
    }
    batch
}

/// The child: continues with the batches from where the store is, and prints each number once it is acknowledged.
fn commit_until_killed(kind: &str, path: &Path) {
    let mut store = open(kind, path);
    let mut out = std::io::stdout().lock();
    for number in committed(&mut *store).. {
        let batch = batch(&mut *store, number);
        store.commit(batch).expect("a commit");
        writeln!(out, "acknowledged {number}").and_then(|()| out.flush()).expect("the parent listens");
    }
}

/// How many batches the store holds, each of them whole.
fn committed(store: &mut dyn JobStore) -> i64 {
    let jobs: Vec<Job> = store.list(&JobQuery::default()).expect("the jobs are readable");
    assert_eq!(jobs.len() as i64, JOBS);
    let first = job("x", Some(0)).next_fire.expect("an instant");
    let seconds: Vec<i64> =
        jobs.iter().map(|job| (job.next_fire.expect("active") - first).num_seconds()).collect();
    assert!(seconds.iter().all(|second| *second == seconds[0]), "a batch is there in part: {seconds:?}");
    let runs = store.runs(&RunQuery::default()).expect("the ledger is readable");
    let mut rows: BTreeMap<i64, i64> = BTreeMap::new();
    for run in &runs {
        assert_eq!(run.outcome, Some(Outcome::Succeeded));
        *rows.entry((run.scheduled() - first).num_seconds()).or_default() += 1;
    }
    let whole: BTreeMap<i64, i64> = (0..seconds[0]).map(|second| (second, JOBS)).collect();
    assert_eq!(rows, whole, "each batch has recorded each run once");
    seconds[0]
}

/// Starts the child, kills it at a random moment, and looks at what it left.
fn cycle(kind: &str, path: &Path) -> (i64, i64) {
    let mut child = Command::new(env::current_exe().expect("this program"))
        .args(["--exact", "the_child", "--nocapture"])
        .env("MATINS_CRASH_CHILD", kind)
        .env("MATINS_CRASH_PATH", path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let (sender, lines) = mpsc::channel();
    let reader = thread::spawn(move || {
        let numbers = output.lines().map_while(Result::ok).filter_map(|line| {
            line.split_once("acknowledged ").and_then(|(_, number)| number.parse::<i64>().ok())
        });
        // The parent may have heard enough.
        numbers.inspect(|number| sender.send(*number).unwrap_or_default()).last()
    });
    // A moment within some of its commits, as chance has it.
    let wanted = 1 + RandomState::new().hash_one(0) % 40;
    for _ in 0..wanted {
        lines.recv_timeout(GENEROUS).expect("the child commits");
    }
    child.kill().expect("the child is killed");
    child.wait().expect("the child ends");
    let acknowledged = reader.join().expect("the reader ends").expect("a number");
    let mut store = open(kind, path);
    (acknowledged, committed(&mut *store))
}

fn survives(kind: &str) {
    let cycles = env::var("MATINS_CRASH_CYCLES").ok().and_then(|cycles| cycles.parse().ok()).unwrap_or(5);
    let directory = tempfile::tempdir().expect("a directory");
    let (mut batches, mut unacknowledged) = (0, 0);
    for number in 0..cycles {
        // Anew now and then, since every look counts the whole ledger.
        let path = directory.path().join(format!("{kind}-{}", number / 20));
        if number % 20 == 0 {
            let jobs = (0..JOBS).map(|number| job(name(number).as_str(), Some(0))).collect();
            open(kind, &path).import(jobs, Vec::new(), OnConflict::Refuse).expect("the jobs are added");
        }
        let before = committed(&mut *open(kind, &path));
        let (acknowledged, held) = cycle(kind, &path);
        let more = held - (acknowledged + 1);
        assert!(
            (0..=1).contains(&more),
            "{kind}: {acknowledged} was acknowledged, and {held} batches are held"
        );
        batches += held - before;
        unacknowledged += more;
    }
    println!(
        "{kind}: {cycles} kills, {batches} batches, {unacknowledged} held that were not acknowledged, 0 faults"
    );
}

#[test]
fn the_child() {
    if let (Ok(kind), Some(path)) = (env::var("MATINS_CRASH_CHILD"), env::var_os("MATINS_CRASH_PATH")) {
        commit_until_killed(&kind, Path::new(&path));
    }
}

#[test]
fn the_file_store_holds_what_it_acknowledged() {
    if env::var_os("MATINS_CRASH_CHILD").is_none() {
        survives("file");
    }
}

#[test]
fn the_sqlite_store_holds_what_it_acknowledged() {
    if env::var_os("MATINS_CRASH_CHILD").is_none() {
        survives("sqlite");
    }
}
