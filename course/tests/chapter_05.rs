//! Chapter 5: the job store and the ledger.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::store::{
    Change, Disk, FileDisk, Job, LogStore, MemoryStore, Outcome, Run, SimDisk,
    State, Store, StoreError, recover,
};

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(60 * minute, 0).unwrap()
}

fn job(id: u64, minute: i64) -> Job {
    Job {
        id,
        schedule: "*/5 * * * *".to_owned(),
        command: "echo hello".to_owned(),
        next_fire: Some(at(minute)),
    }
}

fn run(id: u64, job: u64, minute: i64) -> Run {
    Run { id, job, fire: at(minute), outcome: Outcome::Running }
}

/// A few commits, of different sizes.
fn commits() -> Vec<Vec<Change>> {
    let fire = |run_id, job_id, minute| {
        vec![
            Change::MoveOn(job_id, Some(at(minute + 5))),
            Change::Record(run(run_id, job_id, minute)),
        ]
    };
    vec![
        vec![Change::PutJob(job(1, 5)), Change::PutJob(job(2, 7))],
        fire(1, 1, 5),
        vec![Change::End(1, Outcome::Succeeded)],
        fire(2, 2, 7),
        vec![Change::RemoveJob(1), Change::End(2, Outcome::Failed)],
    ]
}

/// The state after each number of commits, from none to all.
fn states() -> Vec<State> {
    let mut state = State::default();
    let mut states = vec![state.clone()];
    for changes in commits() {
        changes.iter().for_each(|change| state.apply(change));
        states.push(state.clone());
    }
    states
}

/// A disk with these bytes on it.
fn disk_with(bytes: &[u8]) -> SimDisk {
    let mut disk = SimDisk::default();
    disk.append(bytes).unwrap();
    disk.sync().unwrap();
    disk
}

/// What is on a disk after some commits.
fn log_of(commits: &[Vec<Change>]) -> Vec<u8> {
    let disk = SimDisk::default();
    let mut store = LogStore::open(disk.clone()).unwrap();
    commits.iter().for_each(|changes| store.commit(changes).unwrap());
    disk.clone().read().unwrap()
}

