//! Every call to the disk fails, alone and in pairs, followed by the end of the process or a power cut: the store works
//! again by itself, or opens with everything that was acknowledged.
//!
//! A script of changes is run on a simulated disk. Once without faults, to count its calls; then again for every call and
//! every way in which it can fail. `MATINS_FAULT_STRIDE` says which of the pairs are run: 1 for all.

mod repair;
mod world;

use std::env;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::disk::Disk;
use crate::disk::simulated::{Fault, Kind, SimulatedDisk};
use crate::{FileStore, LOG, SNAPSHOT};
use world::{After, DIRECTORY, LookedAt, SCRIPT, Step, World, perform};

/// Runs the script with these faults and returns the calls that it made.
fn run(faults: &[(usize, Fault)], after: After, looked_at: &LookedAt) -> Vec<(Kind, String)> {
    let mut world = World::new(SimulatedDisk::new(faults), looked_at);
    world.run(SCRIPT, faults.len(), after);
    world.disk.calls()
}

/// Calls `each` with the numbers below `count`, on all processors.
fn in_parallel(count: usize, each: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            each(number);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
}

/// The number of the first call after `from` that begins with `name`, where the script is run with these faults.
fn find(faults: &[(usize, Fault)], from: usize, name: &str) -> usize {
    let calls = run(faults, After::Retry, &LookedAt::default());
    let found = calls.iter().skip(from).position(|(_, call)| call.starts_with(name));
    from + found.unwrap_or_else(|| panic!("no {name} after call {from} of {calls:#?}"))
}

/// Reported: the store then said "another file was put in its place" until it was restarted.
#[test]
fn a_failed_fdatasync_and_a_failed_fsync_of_the_directory_are_overcome() {
    let first = find(&[], 0, "fdatasync");
    let mut faults = vec![(first, Fault::Refused)];
    let second = find(&faults, first + 1, "fsync directory");
    faults.push((second, Fault::Refused));
    run(&faults, After::Retry, &LookedAt::default());
    // As long as it fails, each change is refused, and none is lost.
    for _ in 0..5 {
        let (last, _) = faults[faults.len() - 1];
        let next = find(&faults, last + 1, "fsync directory");
        faults.push((next, Fault::Refused));
    }
    run(&faults, After::Retry, &LookedAt::default());
}

/// Reported: the store was then refused, because its log followed the snapshot before the one before.
#[test]
fn a_new_log_may_fail_any_number_of_times() {
    let mut faults = vec![(find(&[], 0, "fdatasync"), Fault::Refused)];
    for _ in 0..5 {
        let (last, _) = faults[faults.len() - 1];
        let next = find(&faults, last + 1, "create /var/jobs/log.jsonl.new");
        faults.push((next, Fault::Refused));
        run(&faults, After::Retry, &LookedAt::default());
        run(&faults, After::Continue, &LookedAt::default());
    }
}

/// The simulation stands for the file system in all tests here.
#[test]
fn the_simulated_disk_and_the_file_system_hold_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("parent/jobs");
    let simulated = SimulatedDisk::new(&[]);
    let mut stores = [
        FileStore::open_on(Disk::Simulated(simulated.clone()), &path).unwrap(),
        FileStore::open_on(Disk::System, &path).unwrap(),
    ];
    for step in SCRIPT {
        for store in &mut stores {
            perform(store, *step).unwrap();
        }
        for name in [SNAPSHOT, LOG] {
            let path = path.join(name);
            assert_eq!(simulated.content(&path), fs::read(path).unwrap(), "{name} after {step:?}");
        }
    }
    drop(stores);
    let log = path.join(LOG);
    assert_eq!(simulated.content(&log), fs::read(log).unwrap(), "when it is closed");
}

#[test]
fn the_script_folds_the_log_and_makes_all_kinds_of_calls() {
    let calls = run(&[], After::Retry, &LookedAt::default());
    let count = |name: &str| calls.iter().filter(|(_, call)| call.starts_with(name)).count();
    // Two files when the store is created, and two when its log is folded.
    assert_eq!(count("rename"), 4, "{calls:#?}");
    for name in
        ["mkdir", "list", "lock", "read", "stat", "create", "open", "write", "truncate", "fdatasync", "fsync"]
    {
        assert!(count(name) > 0, "{name} is missing in {calls:#?}");
    }
}

