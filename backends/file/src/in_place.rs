//! A file that is replaced as a whole: written beside, flushed, and renamed into its place.

use std::io;
use std::path::{Path, PathBuf};

use matins_core::StoreError;

use crate::disk::{Disk, Handle, Id};
use crate::failed_at;

/// The place of a file, and which of the store's files is there.
#[derive(Debug)]
pub(crate) struct InPlace {
    path: PathBuf,
    /// The file that was last put there.
    current: Option<Id>,
    /// A file whose renaming was attempted: an error does not say that it did not take place.
    attempted: Option<Id>,
}

impl InPlace {
    /// The place of a file that has not been written yet.
    pub(crate) fn empty(path: PathBuf) -> Self {
        Self { path, current: None, attempted: None }
    }

    /// The place of a file that is there.
    pub(crate) fn with(path: PathBuf, id: Id) -> Self {
        Self { path, current: Some(id), attempted: None }
    }

    /// Where the next file is written before it is put in place.
    pub(crate) fn beside(&self) -> PathBuf {
        self.path.with_extension("jsonl.new")
    }

    /// Makes `file`, which was written [`beside`](Self::beside), durable and puts it in place.
    ///
    /// After an error either file may be in place. [`check`](Self::check) finds out which, and must be called before
    /// the next attempt.
    pub(crate) fn replace(&mut self, disk: &Disk, file: &Handle) -> io::Result<()> {
        file.sync_all()?;
        self.attempted = Some(file.id()?);
        disk.rename(&self.beside(), &self.path)?;
        disk.sync_directory(self.path.parent().unwrap_or(Path::new(".")))?;
        self.current = self.attempted.take();
        Ok(())
    }

    /// Whether the file before the last [`replace`](Self::replace), which failed, is certain to be in place still.
    pub(crate) fn is_unchanged(&self, disk: &Disk) -> bool {
        self.attempted.is_none() || disk.id(&self.path).is_ok_and(|id| Some(id) == self.current)
    }

    /// Returns whether a file is in place.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it is a file that this store has not put there; and if the disk cannot be read.
    pub(crate) fn check(&mut self, disk: &Disk) -> Result<bool, StoreError> {
        match disk.id(&self.path) {
            Ok(id) if Some(id) == self.current => Ok(true),
            Ok(id) if Some(id) == self.attempted => {
                self.current = self.attempted.take();
                Ok(true)
            }
            Ok(_) => Err(StoreError::Damaged {
                place: self.path.display().to_string(),
                what: "another file was put in its place while the store was open".to_owned(),
                cure: "put the store's file back or remove the other one; or restart the scheduler to use the other one",
                source: None,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed_at(&self.path, "looking for the file", error)),
        }
    }
}
