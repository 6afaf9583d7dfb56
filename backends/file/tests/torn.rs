//! The end of a log that was not closed: a write that was not finished is cut, a line that was changed is an error.

use std::fs;
use std::path::{Path, PathBuf};

use matins_conformance::store_suite::job;
use matins_core::{JobQuery, JobStore, OnConflict};
use matins_store_file::{FileStore, examine, repair};
use tempfile::{TempDir, tempdir};

const SECTOR: usize = 512;

/// What a process that was killed has left: two jobs, each in a line of several sectors, and what is laid out behind.
struct Left {
    _parent: TempDir,
    path: PathBuf,
    log: Vec<u8>,
    /// Where the second job's line begins and ends, without its newline.
    line: std::ops::Range<usize>,
}

impl Left {
    fn new() -> Self {
        let parent = tempdir().unwrap();
        let (open, path) = (parent.path().join("open"), parent.path().join("left"));
        let mut store = FileStore::open(&open).unwrap();
        for id in ["first", "second"] {
            let mut job = job(id, Some(1));
            job.arguments = "x".repeat(3 * SECTOR).into();
            store.add(job, OnConflict::Refuse).unwrap();
        }
        fs::create_dir(&path).unwrap();
        for name in ["snapshot.jsonl", "log.jsonl"] {
            fs::copy(open.join(name), path.join(name)).unwrap();
        }
        let mut log = fs::read(path.join("log.jsonl")).unwrap();
        let end = log.trim_ascii_end().len();
        assert!(log.len() > end + (1 << 19), "it is laid out far ahead");
        // A shorter file is faster to try.
        log.truncate(end + 2 * SECTOR);
        let start = log[..end].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        Self { _parent: parent, path, log, line: start..end }
    }

    fn open(&self, log: &[u8]) -> Result<(Vec<String>, bool), String> {
        fs::write(self.path.join("log.jsonl"), log).unwrap();
        let mut store = FileStore::open(&self.path).map_err(|error| error.to_string())?;
        let jobs = store.list(&JobQuery::default()).unwrap();
        Ok((jobs.iter().map(|job| job.id.to_string()).collect(), store.torn_tail().is_some()))
    }

    fn is_torn(&self, log: &[u8], what: &str) {
        assert_eq!(self.open(log), Ok((vec!["first".to_owned()], true)), "{what}");
    }
}

#[test]
fn a_line_of_which_the_end_was_not_written_is_cut() {
    let left = Left::new();
    assert_eq!(left.open(&left.log), Ok((vec!["first".to_owned(), "second".to_owned()], false)));
    for cut in (left.line.start + 1..left.line.end).filter(|cut| cut % 13 == 0 || *cut > left.line.end - 3) {
        for missing in [b'\n', 0] {
            let mut log = left.log.clone();
            log[cut..left.line.end].fill(missing);
            left.is_torn(&log, &format!("cut at {cut}"));
        }
    }
}

#[test]
fn a_line_of_which_some_sectors_were_not_written_is_cut() {
    let left = Left::new();
    let first = left.line.start / SECTOR;
    let count = (left.line.end - 1) / SECTOR - first + 1;
    assert!(count >= 4);
    // Where all are lost, nothing shows that there was a line.
    for lost in 1..(1_u32 << count) - 1 {
        for missing in [b'\n', 0] {
            let mut log = left.log.clone();
            for sector in (0..count).filter(|sector| lost & (1 << sector) != 0) {
                let start = ((first + sector) * SECTOR).max(left.line.start);
                log[start..((first + sector + 1) * SECTOR).min(left.line.end)].fill(missing);
            }
            left.is_torn(&log, &format!("sectors {lost:b} are lost"));
        }
    }
}

#[test]
fn a_changed_bit_in_the_last_line_is_an_error_and_behind_it_does_no_harm() {
    let left = Left::new();
    let behind = (left.line.end + 3..left.log.len()).step_by(37);
    let within = (left.line.start + 80..left.line.end - 20).step_by(17);
    let places = (left.line.start..left.line.start + 80).chain(left.line.end - 20..left.line.end + 3);
    let places = places.chain(within).chain(behind);
    for byte in places {
        for bit in 0..8 {
            let mut log = left.log.clone();
            log[byte] ^= 1 << bit;
            match left.open(&log) {
                Ok(opened) => {
                    assert!(byte > left.line.end, "byte {byte}, bit {bit}");
                    assert_eq!(opened, (vec!["first".to_owned(), "second".to_owned()], true));
                }
                Err(error) => {
                    assert!(byte <= left.line.end, "byte {byte}, bit {bit}: {error}");
                    assert!(error.contains("log.jsonl, line 3, byte "), "{error}");
                }
            }
        }
    }
}

#[test]
fn a_repair_drops_a_last_line_that_was_changed() {
    let left = Left::new();
    let mut log = left.log.clone();
    log[left.line.end] ^= 1;
    left.open(&log).unwrap_err();
    let examination = examine(&left.path).unwrap();
    assert_eq!((examination.damaged.len(), examination.jobs), (1, 1));
    assert_eq!(examination.torn, None);
    repair(&left.path).unwrap();
    assert_eq!(FileStore::open(&left.path).unwrap().list(&JobQuery::default()).unwrap().len(), 1);
    assert_eq!(fs::read(left.path.join("log.jsonl.damaged-1")).unwrap(), log);
}

/// Their lines do not say how long they are.
#[test]
fn the_last_line_of_an_earlier_format_may_be_torn_anywhere() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/1");
    let directory = tempdir().unwrap();
    let log = fs::read(kept.join("log.jsonl")).unwrap();
    for end in log.len() - 20..log.len() - 1 {
        let mut torn = log.clone();
        torn[end..].fill(b'\n');
        fs::copy(kept.join("snapshot.jsonl"), directory.path().join("snapshot.jsonl")).unwrap();
        fs::write(directory.path().join("log.jsonl"), torn).unwrap();
        let mut store = FileStore::open(directory.path()).unwrap();
        assert!(store.torn_tail().is_some(), "{end}");
        assert_eq!(store.list(&JobQuery::default()).unwrap().len(), 2, "those of the snapshot");
    }
}
