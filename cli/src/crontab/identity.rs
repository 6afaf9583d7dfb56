//! Which job of the store a line of a crontab is: it is known by what it says, wherever it stands in the file.

use std::collections::{HashMap, HashSet, VecDeque};

use matins::{JobId, Value};
use serde_json::json;

use super::environment;
use crate::definition::Definition;

/// A job that an earlier reading of the file has put into the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Existing<'a> {
    pub(crate) id: &'a str,
    /// The definition's fingerprint, as it was then.
    pub(crate) definition: &'a Value,
}

/// Gives each definition whose id is generated the id of the job that it is, or a new one that is not `taken`.
///
/// A line is the job that was read from the same line: with the same times, command and user. Equal lines are matched in
/// their order. A line that changed is the job with the same command, or else the one with the same program, times and
/// user. So a job keeps its id when lines are inserted, removed or moved, and when the environment above it changes.
pub(crate) fn assign_ids(
    definitions: &mut [Definition],
    existing: &[Existing<'_>],
    taken: impl Fn(&str) -> bool,
) {
    let fingerprints: Vec<Value> = definitions.iter().map(Definition::fingerprint).collect();
    let mut given: Vec<Option<String>> = vec![None; definitions.len()];
    let mut left: Vec<Existing<'_>> = existing.to_vec();
    left.sort_by_cached_key(|job| natural_order(job.id));
    for key in [whole, line, command, program] {
        let mut jobs: HashMap<String, VecDeque<&str>> = HashMap::new();
        for job in &left {
            jobs.entry(key(job.definition, base_of(job.id))).or_default().push_back(job.id);
        }
        let mut matched: HashSet<&str> = HashSet::new();
        for (index, definition) in definitions.iter().enumerate() {
            if let Some(proposed) = &definition.proposed_id
                && given[index].is_none()
                && let Some(id) =
                    jobs.get_mut(&key(&fingerprints[index], base_of(proposed))).and_then(VecDeque::pop_front)
            {
                given[index] = Some(id.to_owned());
                matched.insert(id);
            }
        }
        left.retain(|job| !matched.contains(job.id));
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

/// A key that two definitions of a crontab share if their lines are the same.
pub(crate) fn line_of(definition: &Value) -> String {
    line(definition, "")
}

/// Nothing has changed.
fn whole(definition: &Value, _: &str) -> String {
    definition.to_string()
}

/// The line is the same; the environment may have changed.
fn line(definition: &Value, _: &str) -> String {
    json!([definition["when"], command_of(definition)]).to_string()
}

/// The times have changed.
fn command(definition: &Value, _: &str) -> String {
    command_of(definition).to_string()
}

/// The command has changed, and its program has not.
fn program(definition: &Value, base: &str) -> String {
    json!([definition["when"], definition["command"]["user"], base]).to_string()
}

/// The command line, its input and its user.
fn command_of(definition: &Value) -> Value {
    let command = &definition["command"];
    json!([command["arguments"], command["stdin"], command["user"]])
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
