//! The files that say what is to be run, read whole before anything is changed.

use std::path::{Path, PathBuf};

use matins::Retention;
use matins::config::StoreUrl;
use matins::triggers::Zone;

use crate::config::Hook;
use crate::definition::Definition;
use crate::{config, crontab, diagnostic, read, safety, system_zone};

/// Where jobs are defined.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    pub(crate) config: Option<PathBuf>,
    pub(crate) crontab: Option<PathBuf>,
    /// Of jobs that name none, whatever the files say.
    pub(crate) zone: Option<Zone>,
}

/// What they say.
#[derive(Debug)]
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
            let config = config::parse(&text, zone.unwrap_or_else(system_zone))
                .map_err(|faults| diagnostic::report(path, &faults))?;
            zone = zone.or(config.zone);
            defined.store = config.store;
            defined.retention = config.retention;
            defined.hooks = config.hooks;
            defined.files.push((path.clone(), config.jobs));
        }
        defined.zone = zone.unwrap_or_else(system_zone);
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

impl Defined {
    /// All jobs of all files.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.files.iter().flat_map(|(_, jobs)| jobs)
    }
}