/// A file below the directory of the tests, which does not exist yet.
fn new_file(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = directory.join(format!("{name}-{}.log", std::process::id()));
    if let Err(error) = fs::remove_file(&file) {
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
    file
}

/// Expects: each kind of change does what it says.
/// Read: Jobs and the ledger
#[test]
fn changes_build_the_state() {
    let mut store = MemoryStore::default();
    store.commit(&[Change::PutJob(job(1, 5))]).unwrap();
    store
        .commit(&[Change::PutJob(job(1, 6)), Change::PutJob(job(2, 7))])
        .unwrap();
    assert_eq!(store.state().jobs[&1].next_fire, Some(at(6)));
    store
        .commit(&[Change::MoveOn(1, None), Change::Record(run(9, 1, 6))])
        .unwrap();
    assert_eq!(store.state().jobs[&1].next_fire, None);
    assert_eq!(store.state().runs[&9].outcome, Outcome::Running);
    store
        .commit(&[Change::End(9, Outcome::Failed), Change::RemoveJob(1)])
        .unwrap();
    assert_eq!(store.state().jobs.keys().collect::<Vec<_>>(), [&2]);
    assert_eq!(store.state().runs[&9].outcome, Outcome::Failed);
}

/// Expects: a run has one outcome. It is never overwritten, a row is never
/// recorded twice, and changes of unknown jobs and runs do nothing.
/// Read: Jobs and the ledger
#[test]
fn an_outcome_is_final() {
    let mut store = MemoryStore::default();
    store.commit(&[Change::Record(run(9, 1, 6))]).unwrap();
    store.commit(&[Change::End(9, Outcome::Succeeded)]).unwrap();
    let before = store.state().clone();
    store
        .commit(&[
            Change::End(9, Outcome::Interrupted),
            Change::Record(run(9, 4, 44)),
            Change::End(77, Outcome::Failed),
            Change::MoveOn(77, Some(at(1))),
            Change::RemoveJob(77),
        ])
        .unwrap();
    assert_eq!(*store.state(), before);
}

/// Expects: a store that is opened again has what was committed, and only
/// that.
/// Read: A log
#[test]
fn a_log_brings_the_state_back() {
    let disk = SimDisk::default();
    for (changes, expected) in commits().iter().zip(&states()[1..]) {
        let mut store = LogStore::open(disk.clone()).unwrap();
        store.commit(changes).unwrap();
        assert_eq!(store.state(), expected);
        let again = LogStore::open(disk.clone()).unwrap();
        assert_eq!(again.state(), expected);
    }
}

/// Expects: the log of a real file is the same as that of a simulated disk.
/// Read: A log
#[test]
fn a_log_is_in_a_file() {
    let file = new_file("a-log-is-in-a-file");
    for changes in commits() {
        let disk = FileDisk::open(&file).unwrap();
        LogStore::open(disk).unwrap().commit(&changes).unwrap();
    }
    assert_eq!(fs::read(&file).unwrap(), log_of(&commits()));
    let store = LogStore::open(FileDisk::open(&file).unwrap()).unwrap();
    assert_eq!(Some(store.state()), states().last());
    fs::remove_file(file).unwrap();
}

/// Expects: each commit is one line, also if a command has line breaks.
/// Read: A log
#[test]
fn a_commit_is_one_line() {
    let mut odd = job(1, 5);
    odd.command = "echo a | b\nend 1 failed\\n \u{e9}\r".to_owned();
    odd.schedule = String::new();
    let changes = vec![Change::PutJob(odd.clone()), Change::RemoveJob(2)];
    let log = log_of(&[changes.clone(), changes]);
    assert_eq!(log.iter().filter(|byte| **byte == b'\n').count(), 2);
    let store = LogStore::open(disk_with(&log)).unwrap();
    assert_eq!(store.state().jobs[&1], odd);
}

/// Expects: a minute of commits can be read back: 2,000 commits of a job that
/// moves on, to the same state.
/// Read: A log
#[test]
fn a_long_log_is_read_back() {
    let disk = SimDisk::default();
    let mut store = LogStore::open(disk.clone()).unwrap();
    store.commit(&[Change::PutJob(job(1, 0))]).unwrap();
    for minute in 0..2000 {
        let next = at(minute) + TimeDelta::minutes(1);
        let run = run(minute as u64, 1, minute);
        store
            .commit(&[Change::MoveOn(1, Some(next)), Change::Record(run)])
            .unwrap();
    }
    let again = LogStore::open(disk.reboot(0)).unwrap();
    assert_eq!(again.state(), store.state());
    assert_eq!(again.state().runs.len(), 2000);
}

/// Expects: if a log ends anywhere within its last line, that commit is gone
/// as a whole, and all earlier ones are there.
/// Read: Torn writes
#[test]
fn a_torn_commit_is_gone_as_a_whole() {
    for number in 1..=commits().len() {
        let before = log_of(&commits()[..number - 1]).len();
        let log = log_of(&commits()[..number]);
        for length in before..log.len() {
            let store = LogStore::open(disk_with(&log[..length])).unwrap();
            assert_eq!(*store.state(), states()[number - 1], "{length} bytes");
        }
    }
}

/// Expects: parts of a torn line may also be zeros, or anything else.
/// Read: Torn writes
#[test]
fn a_torn_commit_may_contain_anything() {
    let before = log_of(&commits()[..3]).len();
    let log = log_of(&commits()[..4]);
    for hole in before..log.len() {
        for byte in [0, b'\n', 0xff] {
            let mut log = log.clone();
            log[hole] = if log[hole] == byte { b'?' } else { byte };
            let store = LogStore::open(disk_with(&log)).unwrap();
            assert_eq!(*store.state(), states()[3], "byte {hole} is {byte}");
        }
    }
    let mut log = log_of(&commits()[..3]);
    log.extend([0; 4096]);
    let store = LogStore::open(disk_with(&log)).unwrap();
    assert_eq!(*store.state(), states()[3]);
}

/// Expects: the rest of a torn commit is removed from the disk, so that the
/// next commit does not follow it.
/// Read: Torn writes
#[test]
fn commits_after_a_torn_one_are_found_again() {
    let mut log = log_of(&commits()[..3]);
    log.extend(b"0badc0de job 1 5");
    let disk = disk_with(&log);
    let mut store = LogStore::open(disk.clone()).unwrap();
    store.commit(&commits()[3]).unwrap();
    let again = LogStore::open(disk.reboot(0)).unwrap();
    assert_eq!(*again.state(), states()[4]);
}

/// Expects: a damaged line with a good one behind it is no torn write. The
/// store refuses to open, names the line, and changes nothing on the disk.
/// Read: Damage is not a torn write
#[test]
fn damage_in_the_middle_is_reported() {
    let whole = log_of(&commits());
    let lines: Vec<&[u8]> = whole.split_inclusive(|it| *it == b'\n').collect();
    for damaged in 0..lines.len() - 1 {
        let mut log = lines[..damaged].concat();
        let position = log.len() + 12;
        log.extend(lines[damaged..].concat());
        log[position] ^= 1;
        let disk = disk_with(&log);
        let error = LogStore::open(disk.clone()).map(drop).unwrap_err();
        let is_damaged = matches!(
            error, StoreError::Damaged { line } if line == damaged + 1
        );
        assert!(is_damaged, "{error}");
        assert_eq!(disk.clone().read().unwrap(), log);
    }
}

/// Expects: whenever the power fails, and however much of the last write is
/// on the disk, each commit that has returned is there; of the one during
/// which it failed, all or nothing.
/// Read: Power cuts
#[test]
fn a_power_cut_loses_no_commit_that_has_returned() {
    let mut cuts = 0;
    for calls in 0.. {
        let disk = SimDisk::default();
        let opened = LogStore::open(disk.clone()).unwrap();
        disk.fail_after(calls);
        let mut store = opened;
        let returned = commits()
            .iter()
            .take_while(|changes| store.commit(changes).is_ok())
            .count();
        for kept in 0..=disk.pending() {
            let store = LogStore::open(disk.reboot(kept)).unwrap();
            let found = states().iter().position(|it| it == store.state());
            let is_kept =
                found == Some(returned) || found == Some(returned + 1);
            assert!(
                is_kept,
                "power failed at call {calls} of the disk, {kept} bytes of the \
                 last write were kept: {returned} commits had returned, found \
                 is the state after {found:?}"
            );
            cuts += 1;
        }
        if returned == commits().len() {
            break;
        }
    }
    assert!(cuts > 100, "{cuts} power cuts were tried");
}

/// Expects: after a commit that failed, the next one fails too, and the state
/// in memory is the one before it.
/// Read: When fsync fails
#[test]
fn after_a_failed_commit_nothing_is_acknowledged() {
    for calls in [0, 1] {
        let disk = SimDisk::default();
        let mut store = LogStore::open(disk.clone()).unwrap();
        store.commit(&commits()[0]).unwrap();
        disk.fail_after(calls);
        let error = store.commit(&commits()[1]).unwrap_err();
        assert!(matches!(error, StoreError::Io(_)), "{error}");
        assert_eq!(*store.state(), states()[1]);
        // The disk works again, but nobody knows what is on it.
        disk.fail_after(100);
        let error = store.commit(&commits()[2]).unwrap_err();
        assert!(matches!(error, StoreError::Unknown), "{error}");
        let store = LogStore::open(disk.clone()).unwrap();
        assert!(states()[1..=2].contains(store.state()));
    }
}

/// Expects: runs that an earlier process began and did not end become
/// interrupted, once, and others stay as they are.
/// Read: After a crash
#[test]
fn unfinished_runs_become_interrupted() {
    let disk = SimDisk::default();
    let mut store = LogStore::open(disk.clone()).unwrap();
    store
        .commit(&[
            Change::Record(run(1, 1, 5)),
            Change::Record(run(2, 1, 6)),
            Change::Record(run(3, 1, 7)),
            Change::End(2, Outcome::Succeeded),
        ])
        .unwrap();
    let mut store = LogStore::open(disk.reboot(0)).unwrap();
    assert_eq!(recover(&mut store).unwrap(), [1, 3]);
    let outcomes: Vec<_> =
        store.state().runs.values().map(|run| run.outcome).collect();
    use Outcome::{Interrupted, Succeeded};
    assert_eq!(outcomes, [Interrupted, Succeeded, Interrupted]);
    assert_eq!(recover(&mut store).unwrap(), [0; 0]);
}

// ANCHOR: kill
/// Expects: a process that is killed while it commits has lost no commit that
/// it has reported, and none of its commits is there in part.
/// Read: The crash test
#[test]
fn a_killed_process_has_lost_nothing() {
    let file = new_file("a-killed-process");
    let mut reported = 0;
    for round in 1..=12 {
        let mut writer = Command::new(env!("CARGO_BIN_EXE_crash_writer"))
            .arg(&file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        // Kills it while it commits, after a different number of commits.
        for line in lines.take(1 + round * 7 % 25) {
            reported = line.unwrap().parse::<u64>().unwrap() + 1;
        }
        writer.kill().unwrap();
        writer.wait().unwrap();

        let disk = FileDisk::open(&file).unwrap();
        let store = LogStore::open(disk).unwrap();
        let (jobs, runs) = (&store.state().jobs, &store.state().runs);
        assert!(jobs.len() as u64 >= reported, "round {round}: jobs are lost");
        assert!(jobs.keys().eq(runs.keys()), "round {round}: half a commit");
        assert!(jobs.keys().copied().eq(0..jobs.len() as u64));
    }
    assert!(reported > 12, "the writer did not continue after a kill");
    fs::remove_file(file).unwrap();
}
// ANCHOR_END: kill
