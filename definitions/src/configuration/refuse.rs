//! What a configuration may not have is taken out of it, and told; and where the values are that are left.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::job::Places;
use super::json::Null;
use super::key::{Key, unknown};
use super::keys;
use crate::diagnostic::Diagnostic;

/// What was taken out of a configuration before it is read.
pub(super) struct Refused {
    pub(super) faults: Vec<Diagnostic>,
    /// Where those tables begin that lost a key; it is no news then that one is missing.
    pub(super) incomplete: BTreeSet<usize>,
}

/// Takes out of a configuration what has a name that is not known, or a value of another kind, so that all else can be read
/// and all faults be told at once.
pub(super) fn refuse(root: &mut DeTable<'_>, nulls: &[Null], text: &str) -> Refused {
    let mut reader = KeyReader { text, refused: Refused { faults: Vec::new(), incomplete: BTreeSet::new() } };
    reader.table(root, keys::FILE, None);
    for (name, value) in root.iter_mut() {
        let place = value.span().start;
        match (name.get_ref().as_ref(), value.get_mut()) {
            ("ledger", DeValue::Table(ledger)) => reader.table(ledger, keys::LEDGER, None),
            ("hook", DeValue::Array(hooks)) => reader.each(hooks, keys::HOOK),
            ("crontab", DeValue::Array(crontabs)) => reader.each(crontabs, keys::CRONTAB),
            ("job_defaults", DeValue::Table(defaults)) => {
                reader.table(defaults, keys::JOB_DEFAULTS, Some(place));
                reader.retry(defaults, Some(place));
            }
            ("groups", DeValue::Table(groups)) => reader.groups(groups),
            ("executors", DeValue::Table(executors)) => reader.executors(executors),
            ("jobs", DeValue::Table(jobs)) => reader.jobs(jobs),
            _ => {}
        }
    }
    for (path, place) in nulls {
        if let Some((name, table)) = path.split_last()
            && let Some(known) = keys_at(table)
            && !known.iter().any(|key| key.name == name)
        {
            reader.fault(*place, unknown(name, known));
        }
    }
    reader.refused
}

/// The keys that a table may have; `None` where it has names in place of keys, or depends on its kind.
fn keys_at(path: &[String]) -> Option<&'static [Key]> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path[..] {
        [] => Some(keys::FILE),
        ["ledger"] => Some(keys::LEDGER),
        ["job_defaults"] => Some(keys::JOB_DEFAULTS),
        ["hook", "[]"] => Some(keys::HOOK),
        ["crontab", "[]"] => Some(keys::CRONTAB),
        ["jobs", _] => Some(keys::JOB),
        ["jobs", _, "retry"] | ["job_defaults", "retry"] => Some(keys::RETRY),
        _ => None,
    }
}

/// Where the values of each job are written.
pub(super) fn places_of_jobs(root: &DeTable<'_>) -> BTreeMap<String, Places> {
    let jobs = root.get("jobs").and_then(|jobs| jobs.get_ref().as_table());
    jobs.map(|jobs| jobs.keys().map(|id| (id.get_ref().to_string(), places_of(jobs, id.get_ref()))).collect())
        .unwrap_or_default()
}

/// Where the values of a table are written that is in another.
pub(super) fn places_of(outer: &DeTable<'_>, name: &str) -> Places {
    let mut places = Places::new();
    let table = outer.get(name).and_then(|table| table.get_ref().as_table());
    for (key, value) in table.into_iter().flatten() {
        places.insert(key.get_ref().to_string(), value.span());
        for (inner, value) in value.get_ref().as_table().into_iter().flatten() {
            places.insert(format!("{}.{}", key.get_ref(), inner.get_ref()), value.span());
        }
    }
    places
}

struct KeyReader<'a> {
    text: &'a str,
    refused: Refused,
}

