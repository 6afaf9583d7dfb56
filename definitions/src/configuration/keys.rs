//! The keys that a configuration may have, how the value of each is written, and the nearest of them to one that it may not
//! have.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::job::Places;
use crate::diagnostic::Diagnostic;
use crate::nearest::nearest;

/// A key, and how it is written.
pub(super) struct Key {
    pub(super) name: &'static str,
    form: Form,
    /// How it may be written.
    pub(super) example: &'static str,
}

/// What its value is.
#[derive(Clone, Copy)]
enum Form {
    Text,
    /// A text; a date of TOML's own is taken as one.
    Date,
    Number,
    Flag,
    Texts,
    Variables,
    Table,
    Tables,
    Word(&'static [&'static str]),
    /// A word, or `{ allow = 2 }`.
    Overlap,
    /// A text, or `{ name = "database", limit = 2 }`, of which its reader says what is wrong.
    Group,
    /// A number or `"all"`, of which its reader says what is wrong.
    Limit,
}

const fn key(name: &'static str, form: Form, example: &'static str) -> Key {
    Key { name, form, example }
}

pub(super) const FILE: &[Key] = &[
    key("store", Form::Text, "store = \"sqlite:jobs.db\""),
    key("wait_for_owner", Form::Text, "wait_for_owner = \"30s\""),
    key("timezone", Form::Text, "timezone = \"Europe/Berlin\""),
    key("ledger", Form::Table, "[ledger]"),
    key("executors", Form::Table, "[executors.NAME] for each"),
    key("hook", Form::Tables, "[[hook]]"),
    key("jobs", Form::Table, "[jobs.NAME] for each"),
];
pub(super) const LEDGER: &[Key] = &[
    key("runs_per_job", Form::Limit, "runs_per_job = 100"),
    key("days", Form::Limit, "days = 30"),
    key("ended_jobs", Form::Limit, "ended_jobs = 1000"),
];
const KINDS: &[&str] = &["thread", "nats"];
const KIND: Key = key("kind", Form::Word(KINDS), "kind = \"nats\"");
const URL: Key = key("url", Form::Text, "url = \"nats://HOST\"");
const THREAD: &[Key] = &[
    KIND,
    key("workers", Form::Number, "workers = 8"),
    key("queue", Form::Number, "queue = 100"),
    key("idle_timeout", Form::Text, "idle_timeout = \"10s\""),
    key("cancel_grace", Form::Text, "cancel_grace = \"5s\""),
];
const NATS: &[Key] = &[
    KIND,
    URL,
    key("credentials", Form::Text, "credentials = \"/etc/matins/daemon.creds\""),
    key("certificates", Form::Text, "certificates = \"/etc/matins/ca.pem\""),
    key("identity", Form::Texts, "identity = [\"daemon.pem\", \"daemon.key\"]"),
    key("inbox", Form::Text, "inbox = \"_INBOX_daemon\""),
    key("namespace", Form::Text, "namespace = \"billing\""),
    key("pool", Form::Text, "pool = \"gpu\""),
    key("ack_wait", Form::Text, "ack_wait = \"30s\""),
    key("at_once", Form::Number, "at_once = 100"),
    key("queue", Form::Number, "queue = 1000"),
    key("cancel_grace", Form::Text, "cancel_grace = \"5s\""),
    key("keep_runs", Form::Flag, "keep_runs = true"),
    key("max_stored_runs", Form::Number, "max_stored_runs = 1000000"),
    key("replicas", Form::Number, "replicas = 3"),
];
pub(super) const HOOK: &[Key] = &[
    key("on", Form::Texts, "on = [\"failed\", \"timed out\"]"),
    key("jobs", Form::Texts, "jobs = [\"backup\"]"),
    key("command", Form::Texts, "command = [\"program\", \"argument\"], or shell = \"a line\""),
    key("shell", Form::Text, "shell = \"a line\""),
    key("time_limit", Form::Text, "time_limit = \"10s\""),
];
pub(super) const RETRY: &[Key] = &[
    key("times", Form::Number, "times = 3"),
    key("wait", Form::Text, "wait = \"30s\""),
    key("first", Form::Text, "first = \"1s\""),
    key("longest", Form::Text, "longest = \"1h\""),
];
pub(super) const WHEN: [&str; 5] = ["every", "cron", "at", "in", "after"];
pub(super) const JOB: &[Key] = &[
    key("every", Form::Text, "every = \"5m\""),
    key("cron", Form::Text, "cron = \"0 9 * * MON-FRI\""),
    key("at", Form::Date, "at = \"2026-12-24T18:00\""),
    key("in", Form::Text, "in = \"10s\""),
    key("after", Form::Text, "after = \"backup\""),
    key("on", Form::Word(&["succeeded", "failed", "any"]), "on = \"succeeded\""),
    key("timezone", Form::Text, "timezone = \"Europe/Berlin\""),
    key("jitter", Form::Text, "jitter = \"1m\""),
    key("command", Form::Texts, "command = [\"program\", \"argument\"], or shell = \"a line\""),
    key("shell", Form::Text, "shell = \"a line\""),
    key("environment", Form::Variables, "environment = { NAME = \"value\" }"),
    key("clear_environment", Form::Flag, "clear_environment = true"),
    key("directory", Form::Text, "directory = \"/var/lib/backup\""),
    key("stdin", Form::Text, "stdin = \"text\""),
    key("umask", Form::Text, "umask = \"077\""),
    key("nice", Form::Number, "nice = 10"),
    key("user", Form::Text, "user = \"backup\""),
    key("executor", Form::Text, "executor = \"default\""),
    key("misfire_grace", Form::Text, "misfire_grace = \"10m\""),
    key("time_limit", Form::Text, "time_limit = \"1h\""),
    key("retry", Form::Table, "retry = { times = 3, wait = \"30s\" }"),
    key("coalesce", Form::Word(&["latest", "earliest", "all"]), "coalesce = \"latest\""),
    key("overlap", Form::Overlap, "overlap = \"queue_one\", or overlap = { allow = 2 }"),
    key("priority", Form::Number, "priority = 10"),
    key("group", Form::Group, "group = \"database\", or group = { name = \"database\", limit = 2 }"),
    key("delay", Form::Text, "delay = \"30s\""),
    key("max_runs", Form::Number, "max_runs = 3"),
    key("max_failures", Form::Number, "max_failures = 5"),
    key("on_interrupt", Form::Word(&["leave", "run_again"]), "on_interrupt = \"leave\""),
    key("on_orphan", Form::Word(&["wait", "kill", "ignore"]), "on_orphan = \"wait\""),
    key("expected_duration", Form::Text, "expected_duration = \"5m\""),
    key("paused", Form::Flag, "paused = true"),
    key("tags", Form::Texts, "tags = [\"nightly\"]"),
];

