//! The files of an open store: appending a change, and replacing snapshot and log when the log has grown or a write has
//! failed.
//!
//! # After an error
//! An error says little about what is on the disk. A failed write may have been made, in part or in full; after a failed
//! `fsync` the kernel may drop what was written, although it can still be read, and report success the next time; a
//! failed renaming may have taken place. So the files are *suspect* from then on, and nothing is acknowledged before a
//! new snapshot and a new log, both flushed, have replaced them. This is tried with each further change, so that the
//! store works again when the disk does.
//!
//! The order makes each moment of it safe:
//!
//! | on the disk | when opened |
//! | --- | --- |
//! | snapshot *n*, log *n* | the log is replayed on the snapshot |
//! | snapshot *n + 1*, log *n* | the snapshot contains the log: a new log *n + 1* is begun |
//! | snapshot *n + 1*, log *n + 1* | as the first |
//!
//! A snapshot is always one generation ahead of the log that is durably in place, however often it is attempted: no
//! number of failures leaves a pair of files that is not in this table.

use std::path::PathBuf;

use matins_core::StoreError;

use crate::disk::Disk;
use crate::format::{Change, State, WriteError};
use crate::in_place::InPlace;
use crate::log::Log;
use crate::{failed_at, snapshot};

/// The log is folded into a new snapshot when it is longer than this, in bytes, and than [`FOLD_AT`] snapshots.
const FOLD_FROM: u64 = if cfg!(test) { 8 << 10 } else { 4 << 20 };
/// Limits what folding writes to a quarter of what the log has.
const FOLD_AT: u64 = 4;

/// The snapshot and the log of an open store.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) disk: Disk,
    pub(crate) directory: PathBuf,
    pub(crate) snapshot: InPlace,
    /// The generation of the snapshot that is durably in place: the log's, or one more while a new log is outstanding.
    pub(crate) generation: u64,
    pub(crate) log_place: InPlace,
    pub(crate) log: Log,
    /// At what length the log is folded into a new snapshot.
    fold_from: u64,
    /// What is on the disk is not known, or is to be replaced: see the [module](self).
    is_suspect: bool,
}

impl Files {
    /// The files of a store that was just opened.
    pub(crate) fn new(
        disk: Disk,
        directory: PathBuf,
        (snapshot, snapshot_length): (InPlace, u64),
        (log_place, log): (InPlace, Log),
    ) -> Self {
        let generation = log.generation;
        let fold_from = fold_from(snapshot_length);
        Self { disk, directory, snapshot, generation, log_place, log, fold_from, is_suspect: false }
    }

    /// Replaces both files by ones of the present format. If the disk fails, this is repeated with the next change.
    pub(crate) fn upgrade(&mut self, state: &State) {
        self.is_suspect = true;
        let _ = self.fold(state);
    }

    /// Prepares a change for [`append`](Self::append), on files that are as they should be. `state` is what the store
    /// holds before the change.
    pub(crate) fn prepare(
        &mut self,
        doing: &str,
        state: &State,
        change: &Change<'_>,
    ) -> Result<(), StoreError> {
        self.check()?;
        if !self.is_suspect && self.log.end > self.fold_from && self.fold(state).is_err() {
            // Unless the files are suspect now, they remain in use.
            self.fold_from = self.log.end * 2;
            self.check()?;
        }
        if self.is_suspect {
            self.fold(state)?;
        }
        self.log.prepare(change).map_err(|error| match error {
            WriteError::Refused(error) => error.into(),
            WriteError::Json(error) => failed_at(&self.directory, doing, error.into()),
        })
    }

    /// Writes the prepared change and flushes the disk.
    ///
    /// # Errors
    /// If the disk fails. The change may then be in the log or not.
    pub(crate) fn append(&mut self, doing: &str) -> Result<(), StoreError> {
        self.log.append().map_err(|source| {
            self.is_suspect = true;
            failed_at(&self.directory, doing, source)
        })
    }

    /// Files that were removed are written again, because all that they held is in memory. Files of others are not
    /// written over.
    fn check(&mut self) -> Result<(), StoreError> {
        self.log.process().check(&self.directory)?;
        if !self.snapshot.check(&self.disk)? {
            self.generation = self.log.generation;
            self.is_suspect = true;
        }
        if !self.log_place.check(&self.disk)? {
            self.is_suspect = true;
        }
        Ok(())
    }

    /// Replaces snapshot and log, or the log alone if an earlier attempt got as far as the snapshot: nothing was
    /// acknowledged since.
    fn fold(&mut self, state: &State) -> Result<(), StoreError> {
        let generation = self.log.generation + 1;
        if self.generation != generation {
            let written = snapshot::write(&self.disk, &mut self.snapshot, state, generation);
            let length = written.map_err(|source| {
                self.is_suspect |= !self.snapshot.is_unchanged(&self.disk);
                failed_at(&self.directory, "writing a new snapshot", source)
            })?;
            self.fold_from = fold_from(length);
            self.generation = generation;
        }
        // The snapshot contains the old log: nothing may be acknowledged before there is a new one.
        self.is_suspect = true;
        self.log = Log::create(&self.disk, &mut self.log_place, generation)
            .map_err(|source| failed_at(&self.directory, "beginning a new log", source))?;
        self.is_suspect = false;
        Ok(())
    }
}

fn fold_from(snapshot_length: u64) -> u64 {
    FOLD_FROM.max(FOLD_AT * snapshot_length)
}
