//! The keys that a configuration may have, and the nearest of them to one that it may not.

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::Diagnostic;

const FILE: &[&str] = &["store", "timezone", "ledger", "hook", "jobs"];
const LEDGER: &[&str] = &["runs_per_job", "days"];
const HOOK: &[&str] = &["on", "jobs", "command", "shell", "time_limit"];
const RETRY: &[&str] = &["times", "wait", "first", "longest"];
pub(super) const WHEN: [&str; 4] = ["every", "cron", "at", "in"];
pub(super) const JOB: &[&str] = &[
    "every",
    "cron",
    "at",
    "in",
    "timezone",
    "jitter",
    "command",
    "shell",
    "environment",
    "clear_environment",
    "directory",
    "stdin",
    "umask",
    "nice",
    "user",
    "misfire_grace",
    "time_limit",
    "retry",
    "coalesce",
    "overlap",
    "on_interrupt",
    "expected_duration",
    "paused",
    "tags",
];

/// Takes the keys that are not known out of a configuration, so that the rest can be read, and tells them; and the jobs that
/// had some, of which it is no news then that a key is missing.
pub(super) fn take_unknown(root: &mut DeTable<'_>, text: &str) -> (Vec<Diagnostic>, BTreeSet<String>) {
    let mut faults = Vec::new();
    let mut misspelt = BTreeSet::new();
    retain(root, FILE, text, &mut faults);
    for (name, value) in root.iter_mut() {
        match (name.get_ref().as_ref(), value.get_mut()) {
            ("ledger", DeValue::Table(ledger)) => retain(ledger, LEDGER, text, &mut faults),
            ("hook", DeValue::Array(hooks)) => {
                for hook in hooks.iter_mut() {
                    if let DeValue::Table(hook) = hook.get_mut() {
                        retain(hook, HOOK, text, &mut faults);
                    }
                }
            }
            ("jobs", DeValue::Table(jobs)) => {
                for (name, job) in jobs.iter_mut() {
                    let DeValue::Table(job) = job.get_mut() else { continue };
                    let before = faults.len();
                    retain(job, JOB, text, &mut faults);
                    if let Some(DeValue::Table(retry)) = job.get_mut("retry").map(Spanned::get_mut) {
                        retain(retry, RETRY, text, &mut faults);
                    }
                    if faults.len() > before {
                        misspelt.insert(name.get_ref().to_string());
                    }
                }
            }
            _ => {}
        }
    }
    (faults, misspelt)
}

fn retain(table: &mut DeTable<'_>, known: &[&str], text: &str, faults: &mut Vec<Diagnostic>) {
    let names: Vec<String> = table.keys().map(|name| name.get_ref().to_string()).collect();
    for name in names.iter().filter(|name| !known.contains(&name.as_str())) {
        if let Some((key, _)) = table.remove_entry(name.as_str()) {
            faults.push(Diagnostic::at(text, key.span().start, unknown(name, known)));
        }
    }
}

/// A sentence about a key that is not known.
pub(super) fn unknown(name: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|key| (strsim::damerau_levenshtein(&name.to_lowercase(), key), *key))
        .min()
        .filter(|(distance, key)| *distance <= key.len() / 3 + 1);
    match nearest {
        Some((_, nearest)) => format!("unknown key `{name}`; did you mean `{nearest}`?"),
        None => format!("unknown key `{name}`; there are {}", known.join(", ")),
    }
}
