//! What can be saved of a damaged store, first shown, then done.

use std::fs::{self, File};
use std::path::Path;

use matins_core::StoreError;
use matins_store_owner::Owner;

use crate::damage::{Damage, DamagedLine, Reader};
use crate::format::State;
use crate::{LOG, OWNER, SNAPSHOT, TornTail, failed_at, log, read_file, snapshot};

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
/// # Errors
/// When another process owns the store, when a file cannot be read, is of a later format, or has no head.
pub fn examine(directory: impl AsRef<Path>) -> Result<Examination, StoreError> {
    let directory = directory.as_ref();
    let _owner = owner_of(directory)?;
    Ok(salvage(directory)?.0)
}

/// Writes a new snapshot of what [`examine`] finds whole, and begins a new log. The files as they were stay beside them,
/// as `snapshot.jsonl.damaged-N` and `log.jsonl.damaged-N`, where N is the snapshot's generation: no repair writes over what
/// an earlier one has kept.
///
/// # Errors
/// As [`examine`]; and when the disk refuses.
pub fn repair(directory: impl AsRef<Path>) -> Result<Examination, StoreError> {
    let directory = directory.as_ref();
    let _owner = owner_of(directory)?;
    let (examination, state, generation) = salvage(directory)?;
    let failed = |source| failed_at(directory, "repairing the store", source);
    for name in [SNAPSHOT, LOG] {
        let kept = directory.join(format!("{name}.damaged-{generation}"));
        fs::copy(directory.join(name), &kept).map_err(failed)?;
        File::open(&kept).and_then(|kept| kept.sync_all()).map_err(failed)?;
    }
    snapshot::write(&directory.join(SNAPSHOT), &state, generation + 1).map_err(failed)?;
    log::Log::create(&directory.join(LOG), generation + 1).map_err(failed)?;
    Ok(examination)
}

fn owner_of(directory: &Path) -> Result<Owner, StoreError> {
    if !directory.join(SNAPSHOT).exists() && !directory.join(LOG).exists() {
        return Err(StoreError::Damaged {
            place: directory.display().to_string(),
            what: "there is no store".to_owned(),
            cure: "name the directory of a file store",
        });
    }
    Owner::take(directory, &directory.join(OWNER))
}

fn salvage(directory: &Path) -> Result<(Examination, State, u64), StoreError> {
    let mut examination = Examination::default();
    let (snapshot_path, log_path) = (directory.join(SNAPSHOT), directory.join(LOG));
    let bytes = read_file(&snapshot_path)?;
    let reader = Reader { path: &snapshot_path, bytes: &bytes };
    let mut damage = Damage::Note { path: &snapshot_path, lines: &mut examination.damaged };
    let (mut state, head) = snapshot::read(&reader, &mut damage)?;
    let bytes = read_file(&log_path)?;
    let reader = Reader { path: &log_path, bytes: &bytes };
    let log_generation = log::head(&reader)?.generation;
    let mut damage = Damage::Note { path: &log_path, lines: &mut examination.damaged };
    if log_generation == head.generation {
        examination.torn = log::replay(&reader, &mut state, &mut damage)?.torn;
    } else if log_generation + 1 != head.generation {
        let what = log::of_another_snapshot(log_generation, head.generation);
        damage.found(&reader.start(), &format!("{what}; none of its changes can be used"))?;
    }
    (examination.jobs, examination.runs) = state.memory.counts();
    examination.jobs += state.unreadable.len();
    Ok((examination, state, head.generation))
}