#[test]
fn any_call_may_fail() {
    let calls = run(&[], After::Retry, &LookedAt::default());
    let looked_at = LookedAt::default();
    in_parallel(calls.len(), |at| {
        for fault in calls[at].0.faults().iter().chain([&Fault::End]) {
            for after in [After::Retry, After::Continue] {
                run(&[(at, *fault)], after, &looked_at);
            }
        }
    });
}

#[test]
fn any_two_calls_may_fail() {
    let stride = env::var("MATINS_FAULT_STRIDE").ok().and_then(|stride| stride.parse().ok()).unwrap_or(1);
    let calls = run(&[], After::Retry, &LookedAt::default());
    let (count, pairs) = (calls.len(), AtomicUsize::new(0));
    let looked_at = LookedAt::default();
    in_parallel(count, |first| {
        for fault in pair_faults(calls[first].0) {
            for after in [After::Retry, After::Continue] {
                // What is called after the first fault is known only when it is run.
                let calls = run(&[(first, fault)], after, &looked_at);
                for second in (first + 1..calls.len()).filter(|second| (first + second) % stride == 0) {
                    for another in pair_faults(calls[second].0).chain([Fault::End]) {
                        run(&[(first, fault), (second, another)], after, &looked_at);
                        pairs.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    });
    println!("{} pairs", pairs.into_inner());
}

/// Both files are replaced when it is opened, or with its first change.
#[test]
fn any_two_calls_may_fail_when_a_store_of_an_earlier_format_is_opened() {
    const KEPT: [(&str, &[u8]); 2] = [
        (SNAPSHOT, include_bytes!("../tests/formats/1/snapshot.jsonl")),
        (LOG, include_bytes!("../tests/formats/1/log.jsonl")),
    ];
    let disk = SimulatedDisk::new(&[]);
    for (name, bytes) in KEPT {
        disk.put(&Path::new(DIRECTORY).join(name), bytes);
    }
    let looked_at = LookedAt::default();
    let run = |faults: &[(usize, Fault)]| {
        let mut world = World::with_store(disk.after_end_with(faults), &looked_at);
        let script = [Step::Open, Step::Add("a"), Step::Open, Step::Add("b"), Step::Remove("a")];
        world.run(&script, faults.len(), After::Retry);
        world.disk
    };
    let changed = run(&[]).content(&Path::new(DIRECTORY).join(LOG));
    assert!(
        changed.starts_with(b"{\"crc\":") && String::from_utf8(changed).unwrap().contains("\"format\":2")
    );
    let calls = run(&[]).calls();
    in_parallel(calls.len(), |first| {
        for fault in pair_faults(calls[first].0) {
            let calls = run(&[(first, fault)]).calls();
            for (second, (kind, _)) in calls.iter().enumerate().skip(first + 1) {
                for another in pair_faults(*kind).chain([Fault::End]) {
                    run(&[(first, fault), (second, another)]);
                }
            }
        }
    });
}

/// A disk that is full differs from one that fails in its message alone.
fn pair_faults(kind: Kind) -> impl Iterator<Item = Fault> {
    kind.faults().iter().copied().filter(|fault| *fault != Fault::Full)
}

#[test]
fn the_disk_may_fail_for_a_while() {
    let calls = run(&[], After::Retry, &LookedAt::default());
    let looked_at = LookedAt::default();
    in_parallel(calls.len(), |first| {
        for length in [3, 4, 6, 9, 14, 30] {
            for fault in [Fault::Refused, Fault::Full, Fault::Made] {
                let faults: Vec<_> = (first..first + length).map(|at| (at, fault)).collect();
                for after in [After::Retry, After::Continue] {
                    run(&faults, after, &looked_at);
                }
            }
        }
    });
}
