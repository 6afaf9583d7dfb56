//! All zones that this process knows, and the tz database that they come from.
//!
//! The rules of a zone are kept once, for the rest of the process, so that a [`Zone`](super::Zone) is a mere pointer. When the
//! database is read again and a zone has other rules, these are linked behind the old ones, and every `Zone` that points to
//! the old ones follows that link. Rules that were there before are linked again and not kept twice. So the memory that is
//! never freed is bounded by the number of zones that were asked for, and of different rules that they had.

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::database::{self, Database, Found};
use super::error::UnknownZone;
use super::posix;
use super::span::{Rules, Table};
use super::table;

/// The environment variable that says where zone rules come from.
pub(super) const VARIABLE: &str = "MATINS_TZDATA";

/// How many zones may be given by a rule or a file: there is no end of rules.
const MOST_GIVEN: usize = 256;

/// UTC is in no database.
static UTC: Rules = Rules::new("UTC", table::UTC);

static REGISTRY: LazyLock<RwLock<Registry>> = LazyLock::new(|| RwLock::new(Registry::new()));

/// Where zone rules should come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RulesSource {
    /// Where the environment says.
    Environment,
    Bundled,
    Directory(PathBuf),
}

pub(super) struct Registry {
    choice: RulesSource,
    pub(super) database: Database,
    zones: HashMap<&'static str, Known>,
    /// How many of them are rules and files.
    given: usize,
}

struct Known {
    newest: &'static Rules,
    /// All tables that it had.
    tables: Vec<Table>,
    /// Why its rules do not come from where they should.
    problem: Option<String>,
    /// Whether its name is a POSIX rule, which never changes.
    is_rule: bool,
}

#[inline]
pub(super) fn utc() -> &'static Rules {
    &UTC
}

/// The registry, to look at.
pub(super) fn read() -> RwLockReadGuard<'static, Registry> {
    REGISTRY.read().unwrap_or_else(PoisonError::into_inner)
}

/// The registry, to change.
pub(super) fn write() -> RwLockWriteGuard<'static, Registry> {
    REGISTRY.write().unwrap_or_else(PoisonError::into_inner)
}

/// The rules of the zone of this name, path or POSIX rule.
pub(super) fn named(name: &str) -> Result<&'static Rules, UnknownZone> {
    // The same names, as tzset(3) has it.
    let name = name.strip_prefix("posix/").unwrap_or(name);
    if name == UTC.name {
        return Ok(&UTC);
    }
    if let Some(known) = read().zones.get(name) {
        return Ok(known.newest);
    }
    write().add(name)
}

impl Registry {
    fn new() -> Self {
        // The tests of this crate compare fire times, which must not depend on the system's data.
        let choice = if cfg!(test) { RulesSource::Bundled } else { RulesSource::Environment };
        Self { database: open(&choice), choice, zones: HashMap::new(), given: 0 }
    }

    /// Reads a zone that was not asked for before.
    fn add(&mut self, name: &str) -> Result<&'static Rules, UnknownZone> {
        if let Some(known) = self.zones.get(name) {
            return Ok(known.newest);
        }
        let is_rule = posix::is_rule(name) && !database::is_bundled(name);
        let is_given = is_path(name) || is_rule;
        if is_given && self.given == MOST_GIVEN {
            let reason = format!("this process has {MOST_GIVEN} zones that are rules or files; use names");
            return Err(UnknownZone::because(name, reason));
        }
        let Found { table, fallback: problem } = load(&self.database, name)?;
        self.given += usize::from(is_given);
        let (name, table) = (&*name.to_owned().leak(), table.keep());
        let newest: &'static Rules = Box::leak(Box::new(Rules::new(name, table)));
        self.zones.insert(name, Known { newest, tables: vec![table], problem, is_rule });
        Ok(newest)
    }

    /// Reads the database and all zones again; those whose rules are others now.
    pub(super) fn refresh(&mut self, choice: Option<RulesSource>) -> Vec<&'static Rules> {
        let before = self.choice.clone();
        self.choice = choice.unwrap_or_else(|| before.clone());
        // Bundled data and rules say the same as before, however often they are read.
        let stays_bundled = [&before, &self.choice].iter().all(|choice| **choice == RulesSource::Bundled);
        let can_change = |name: &str, known: &Known| !known.is_rule && (!stays_bundled || is_path(name));
        self.database = open(&self.choice);
        let mut changed = Vec::new();
        for (name, known) in self.zones.iter_mut().filter(|(name, known)| can_change(name, known)) {
            match load(&self.database, name) {
                Ok(found) => {
                    known.problem = found.fallback;
                    changed.extend(known.take(name, found.table));
                }
                Err(error) => known.problem = Some(format!("{error}; the rules read before are kept")),
            }
        }
        changed.sort_unstable_by_key(|rules| rules.name);
        changed
    }

    /// What is wrong with the zones that were asked for, by name.
    pub(super) fn problems(&self) -> Vec<String> {
        let problems = self.zones.iter().filter_map(|(name, known)| Some((*name, known.problem.as_ref()?)));
        let mut problems: Vec<String> =
            problems.map(|(name, problem)| format!("{name}: {problem}")).collect();
        problems.sort_unstable();
        problems
    }
}

impl Known {
    /// Takes up other rules than before.
    fn take(&mut self, name: &'static str, built: table::Built) -> Option<&'static Rules> {
        if built.is_like(&self.newest.table) {
            return None;
        }
        let earlier = self.tables.iter().find(|table| built.is_like(table)).copied();
        let table = earlier.unwrap_or_else(|| {
            let table = built.keep();
            self.tables.push(table);
            table
        });
        let rules: &'static Rules = Box::leak(Box::new(Rules::new(name, table)));
        // Nobody else links: the registry is locked.
        self.newest.newer.get_or_init(|| rules);
        self.newest = rules;
        Some(rules)
    }
}

fn is_path(name: &str) -> bool {
    name.starts_with('/')
}

/// Reads a zone: a file by its path, else a name of the database, else a POSIX rule.
fn load(database: &Database, name: &str) -> Result<Found, UnknownZone> {
    if is_path(name) {
        return database::zone_in_file(name).map(|table| Found { table, fallback: None });
    }
    match database.zone(name) {
        Err(UnknownZone { reason: None, .. }) if posix::is_rule(name) => {
            posix::zone(name).map(|table| Found { table, fallback: None })
        }
        found => found,
    }
}

/// Opens the database of a choice, or else the bundled one, which then knows why.
fn open(choice: &RulesSource) -> Database {
    let or_bundled = |opened: Result<Database, String>, by: &str| {
        opened.unwrap_or_else(|error| {
            Database::bundled_because(format!("{by}{error}; the bundled data is used"))
        })
    };
    match choice {
        RulesSource::Bundled => Database::bundled(),
        RulesSource::Directory(directory) => or_bundled(Database::in_directory(directory), ""),
        RulesSource::Environment => {
            let value = |name| env::var_os(name).filter(|value| !value.is_empty());
            match value(VARIABLE) {
                Some(value) if value == "bundled" => return Database::bundled(),
                Some(value) if value != "system" => {
                    return or_bundled(Database::in_directory(Path::new(&value)), &format!("{VARIABLE}: "));
                }
                _ => {}
            }
            match value("TZDIR") {
                Some(value) => or_bundled(Database::in_directory(Path::new(&value)), "TZDIR: "),
                None => Database::system(),
            }
        }
    }
}
