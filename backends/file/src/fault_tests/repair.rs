//! A repair that fails at any call can be repeated, and loses nothing that it would have kept.

use std::path::Path;

use matins_core::StoreError;

use super::world::{DIRECTORY, Holdings, LookedAt, SCRIPT, World, holdings};
use super::{After, in_parallel, pair_faults};
use crate::disk::Disk;
use crate::disk::simulated::{Fault, SimulatedDisk};
use crate::repair::repair_on;
use crate::{FileStore, LOG};

/// A store with a change in its log that cannot be read.
fn damaged_store() -> (SimulatedDisk, Vec<u8>) {
    let looked_at = LookedAt::default();
    let mut world = World::new(SimulatedDisk::new(&[]), &looked_at);
    world.run(SCRIPT, 0, After::Retry);
    drop(world.store.take());
    let log = Path::new(DIRECTORY).join(LOG);
    let mut bytes = world.disk.content(&log);
    let second_line = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    bytes[second_line + 100] ^= 1;
    world.disk.put(&log, &bytes);
    (world.disk, bytes)
}

/// A store whose log is two snapshots old, as where somebody has put one of the files back.
fn store_of_two_generations() -> (SimulatedDisk, Vec<u8>) {
    let (disk, mut log) = damaged_store();
    repair(&disk).unwrap();
    repair(&disk).unwrap();
    // Not the one that was kept by then.
    log.extend_from_slice(b"\n");
    disk.put(&Path::new(DIRECTORY).join(LOG), &log);
    (disk, log)
}

fn open(disk: &SimulatedDisk) -> Result<Holdings, StoreError> {
    let mut store = FileStore::open_on(Disk::Simulated(disk.clone()), Path::new(DIRECTORY))?;
    Ok(holdings(&mut store))
}

fn repair(disk: &SimulatedDisk) -> Result<(), StoreError> {
    repair_on(&Disk::Simulated(disk.clone()), Path::new(DIRECTORY)).map(drop)
}

#[test]
fn any_call_of_a_repair_may_fail() {
    for (damaged, log) in [damaged_store(), store_of_two_generations()] {
        any_call_may_fail(&damaged, &log);
    }
}

fn any_call_may_fail(damaged: &SimulatedDisk, log: &[u8]) {
    open(&damaged.after_end()).unwrap_err();
    let disk = damaged.after_end();
    repair(&disk).unwrap();
    let (expected, calls) = (open(&disk.after_end()).unwrap(), disk.calls());
    let look = |left: &SimulatedDisk, what: &str| {
        // Either it is as it was, or as it is to be.
        match open(&left.after_end()) {
            Ok(found) => assert_eq!(found, expected, "{what}"),
            Err(error) => assert!(matches!(error, StoreError::Damaged { .. }), "{what}: {error}"),
        }
        repair(left).unwrap();
        assert_eq!(open(left).unwrap(), expected, "{what}");
        let is_kept = |(name, bytes): &(std::ffi::OsString, Vec<u8>)| {
            name.to_string_lossy().starts_with("log.jsonl.damaged-") && *bytes == *log
        };
        assert!(left.files(Path::new(DIRECTORY)).iter().any(is_kept), "{what}");
    };
    in_parallel(calls.len(), |at| {
        for fault in pair_faults(calls[at].0).chain([Fault::End]) {
            let disk = damaged.after_end_with(&[(at, fault)]);
            let what = format!("{fault:?} at {}", calls[at].1);
            match repair(&disk) {
                // Only what is laid out in the new log may be left there.
                Ok(()) => assert!(calls[at].1.starts_with("truncate"), "{what}"),
                Err(error) => assert!(matches!(error, StoreError::Backend { .. }), "{what}: {error}"),
            }
            for (cut, left) in disk.after_power_cuts() {
                look(&left, &format!("{what}; {cut}"));
            }
            look(&disk.after_end(), &what);
        }
    });
}