/// What was taken out of a configuration before it is read.
pub(super) struct Refused {
    pub(super) faults: Vec<Diagnostic>,
    /// Where those tables begin that lost a key; it is no news then that one is missing.
    pub(super) incomplete: BTreeSet<usize>,
}

/// Takes out of a configuration what has a name that is not known, or a value of another kind, so that all else can be read
/// and all faults be told at once.
pub(super) fn refuse(root: &mut DeTable<'_>, text: &str) -> Refused {
    let mut reader = KeyReader { text, refused: Refused { faults: Vec::new(), incomplete: BTreeSet::new() } };
    reader.table(root, FILE, None);
    for (name, value) in root.iter_mut() {
        match (name.get_ref().as_ref(), value.get_mut()) {
            ("ledger", DeValue::Table(ledger)) => reader.table(ledger, LEDGER, None),
            ("hook", DeValue::Array(hooks)) => {
                for hook in hooks.iter_mut() {
                    let place = hook.span().start;
                    if let DeValue::Table(hook) = hook.get_mut() {
                        reader.table(hook, HOOK, Some(place));
                    }
                }
            }
            ("executors", DeValue::Table(executors)) => reader.executors(executors),
            ("jobs", DeValue::Table(jobs)) => reader.jobs(jobs),
            _ => {}
        }
    }
    reader.refused
}

/// Where the values of each job are written.
pub(super) fn places(root: &DeTable<'_>) -> BTreeMap<String, Places> {
    let jobs = root.get("jobs").and_then(|jobs| jobs.get_ref().as_table());
    let of_job = |job: &DeTable<'_>| {
        let mut places = Places::new();
        for (key, value) in job {
            places.insert(key.get_ref().to_string(), value.span());
            for (inner, value) in value.get_ref().as_table().into_iter().flatten() {
                places.insert(format!("{}.{}", key.get_ref(), inner.get_ref()), value.span());
            }
        }
        places
    };
    let named = |(id, job): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
        Some((id.get_ref().to_string(), of_job(job.get_ref().as_table()?)))
    };
    jobs.into_iter().flatten().filter_map(named).collect()
}

