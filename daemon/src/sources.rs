//! The files that say what is to be run, read whole before anything is changed.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use matins::config::{ExecutorConfig, StoreConfig};
use matins::definitions::Definition;
use matins::definitions::Hook;
use matins::definitions::crontab::{self, Crontab, Form, Note};
use matins::definitions::{Configuration, Diagnostic, report};
use matins::triggers::Zone;
use matins::{ExecutorName, Retention};

use crate::safety;
use crate::zone_rules::system_zone;

/// Where jobs are defined.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A configuration.
    pub config: Option<PathBuf>,
    /// A crontab.
    pub crontab: Option<PathBuf>,
    /// Which columns the crontab has.
    pub form: Form,
    /// Of jobs that name none, whatever the files say.
    pub zone: Option<Zone>,
}

/// What they say.
#[derive(Debug, Clone)]
pub struct Defined {
    /// The files, each with its jobs.
    pub files: Vec<DefinedFile>,
    /// Where jobs are kept.
    pub store: Option<StoreConfig>,
    /// How long to wait for another process that owns the store.
    pub wait_for_owner: Option<Duration>,
    /// The zone of jobs that name none.
    pub zone: Zone,
    /// How much of the ledger is kept.
    pub retention: Retention,
    /// What is run when runs have ended.
    pub hooks: Vec<Hook>,
    /// Beside the one that runs commands here, or in its place.
    pub executors: BTreeMap<ExecutorName, ExecutorConfig>,
}

/// What one of them says.
#[derive(Debug, Clone)]
pub struct DefinedFile {
    /// Where it is.
    pub path: PathBuf,
    /// The jobs that it defines.
    pub jobs: Vec<Definition>,
    /// What the author of a crontab may not expect.
    pub notes: Vec<Note>,
}

impl DefinedFile {
    /// Whether it is a crontab.
    pub fn is_crontab(&self) -> bool {
        self.jobs.iter().any(|job| job.proposed_id.is_some()) || !self.notes.is_empty()
    }
}

impl Sources {
    /// Reads them.
    ///
    /// # Errors
    /// All that is wrong in the first file that is wrong.
    pub fn read(&self) -> Result<Defined, String> {
        let mut zone = self.zone;
        let mut defined = Defined {
            files: Vec::new(),
            store: None,
            wait_for_owner: None,
            zone: Zone::utc(),
            retention: Retention::default(),
            hooks: Vec::new(),
            executors: BTreeMap::new(),
        };
        if let Some(path) = &self.config {
            let text = read(path)?;
            safety::refuse_if_others_can_write(path)?;
            let config = Configuration::parse(&text, zone.map_or_else(system_zone, Ok)?)
                .map_err(|faults| report(path, &faults))?;
            zone = zone.or(config.zone);
            defined.store = config.store;
            defined.wait_for_owner = config.wait_for_owner;
            defined.retention = config.retention;
            defined.hooks = config.hooks;
            defined.executors = config.executors;
            defined.files.push(DefinedFile { path: path.clone(), jobs: config.jobs, notes: Vec::new() });
        }
        defined.zone = zone.map_or_else(system_zone, Ok)?;
        if let Some(path) = &self.crontab {
            let text = read_bytes(path)?;
            safety::refuse_if_others_can_write(path)?;
            let options = crontab::Options::new(defined.zone, self.form);
            let Crontab { mut jobs, notes } =
                crontab::parse(&text, &options).map_err(|faults| report(path, &faults))?;
            let named: HashSet<&str> = defined.definitions().map(|job| job.id.as_str()).collect();
            crontab::assign_ids(&mut jobs, &[], |id| named.contains(id));
            defined.files.push(DefinedFile { path: path.clone(), jobs, notes });
        }
        Ok(defined)
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path)
        .map_err(|error| format!("cannot read {}: {error}; name a file that you may read", path.display()))
}

/// Reads a file of UTF-8, without the byte order mark that some editors put before it.
fn read(path: &Path) -> Result<String, String> {
    let bytes = read_bytes(path)?;
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..place]);
        let fault = Diagnostic::at(&before, place, "this is not in UTF-8; save the file in that encoding");
        report(path, &[fault])
    })?;
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}

impl Defined {
    /// All jobs of all files.
    pub fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.files.iter().flat_map(|file| &file.jobs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_in_utf8_with_a_byte_order_mark_or_without() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.toml");
        std::fs::write(&path, "\u{feff}0 9 * * * echo \u{e9}t\u{e9}\n").unwrap();
        assert_eq!(read(&path).unwrap(), "0 9 * * * echo \u{e9}t\u{e9}\n");
        std::fs::write(&path, b"# one\n0 9 * * * echo \xe9t\xe9\n").unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.contains("a.toml:2:16: this is not in UTF-8"), "{error}");
    }
}
