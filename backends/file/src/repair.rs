//! What can be saved of a damaged store, first shown, then done.

use std::io;
use std::path::{Path, PathBuf};

use matins_core::StoreError;

use crate::damage::{Damage, DamagedLine, Reader};
use crate::disk::{Disk, Lock};
use crate::format::{Head, State};
use crate::in_place::InPlace;
use crate::log::Log;
use crate::opening::read_file;
use crate::{LOG, OWNER, SNAPSHOT, TornTail, failed_at, log, snapshot};

/// What was found in a store's files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Examination {
    /// The lines that cannot be used: what a repair drops.
    pub damaged: Vec<DamagedLine>,
    /// A change that was not finished: what opening the store cuts off.
    pub torn: Option<TornTail>,
    /// The jobs that are whole.
    pub jobs: usize,
    /// The runs that are whole.
    pub runs: usize,
}

/// Looks through a store's files, and changes nothing.
///
/// ```
/// # use matins_store_file::FileStore;
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().join("jobs");
/// drop(FileStore::open(&path)?);
/// let examination = matins_store_file::examine(&path)?;
/// assert!(examination.damaged.is_empty());
/// assert_eq!((examination.jobs, examination.runs), (0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When another process owns the store, when a file cannot be read, is of a later format, or has no head.
pub fn examine(directory: impl AsRef<Path>) -> Result<Examination, StoreError> {
    let (disk, directory) = (Disk::System, directory.as_ref());
    let _lock = lock(&disk, directory)?;
    Ok(salvage(&disk, directory)?.examination)
}

/// Writes a new snapshot of what [`examine`] finds whole, and begins a new log. The files as they were stay beside them,
/// as `snapshot.jsonl.damaged-N` and `log.jsonl.damaged-N`, where N is the snapshot's generation: no repair writes over what
/// an earlier one has kept. A repair that is interrupted, by an error or by the end of the process, can be repeated.
///
/// ```
/// # use matins_store_file::FileStore;
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().join("jobs");
/// drop(FileStore::open(&path)?);
/// // As if a part of the disk had been lost.
/// std::fs::OpenOptions::new().append(true).open(path.join("snapshot.jsonl")).and_then(|mut file| {
///     std::io::Write::write_all(&mut file, b"what is this?\n")
/// })?;
/// assert!(FileStore::open(&path).is_err());
///
/// let dropped = matins_store_file::repair(&path)?.damaged;
/// assert_eq!(dropped.len(), 1);
/// assert!(FileStore::open(&path).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`examine`]; and when the disk refuses.
pub fn repair(directory: impl AsRef<Path>) -> Result<Examination, StoreError> {
    repair_on(&Disk::System, directory.as_ref())
}

pub(crate) fn repair_on(disk: &Disk, directory: &Path) -> Result<Examination, StoreError> {
    let _lock = lock(disk, directory)?;
    let failed = |source| failed_at(directory, "repairing the store", source);
    disk.sync_directory(directory).map_err(failed)?;
    let Salvaged { examination, state, generation, log_generation } = salvage(disk, directory)?;
    for name in [SNAPSHOT, LOG] {
        let bytes = read_file(disk, &directory.join(name))?;
        let kept = disk.create(&free_place(disk, directory, name, generation)?).map_err(failed)?;
        kept.write_all_at(&bytes, 0).and_then(|()| kept.sync_all()).map_err(failed)?;
    }
    disk.sync_directory(directory).map_err(failed)?;
    let mut snapshot_place = InPlace::empty(directory.join(SNAPSHOT));
    let mut log_place = InPlace::empty(directory.join(LOG));
    if log_generation != generation {
        // Nothing in it can be used. A log of the snapshot that is there keeps the generations one apart at most.
        Log::create(disk, &mut log_place, generation).map_err(failed)?;
    }
    snapshot::write(disk, &mut snapshot_place, &state, generation + 1).map_err(failed)?;
    Log::create(disk, &mut log_place, generation + 1).map_err(failed)?;
    Ok(examination)
}

/// Where a damaged file is kept: where nothing lies, so that a repair that could not end keeps what it has kept.
fn free_place(disk: &Disk, directory: &Path, name: &str, generation: u64) -> Result<PathBuf, StoreError> {
    let mut number = 0_u32;
    loop {
        let suffix = if number == 0 { String::new() } else { format!("-{number}") };
        let place = directory.join(format!("{name}.damaged-{generation}{suffix}"));
        match disk.id(&place) {
            Ok(_) => number += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(place),
            Err(error) => return Err(failed_at(directory, "looking for a free name", error)),
        }
    }
}

fn lock(disk: &Disk, directory: &Path) -> Result<Lock, StoreError> {
    let is_there = |name: &str| match disk.id(&directory.join(name)) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(failed_at(directory, "looking for the store", error)),
    };
    if !is_there(SNAPSHOT)? && !is_there(LOG)? {
        return Err(StoreError::Damaged {
            place: directory.display().to_string(),
            what: "there is no store".to_owned(),
            cure: "name the directory of a file store",
            source: None,
        });
    }
    disk.lock(directory, &directory.join(OWNER))
}

/// What the files hold that can be used.
struct Salvaged {
    examination: Examination,
    state: State,
    /// The snapshot's.
    generation: u64,
    log_generation: u64,
}

fn salvage(disk: &Disk, directory: &Path) -> Result<Salvaged, StoreError> {
    let mut examination = Examination::default();
    let (snapshot_path, log_path) = (directory.join(SNAPSHOT), directory.join(LOG));
    let bytes = read_file(disk, &snapshot_path)?;
    let reader = Reader { path: &snapshot_path, bytes: &bytes };
    let mut damage = Damage::Note { path: &snapshot_path, lines: &mut examination.damaged };
    let (mut state, Head { generation, .. }) = snapshot::read(&reader, &mut damage)?;
    let bytes = read_file(disk, &log_path)?;
    let reader = Reader { path: &log_path, bytes: &bytes };
    let Head { generation: log_generation, format, .. } = log::head(&reader)?;
    let mut damage = Damage::Note { path: &log_path, lines: &mut examination.damaged };
    if log_generation == generation {
        examination.torn = log::replay(&reader, format, &mut state, &mut damage)?.torn;
    } else if log_generation + 1 != generation {
        let what = log::of_another_snapshot(log_generation, generation);
        damage.found(&reader.start(), &format!("{what}; none of its changes can be used"))?;
    }
    (examination.jobs, examination.runs) = state.memory.counts();
    examination.jobs += state.unreadable.len();
    examination.runs += state.unreadable_runs.len();
    Ok(Salvaged { examination, state, generation, log_generation })
}
