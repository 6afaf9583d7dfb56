//! The files that say what is to be run, read whole before anything is changed.

use std::path::{Path, PathBuf};

use matins::Retention;
use matins::config::StoreUrl;
use matins::triggers::Zone;

use crate::config::Hook;
use crate::definition::Definition;
use crate::diagnostic::{self, Diagnostic};
use crate::zone_rules::system_zone;
use crate::{config, crontab, safety};

/// Where jobs are defined.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    pub(crate) config: Option<PathBuf>,
    pub(crate) crontab: Option<PathBuf>,
    /// Of jobs that name none, whatever the files say.
    pub(crate) zone: Option<Zone>,
}

/// What they say.
#[derive(Debug, Clone)]
pub(crate) struct Defined {
    pub(crate) files: Vec<(PathBuf, Vec<Definition>)>,
    pub(crate) store: Option<StoreUrl>,
    pub(crate) zone: Zone,
    pub(crate) retention: Retention,
    pub(crate) hooks: Vec<Hook>,
}

impl Sources {
    /// A configuration if its name ends in .toml, else a crontab.
    pub(crate) fn one(path: &Path, zone: Option<Zone>) -> Self {
        let path = path.to_owned();
        if path.extension().is_some_and(|extension| extension == "toml") {
            Self { config: Some(path), crontab: None, zone }
        } else {
            Self { config: None, crontab: Some(path), zone }
        }
    }

    /// Reads them.
    ///
    /// # Errors
    /// All that is wrong in the first file that is wrong; and when both define a job.
    pub(crate) fn read(&self) -> Result<Defined, String> {
        let mut zone = self.zone;
        let mut defined = Defined {
            files: Vec::new(),
            store: None,
            zone: Zone::utc(),
            retention: Retention::default(),
            hooks: Vec::new(),
        };
        if let Some(path) = &self.config {
            let text = read(path)?;
            safety::refuse_if_others_can_write(path)?;
            let config = config::parse(&text, zone.map_or_else(system_zone, Ok)?)
                .map_err(|faults| diagnostic::report(path, &faults))?;
            zone = zone.or(config.zone);
            defined.store = config.store;
            defined.retention = config.retention;
            defined.hooks = config.hooks;
            defined.files.push((path.clone(), config.jobs));
        }
        defined.zone = zone.map_or_else(system_zone, Ok)?;
        if let Some(path) = &self.crontab {
            let text = read(path)?;
            safety::refuse_if_others_can_write(path)?;
            let jobs =
                crontab::parse(&text, defined.zone).map_err(|faults| diagnostic::report(path, &faults))?;
            defined.files.push((path.clone(), jobs));
        }
        let mut ids: Vec<&str> = defined.definitions().map(|job| job.id.as_str()).collect();
        ids.sort_unstable();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            let twice = pair[0];
            return Err(format!(
                "both files define a job {twice:?}; rename one of them; nothing was changed"
            ));
        }
        Ok(defined)
    }
}

/// Reads a file of UTF-8, without the byte order mark that some editors put before it.
fn read(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path)
        .map_err(|error| format!("cannot read {}: {error}; name a file that you may read", path.display()))?;
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..place]);
        let fault = Diagnostic::at(&before, place, "this is not in UTF-8; save the file in that encoding");
        diagnostic::report(path, &[fault])
    })?;
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}

impl Defined {
    /// All jobs of all files.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.files.iter().flat_map(|(_, jobs)| jobs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_in_utf8_with_a_byte_order_mark_or_without() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.crontab");
        std::fs::write(&path, "\u{feff}0 9 * * * echo \u{e9}t\u{e9}\n").unwrap();
        assert_eq!(read(&path).unwrap(), "0 9 * * * echo \u{e9}t\u{e9}\n");
        std::fs::write(&path, b"# one\n0 9 * * * echo \xe9t\xe9\n").unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.contains("a.crontab:2:16: this is not in UTF-8"), "{error}");
    }
}
