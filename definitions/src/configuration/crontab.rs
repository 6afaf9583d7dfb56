//! `[[crontab]]`: files whose lines are jobs too.

use std::collections::BTreeSet;
use std::path::PathBuf;

use matins_triggers::Zone;
use serde::Deserialize;
use toml::Spanned;

use super::Reader;
use crate::crontab::Form;
use crate::diagnostic::Diagnostic;

/// A crontab that a configuration names: `[[crontab]]`. Whoever runs the jobs reads it, with
/// [`crontab::parse`](crate::crontab::parse).
///
/// ```
/// use matins_definitions::Configuration;
/// use matins_triggers::Zone;
///
/// let text = "[[crontab]]\nfile = \"cron.d/backup\"\nsystem = true\n";
/// let configuration = Configuration::parse(text, Zone::utc()).unwrap();
/// assert_eq!(configuration.crontabs[0].file.to_str(), Some("cron.d/backup"));
/// assert_eq!(configuration.crontabs[0].named_at, (2, 8));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedCrontab {
    /// Where it is, from the directory of the configuration.
    pub file: PathBuf,
    /// Which columns its lines have.
    pub form: Form,
    /// Where the configuration names it: line and column, from 1.
    pub named_at: (usize, usize),
    /// The zone of lines without a `CRON_TZ` above them, if it is not that of the configuration.
    pub zone: Option<Zone>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CrontabKeys {
    file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    system: bool,
    timezone: Option<Spanned<String>>,
}

impl Reader<'_> {
    pub(super) fn crontabs(&mut self, crontabs: &[Spanned<CrontabKeys>]) -> Vec<NamedCrontab> {
        let mut read = Vec::new();
        let mut seen = BTreeSet::new();
        for crontab in crontabs {
            let place = crontab.span().start;
            let keys = crontab.get_ref();
            let zone = keys.timezone.as_ref().map(|name| self.zone(name.get_ref(), name.span().start));
            let Some(file) = &keys.file else {
                if !self.incomplete.contains(&place) {
                    self.fault::<()>(place, "a crontab needs `file`, such as file = \"/etc/crontab\"");
                }
                continue;
            };
            if !seen.insert(file.get_ref()) {
                let message =
                    format!("{} is there twice; its jobs would run twice", file.get_ref().display());
                self.fault::<()>(file.span().start, message);
                continue;
            }
            if file.get_ref().as_os_str().is_empty() {
                self.fault::<()>(file.span().start, "the name of the file is empty; name a crontab");
                continue;
            }
            let Diagnostic { line, column, .. } = Diagnostic::at(self.text, file.span().start, "");
            let form = if keys.system { Form::System } else { Form::User };
            read.push(NamedCrontab {
                file: file.get_ref().clone(),
                form,
                named_at: (line, column),
                zone: zone.flatten(),
            });
        }
        read
    }
}
