//! The files that say what is to be run, read whole before anything is changed.

use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use matins::config::{ExecutorConfig, LedgerConfig, StoreConfig};
use matins::definitions::crontab::{self, Crontab, Form, Note};
use matins::definitions::{Configuration, Defaults, Definition, Diagnostic, Hook, report};
use matins::triggers::Zone;
use matins::{ExecutorName, StoreName};

use crate::open_store::refuse_stores;
use crate::read_file::read_file;
use crate::zone_rules::system_zone;
use crate::{safety, source_file};

/// Where jobs are defined.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A configuration: JSON if its name ends in `.json`, else TOML.
    pub config: Option<PathBuf>,
    /// A crontab, beside those that the configuration names.
    pub crontab: Option<PathBuf>,
    /// Which columns the crontab has.
    pub form: Form,
    /// Of jobs that name none, whatever the files say.
    pub zone: Option<Zone>,
}

/// What they say.
#[derive(Debug, Clone)]
pub struct Defined {
    /// The files, each with its jobs: the configuration first, and then the crontabs.
    pub files: Vec<DefinedFile>,
    /// Where jobs are kept.
    pub stores: BTreeMap<StoreName, StoreConfig>,
    /// How long to wait for another process that owns a store.
    pub wait_for_owner: Option<Duration>,
    /// What jobs get that say nothing else, and the zone of those that name none.
    pub defaults: Defaults,
    /// How much of the ledger is kept.
    pub ledger: LedgerConfig,
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
    /// Whether it is a crontab.
    pub is_crontab: bool,
    /// The configuration that names it, if one does.
    pub named_by: Option<PathBuf>,
    /// The jobs that it defines.
    pub jobs: Vec<Definition>,
    /// What the author of a crontab may not expect.
    pub notes: Vec<Note>,
}

/// A crontab that is to be read.
struct CrontabToRead {
    path: PathBuf,
    options: crontab::Options,
    /// The configuration that names it, and its line and column there.
    named_by: Option<(PathBuf, (usize, usize))>,
}

impl Sources {
    /// Reads them.
    ///
    /// # Errors
    /// All that is wrong in the first file that is wrong.
    pub fn read(&self) -> Result<Defined, String> {
        let mut crontabs = Vec::new();
        let mut defined = match &self.config {
            Some(path) => self.read_configuration(path, &mut crontabs)?,
            None => Defined {
                files: Vec::new(),
                stores: BTreeMap::new(),
                wait_for_owner: None,
                defaults: Defaults::new(self.zone.map_or_else(system_zone, Ok)?),
                ledger: LedgerConfig::default(),
                hooks: Vec::new(),
                executors: BTreeMap::new(),
            },
        };
        crontabs.extend(self.crontab.as_ref().map(|path| CrontabToRead {
            path: path.clone(),
            options: crontab::Options::new(defined.defaults.zone, self.form),
            named_by: None,
        }));
        let mut files = BTreeMap::new();
        for crontab in crontabs {
            let file = crontab.read(&defined, &mut files)?;
            defined.files.push(file);
        }
        Ok(defined)
    }

    /// The crontabs that are to be read. Of them all, only the configuration is read for that.
    pub(crate) fn crontabs(&self) -> Result<Vec<PathBuf>, String> {
        let mut named = Vec::new();
        if let Some(path) = &self.config {
            self.read_configuration(path, &mut named)?;
        }
        Ok(named.into_iter().map(|crontab| crontab.path).chain(self.crontab.clone()).collect())
    }

    fn read_configuration(&self, path: &Path, crontabs: &mut Vec<CrontabToRead>) -> Result<Defined, String> {
        let text = read(path)?;
        safety::refuse_if_others_can_write(path)?;
        let parse = if is_json(path) { Configuration::parse_json } else { Configuration::parse };
        let own_zone = self.zone.map_or_else(system_zone, Ok)?;
        let config = parse(&text, own_zone).map_err(|faults| report(path, &faults))?;
        let stores = config.scheduler.stores.iter().map(|(name, store)| (name, &store.url));
        refuse_stores(stores).map_err(|message| format!("{}: {message}", path.display()))?;
        let mut defaults = config.defaults(own_zone);
        defaults.zone = self.zone.unwrap_or(defaults.zone);
        let directory = path.parent().unwrap_or(Path::new(""));
        crontabs.extend(config.crontabs.into_iter().map(|named| CrontabToRead {
            path: directory.join(named.file),
            options: crontab::Options::new(named.zone.unwrap_or(defaults.zone), named.form),
            named_by: Some((path.to_owned(), named.named_at)),
        }));
        let file = DefinedFile {
            path: path.to_owned(),
            is_crontab: false,
            named_by: None,
            jobs: config.jobs,
            notes: Vec::new(),
        };
        Ok(Defined {
            files: vec![file],
            stores: config.scheduler.stores,
            wait_for_owner: config.wait_for_owner,
            defaults,
            ledger: config.scheduler.ledger,
            hooks: config.hooks,
            executors: config.scheduler.executors,
        })
    }
}

impl CrontabToRead {
    /// `files` are those that were read before, by what they are on the disk.
    fn read(
        &self,
        defined: &Defined,
        files: &mut BTreeMap<(u64, u64), PathBuf>,
    ) -> Result<DefinedFile, String> {
        let path = self.path.clone();
        let text = read_bytes(&path).map_err(|message| self.told(&message))?;
        safety::refuse_if_others_can_write(&path).map_err(|message| self.told(&message))?;
        let file = std::fs::metadata(&path).map(|file| (file.dev(), file.ino()));
        if let Ok(file) = file
            && let Some(other) = files.insert(file, path.clone())
        {
            let is_one_name = source_file::name(&path) == source_file::name(&other);
            let (path, other) = (path.display(), other.display());
            return Err(self.told(&if is_one_name {
                format!("{path} is named twice, and its jobs would run twice; name it once")
            } else {
                format!("{path} is the same file as {other}, and its jobs would run twice; name it once")
            }));
        }
        let Crontab { mut jobs, notes } =
            crontab::parse(&text, &self.options).map_err(|faults| report(&path, &faults))?;
        let named_by = self.named_by.as_ref().map(|(configuration, _)| configuration.clone());
        let named: HashSet<&str> = defined.definitions().map(|job| job.id.as_str()).collect();
        crontab::assign_ids(&mut jobs, &[], |id| named.contains(id));
        Ok(DefinedFile { path, is_crontab: true, named_by, jobs, notes })
    }

    /// A message about the file, and not about its text: at the place in the configuration that names it.
    fn told(&self, message: &str) -> String {
        match &self.named_by {
            Some((configuration, (line, column))) => {
                format!("{}:{line}:{column}: {message}", configuration.display())
            }
            None => message.to_owned(),
        }
    }
}

/// Whether a configuration is in JSON, and not in TOML.
fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    read_file(path)
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
    /// The crontabs among the files.
    pub(crate) fn crontabs(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().filter(|file| file.is_crontab).map(|file| file.path.as_path())
    }

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
