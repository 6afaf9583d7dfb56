//! Which job of the store a line of a crontab is: it is known by what it says, on any line of the file.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hasher};

use matins_core::{JobId, Value};

use super::environment;
use crate::definition::Definition;

/// A job that an earlier reading of the file has put into the store.
#[derive(Debug, Clone, Copy)]
pub struct Existing<'a> {
    /// Its id.
    pub id: &'a str,
    /// Those of its definition, as it was then.
    pub keys: Keys,
}

/// What two definitions have in common, as hashes: a crontab may have a hundred thousand lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// Nothing has changed.
    pub whole: u128,
    /// The line is the same; the environment may have changed.
    pub line: u128,
    /// The times may have changed.
    command: u128,
    /// The command may have changed, and its program has not.
    program: u128,
}

impl Keys {
    /// Of a definition's [fingerprint](Definition::fingerprint); `id` is the job's, or the proposal for it.
    ///
    /// ```
    /// use matins_definitions::{Defaults, Definition};
    /// use matins_definitions::crontab::Keys;
    /// use matins_triggers::Zone;
    /// use serde_json::json;
    ///
    /// let keys = |shell: &str| -> Result<Keys, matins_definitions::DefinitionError> {
    ///     let keys = json!({"every": "5m", "shell": shell});
    ///     let definition = Definition::from_keys("a", keys.as_object().unwrap(), &Defaults::new(Zone::utc()))?;
    ///     Ok(Keys::of("a", &definition.fingerprint()))
    /// };
    /// assert_eq!(keys("true")?, keys("true")?);
    /// assert_ne!(keys("true")?.line, keys("false")?.line);
    /// # Ok::<(), matins_definitions::DefinitionError>(())
    /// ```
    pub fn of(id: &str, definition: &Value) -> Self {
        let (when, command) = (definition["when"].to_string(), command_of(definition));
        let user = &definition["command"]["user"];
        Self {
            whole: hash(&definition.to_string()),
            line: hash(&format!("{when} {command}")),
            command: hash(&command),
            program: hash(&format!("{when} {user} {}", base_of(id))),
        }
    }
}

/// Returns a hash of a text. Two texts with the same hash are the same: 128 bits tell more texts apart than there are.
///
/// ```
/// use matins_definitions::crontab::hash;
///
/// assert_eq!(hash("0 9 * * *"), hash("0 9 * * *"));
/// assert_ne!(hash("0 9 * * *"), hash("0 10 * * *"));
/// ```
pub fn hash(text: &str) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(text.as_bytes());
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// Gives each definition whose id is generated the id of the job that it is, or a new one that is not `taken`.
///
/// A line is the job that was read from the same line: with the same times, command and user. Equal lines are matched in
/// their order. A line that changed is the job with the same command, or else the one with the same program, times and
/// user. So a job keeps its id when lines are inserted, removed or moved, and when the environment above it changes.
///
/// ```
/// use matins_definitions::crontab::{Existing, Form, Keys, Options, assign_ids, parse};
/// use matins_triggers::Zone;
///
/// let read = |text: &str| parse(text.as_bytes(), &Options::new(Zone::utc(), Form::User)).unwrap().jobs;
/// let mut before = read("0 9 * * *  report\n");
/// assign_ids(&mut before, &[], |_| false);
///
/// // The line is the second one now, and has another hour.
/// let keys = Keys::of(&before[0].id, &before[0].fingerprint());
/// let mut after = read("0 8 * * *  backup\n0 10 * * *  report\n");
/// assign_ids(&mut after, &[Existing { id: "report-of-sales", keys }], |_| false);
/// assert_eq!((after[0].id.as_str(), after[1].id.as_str()), ("backup", "report-of-sales"));
/// ```
pub fn assign_ids(definitions: &mut [Definition], existing: &[Existing<'_>], taken: impl Fn(&str) -> bool) {
    let mut given: Vec<Option<String>> = vec![None; definitions.len()];
    if !existing.is_empty() {
        find_existing(definitions, existing, &mut given);
    }
    let mut used: HashSet<String> = given.iter().flatten().cloned().collect();
    used.extend(existing.iter().map(|job| job.id.to_owned()));
    used.extend(definitions.iter().filter(|job| job.proposed_id.is_none()).map(|job| job.id.clone()));
    let mut counts: HashMap<String, u64> = HashMap::new();
    for (definition, given) in definitions.iter_mut().zip(given) {
        let Some(proposed) = &definition.proposed_id else { continue };
        definition.id = given.unwrap_or_else(|| {
            let count = counts.entry(proposed.clone()).or_insert(0);
            loop {
                *count += 1;
                let id = if *count == 1 { proposed.clone() } else { format!("{proposed}-{count}") };
                if !taken(&id) && used.insert(id.clone()) {
                    return id;
                }
            }
        });
    }
}

fn find_existing(definitions: &[Definition], existing: &[Existing<'_>], given: &mut [Option<String>]) {
    let keys_of = |definition: &Definition| {
        let proposed = definition.proposed_id.as_deref()?;
        Some(Keys::of(proposed, &definition.fingerprint()))
    };
    let keys: Vec<Option<Keys>> = definitions.iter().map(keys_of).collect();
    let mut left: Vec<Existing<'_>> = existing.to_vec();
    left.sort_by_cached_key(|job| natural_order(job.id));
    let whole = |keys: &Keys| keys.whole;
    let line = |keys: &Keys| keys.line;
    let command = |keys: &Keys| keys.command;
    let program = |keys: &Keys| keys.program;
    for key in [whole, line, command, program] {
        let mut jobs: HashMap<u128, VecDeque<&str>> = HashMap::new();
        for job in &left {
            jobs.entry(key(&job.keys)).or_default().push_back(job.id);
        }
        let mut matched: HashSet<&str> = HashSet::new();
        for (keys, given) in keys.iter().zip(given.iter_mut()) {
            if let Some(keys) = keys
                && given.is_none()
                && let Some(id) = jobs.get_mut(&key(keys)).and_then(VecDeque::pop_front)
            {
                *given = Some(id.to_owned());
                matched.insert(id);
            }
        }
        left.retain(|job| !matched.contains(job.id));
    }
}

/// The command line, its input and its user.
fn command_of(definition: &Value) -> String {
    let command = &definition["command"];
    format!("[{},{},{}]", command["arguments"], command["stdin"], command["user"])
}

/// The proposal that an id was made from.
fn base_of(id: &str) -> &str {
    match id.rsplit_once('-') {
        Some((base, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            base
        }
        _ => id,
    }
}

/// `run-2` before `run-10`.
fn natural_order(id: &str) -> (String, u64) {
    let base = base_of(id);
    let number = id[base.len()..].trim_start_matches('-').parse().unwrap_or(1);
    (base.to_owned(), number)
}

/// An id for a command: the name of its program.
pub(super) fn proposed_id(command_line: &str) -> String {
    let is_assignment = |word: &&str| environment::setting(word).is_ok_and(|setting| setting.is_some());
    let program = command_line.split_whitespace().find(|word| !is_assignment(word)).unwrap_or("command");
    let name = program.rsplit('/').find(|part| !part.is_empty()).unwrap_or(program);
    let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    if JobId::new(&name).is_ok() { name } else { "command".to_owned() }
}