impl KeyReader<'_> {
    /// Removes what has to be a table of its own and has another form.
    fn tables_only(&mut self, tables: &mut DeTable<'_>, what: &str, within: &str) {
        let no_tables: Vec<String> = tables
            .iter()
            .filter(|(_, table)| !table.get_ref().is_table())
            .map(|(name, _)| name.get_ref().to_string())
            .collect();
        for name in no_tables {
            if let Some((key, _)) = tables.remove_entry(name.as_str()) {
                let message = format!(
                    "the {what} `{name}` is a table of its own; write [{within}.{name}] above its keys"
                );
                self.fault(key.span().start, message);
            }
        }
    }

    fn executors(&mut self, executors: &mut DeTable<'_>) {
        self.tables_only(executors, "executor", "executors");
        let mut wrong = Vec::new();
        for (name, executor) in executors.iter_mut() {
            let DeValue::Table(executor) = executor.get_mut() else { continue };
            let place = name.span().start;
            let faults = self.refused.faults.len();
            match executor.get("kind").map(|kind| (kind.span().start, kind.get_ref().as_str())) {
                Some((_, Some("thread"))) => self.table(executor, keys::THREAD, None),
                Some((_, Some("nats"))) => {
                    let has_url = executor.contains_key(keys::URL.name);
                    self.table(executor, keys::NATS, None);
                    if !has_url {
                        let name = name.get_ref();
                        self.fault(
                            place,
                            format!("the executor `{name}` needs `url`; write {}", keys::URL.example),
                        );
                    }
                }
                Some((at, Some(kind @ ("rayon" | "tokio" | "process")))) => {
                    self.fault(at, format!("{kind:?} is for programs; write {}", keys::KIND.example));
                }
                kind => self.fault(kind.map_or(place, |(place, _)| place), keys::KIND.wrong()),
            }
            if self.refused.faults.len() > faults {
                wrong.push(name.get_ref().to_string());
            }
        }
        // What is left of them could not be read.
        for name in wrong {
            executors.remove(name.as_str());
        }
    }

    fn jobs(&mut self, jobs: &mut DeTable<'_>) {
        self.tables_only(jobs, "job", "jobs");
        for (name, job) in jobs.iter_mut() {
            let DeValue::Table(job) = job.get_mut() else { continue };
            let place = name.span().start;
            self.table(job, keys::JOB, Some(place));
            self.retry(job, Some(place));
        }
    }

    fn retry(&mut self, job: &mut DeTable<'_>, place: Option<usize>) {
        if let Some(DeValue::Table(retry)) = job.get_mut("retry").map(Spanned::get_mut) {
            self.table(retry, keys::RETRY, place);
        }
    }

    /// Looks through a list of tables.
    fn each(&mut self, tables: &mut DeArray<'_>, known: &[Key]) {
        for table in tables.iter_mut() {
            let place = table.span().start;
            if let DeValue::Table(table) = table.get_mut() {
                self.table(table, known, Some(place));
            }
        }
    }

    fn groups(&mut self, groups: &mut DeTable<'_>) {
        let no_limits: Vec<(String, usize)> = groups
            .iter()
            .filter(|(_, limit)| !limit.get_ref().is_integer())
            .map(|(name, limit)| (name.get_ref().to_string(), limit.span().start))
            .collect();
        for (name, place) in no_limits {
            groups.remove(name.as_str());
            self.fault(place, format!("the limit of a group is a whole number; write {name} = 2"));
        }
    }

    /// Looks through one table; `place` is where it begins, if its reader misses what was taken out.
    fn table(&mut self, table: &mut DeTable<'_>, known: &[Key], place: Option<usize>) {
        let mut wrong = Vec::new();
        for (name, value) in table.iter_mut() {
            match known.iter().find(|key| key.name == name.get_ref().as_ref()) {
                None => wrong.push((
                    name.get_ref().to_string(),
                    name.span().start,
                    unknown(name.get_ref(), known),
                )),
                Some(key) => {
                    if let Err((place, message)) = key.form.check(key, value) {
                        wrong.push((key.name.to_owned(), place, message));
                    }
                }
            }
        }
        for (name, at, message) in wrong {
            table.remove(name.as_str());
            self.fault(at, message);
            self.refused.incomplete.extend(place);
        }
    }

    fn fault(&mut self, offset: usize, message: String) {
        self.refused.faults.push(Diagnostic::at(self.text, offset, message));
    }
}