/// Refuses keys of JSON that are not known, and values of another kind; `null` is of every kind.
pub(super) fn check(keys: &Map<String, Value>, known: &[Key]) -> Result<(), String> {
    for (name, value) in keys {
        let Some(key) = known.iter().find(|key| key.name == name.as_str()) else {
            return Err(unknown(name, known));
        };
        if !value.is_null() && !key.form.is_of(value) {
            return Err(key.wrong());
        }
    }
    Ok(())
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
                Some((_, Some("thread"))) => self.table(executor, THREAD, None),
                Some((_, Some("nats"))) => {
                    let has_url = executor.contains_key(URL.name);
                    self.table(executor, NATS, None);
                    if !has_url {
                        let name = name.get_ref();
                        self.fault(
                            place,
                            format!("the executor `{name}` needs `url`; write {}", URL.example),
                        );
                    }
                }
                kind => self.fault(kind.map_or(place, |(place, _)| place), KIND.wrong()),
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
            self.table(job, JOB, Some(place));
            if let Some(DeValue::Table(retry)) = job.get_mut("retry").map(Spanned::get_mut) {
                self.table(retry, RETRY, Some(place));
            }
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

impl Key {
    fn wrong(&self) -> String {
        format!("`{}` is {}; write {}", self.name, self.form.describe(), self.example)
    }
}

impl Form {
    /// Whether a value in JSON is of this form.
    fn is_of(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text | Self::Date, Value::String(_))
            | (Self::Flag, Value::Bool(_))
            | (Self::Table, Value::Object(_))
            | (Self::Group, Value::String(_) | Value::Object(_))
            | (Self::Limit, _) => true,
            (Self::Number, value) => value.is_i64(),
            (Self::Word(words), Value::String(word)) => words.contains(&word.as_str()),
            (Self::Overlap, Value::String(word)) => matches!(word.as_str(), "skip" | "queue_one"),
            (Self::Overlap, Value::Object(table)) => {
                let limit = table.get("allow").and_then(Value::as_u64);
                table.len() == 1 && limit.is_some_and(|limit| limit > 0 && u32::try_from(limit).is_ok())
            }
            (Self::Texts, Value::Array(texts)) => texts.iter().all(Value::is_string),
            (Self::Variables, Value::Object(variables)) => variables.values().all(Value::is_string),
            (Self::Tables, Value::Array(tables)) => tables.iter().all(Value::is_object),
            _ => false,
        }
    }

    /// Whether the value is of this form; where it is not, and why.
    fn check(self, key: &Key, value: &mut Spanned<DeValue<'_>>) -> Result<(), (usize, String)> {
        let place = value.span().start;
        let wrong = |place| Err((place, key.wrong()));
        let is_text = |value: &Spanned<DeValue<'_>>| value.get_ref().is_str();
        match (self, value.get_mut()) {
            (Self::Text | Self::Date, DeValue::String(_))
            | (Self::Number, DeValue::Integer(_))
            | (Self::Flag, DeValue::Boolean(_))
            | (Self::Table, DeValue::Table(_))
            | (Self::Group, DeValue::String(_) | DeValue::Table(_))
            | (Self::Limit, _) => Ok(()),
            (Self::Word(words), DeValue::String(word)) if words.contains(&word.as_ref()) => Ok(()),
            (Self::Overlap, DeValue::String(word)) if matches!(word.as_ref(), "skip" | "queue_one") => Ok(()),
            (Self::Overlap, DeValue::Table(table)) if allows(table) => Ok(()),
            (Self::Date, date @ DeValue::Datetime(_)) => {
                if let DeValue::Datetime(written) = date {
                    *date = DeValue::String(Cow::Owned(written.to_string()));
                }
                Ok(())
            }
            (Self::Texts, DeValue::Array(texts)) => {
                texts.iter().find(|text| !is_text(text)).map_or(Ok(()), |text| wrong(text.span().start))
            }
            (Self::Variables, DeValue::Table(variables)) => variables
                .iter()
                .find(|(_, text)| !is_text(text))
                .map_or(Ok(()), |(_, text)| wrong(text.span().start)),
            (Self::Tables, DeValue::Array(tables)) => tables
                .iter()
                .find(|table| !table.get_ref().is_table())
                .map_or(Ok(()), |table| wrong(table.span().start)),
            _ => wrong(place),
        }
    }

    fn describe(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Text | Self::Date => "a text in quotes",
            Self::Number => "a whole number",
            Self::Flag => "true or false",
            Self::Texts => "a list of texts",
            Self::Variables => "a table of texts",
            Self::Table => "a table",
            Self::Tables => "a list of tables",
            Self::Word(words) => return Cow::Owned(format!("one of {}", words.join(", "))),
            Self::Overlap => "one of skip, queue_one and allow",
            Self::Group => "a name, or a table of a name and a limit",
            Self::Limit => "a number or all",
        })
    }
}

/// Whether it is `{ allow = 2 }`.
fn allows(table: &DeTable<'_>) -> bool {
    let limit = table.get("allow").and_then(|limit| limit.get_ref().as_integer());
    table.len() == 1
        && limit.is_some_and(|limit| {
            u32::from_str_radix(limit.as_str(), limit.radix()).is_ok_and(|limit| limit > 0)
        })
}

/// A sentence about a key that is not known.
pub(super) fn unknown(name: &str, known: &[Key]) -> String {
    let written = name.to_lowercase();
    let nearest = nearest(&written, known.iter().map(|key| key.name));
    // Such as `zone` and `env`.
    let part = || known.iter().map(|key| key.name).find(|key| written.len() > 2 && key.contains(&written));
    if let Some(nearest) = nearest.or_else(part) {
        return format!("unknown key `{name}`; did you mean `{nearest}`?");
    }
    let names: Vec<&str> = known.iter().map(|key| key.name).collect();
    format!("unknown key `{name}`; there are {}", names.join(", "))
}
