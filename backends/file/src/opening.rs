//! Opening a store: what is in its directory, and how it continues from there.

use std::io;
use std::path::Path;

use matins_core::StoreError;

use crate::damage::{Damage, Reader, damaged};
use crate::disk::Disk;
use crate::files::Files;
use crate::format::{FORMAT, State};
use crate::in_place::InPlace;
use crate::log::Log;
use crate::{LOG, OWNER, SNAPSHOT, TornTail, failed_at, log, snapshot};

/// What the files held.
pub(crate) struct Opened {
    pub(crate) state: State,
    pub(crate) files: Files,
    pub(crate) torn: Option<TornTail>,
}

/// Creates the directory if it is missing. Returns whether a new store is to be created in it.
pub(crate) fn prepare(disk: &Disk, directory: &Path) -> Result<bool, StoreError> {
    let failed = |source: io::Error| failed_at(directory, "opening the store", source);
    disk.create_directory(directory).map_err(failed)?;
    let names = disk.names(directory).map_err(failed)?;
    if names.iter().any(|name| name == SNAPSHOT) {
        return Ok(false);
    }
    // A process that ended while it created the store left no snapshot, and a log without changes.
    let ours = [OWNER, LOG, "log.jsonl.new", "snapshot.jsonl.new"];
    if let Some(foreign) = names.iter().find(|name| !ours.iter().any(|ours| *name == ours)) {
        return Err(StoreError::Damaged {
            place: directory.display().to_string(),
            what: format!("it holds no store, and other files, such as {}", foreign.display()),
            cure: "name an empty directory, or one that is not there yet; nothing was changed",
            source: None,
        });
    }
    if names.iter().any(|name| name == LOG) {
        let path = directory.join(LOG);
        let bytes = read_file(disk, &path)?;
        if (Reader { path: &path, bytes: &bytes }).lines().count() > 1 {
            return Err(damaged(&directory.join(SNAPSHOT), "beside a log with changes", "it is missing"));
        }
    }
    Ok(true)
}

/// Creates a new store in a directory that is [prepared](prepare) for it.
pub(crate) fn create(disk: &Disk, directory: &Path) -> Result<Opened, StoreError> {
    let failed = |source: io::Error| failed_at(directory, "creating the store", source);
    disk.sync_ancestors(directory).map_err(failed)?;
    let mut log_place = InPlace::empty(directory.join(LOG));
    let mut snapshot_place = InPlace::empty(directory.join(SNAPSHOT));
    // The snapshot is what makes it a store, so it comes last.
    let log = Log::create(disk, &mut log_place, 1).map_err(failed)?;
    let state = State::default();
    let length = snapshot::write(disk, &mut snapshot_place, &state, 1).map_err(failed)?;
    let files = Files::new(disk.clone(), directory.to_owned(), (snapshot_place, length), (log_place, log));
    Ok(Opened { state, files, torn: None })
}

/// Reads the store in a directory.
pub(crate) fn read(disk: &Disk, directory: &Path) -> Result<Opened, StoreError> {
    let failed = |source: io::Error| failed_at(directory, "opening the store", source);
    // The process before may have ended between a renaming and its flush. What is read from here on is durable.
    disk.sync_directory(directory).map_err(failed)?;
    let (snapshot_path, log_path) = (directory.join(SNAPSHOT), directory.join(LOG));
    let snapshot_bytes = read_file(disk, &snapshot_path)?;
    let log_bytes = read_file(disk, &log_path)?;
    let reader = Reader { path: &snapshot_path, bytes: &snapshot_bytes };
    let (mut state, head) = snapshot::read(&reader, &mut Damage::Refuse(&snapshot_path))?;
    let generation = head.generation;
    let reader = Reader { path: &log_path, bytes: &log_bytes };
    let log_head = log::head(&reader)?;
    let (log, log_place, torn) = if log_head.generation + 1 == generation {
        // The process ended between the two renamings: the snapshot contains all of that log.
        let mut place = InPlace::empty(log_path);
        (Log::create(disk, &mut place, generation).map_err(failed)?, place, None)
    } else if log_head.generation == generation {
        let replayed = log::replay(&reader, log_head.format, &mut state, &mut Damage::Refuse(&log_path))?;
        let (log, place) = Log::resume(disk, &log_path, &log_bytes, generation, &replayed).map_err(failed)?;
        (log, place, replayed.torn)
    } else {
        let what = log::of_another_snapshot(log_head.generation, generation);
        return Err(damaged(&log_path, "line 1, byte 0", &what));
    };
    let snapshot_place = InPlace::with(snapshot_path.clone(), disk.id(&snapshot_path).map_err(failed)?);
    let snapshot = (snapshot_place, snapshot_bytes.len() as u64);
    let mut files = Files::new(disk.clone(), directory.to_owned(), snapshot, (log_place, log));
    if log_head.format < FORMAT {
        // A log has lines of one format only, so that its end is read as it was written.
        files.upgrade(&state);
    }
    Ok(Opened { state, files, torn })
}

pub(crate) fn read_file(disk: &Disk, path: &Path) -> Result<Vec<u8>, StoreError> {
    disk.read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => damaged(path, "beside the other file of the store", "it is missing"),
        _ => failed_at(path, "reading", source),
    })
}
