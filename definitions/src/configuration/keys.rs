//! The keys that the tables of a configuration may have.

use super::key::{Form, Key, key};

pub(super) const FILE: &[Key] = &[
    key("store", Form::Store, "store = \"sqlite:jobs.db\""),
    key("stores", Form::Table, "[stores]"),
    key("wait_for_owner", Form::Text, "wait_for_owner = \"30s\""),
    key("timezone", Form::Text, "timezone = \"Europe/Berlin\""),
    key("job_defaults", Form::Table, "[job_defaults]"),
    key("groups", Form::Table, "[groups]"),
    key("ledger", Form::Table, "[ledger]"),
    key("executors", Form::Table, "[executors.NAME] for each"),
    key("hook", Form::Tables, "[[hook]]"),
    key("crontab", Form::Tables, "[[crontab]]"),
    key("jobs", Form::Table, "[jobs.NAME] for each"),
];
pub(super) const LEDGER: &[Key] = &[
    key("runs_per_job", Form::Limit, "runs_per_job = 100"),
    key("days", Form::Limit, "days = 30"),
    key("ended_jobs", Form::Limit, "ended_jobs = 1000"),
];
const MISFIRE_GRACE: Key = key("misfire_grace", Form::Text, "misfire_grace = \"10m\"");
const TIME_LIMIT: Key = key("time_limit", Form::Text, "time_limit = \"1h\"");
const RETRIES: Key = key("retry", Form::Table, "retry = { times = 3, wait = \"30s\" }");
const COALESCE: Key = key("coalesce", Form::Word(&["latest", "earliest", "all"]), "coalesce = \"latest\"");
const OVERLAP: Key = key("overlap", Form::Overlap, "overlap = \"queue_one\", or overlap = { allow = 2 }");
const PRIORITY: Key = key("priority", Form::Number, "priority = 10");
const GROUP: Key =
    key("group", Form::Group, "group = \"database\", or group = { name = \"database\", limit = 2 }");
const DELAY: Key = key("delay", Form::Text, "delay = \"30s\"");
const MAX_RUNS: Key = key("max_runs", Form::Number, "max_runs = 3");
const MAX_FAILURES: Key = key("max_failures", Form::Number, "max_failures = 5");
const ON_INTERRUPT: Key =
    key("on_interrupt", Form::Word(&["leave", "run_again"]), "on_interrupt = \"leave\"");
/// The keys of `job_defaults`: those of a job's policy, and `on_exhausted`.
pub(super) const JOB_DEFAULTS: &[Key] = &[
    MISFIRE_GRACE,
    TIME_LIMIT,
    RETRIES,
    COALESCE,
    OVERLAP,
    PRIORITY,
    GROUP,
    DELAY,
    MAX_RUNS,
    MAX_FAILURES,
    ON_INTERRUPT,
    key("on_exhausted", Form::Word(&["remove", "keep"]), "on_exhausted = \"remove\""),
];
pub(super) const CRONTAB: &[Key] = &[
    key("file", Form::Text, "file = \"/etc/crontab\""),
    key("system", Form::Flag, "system = true"),
    key("timezone", Form::Text, "timezone = \"Europe/Berlin\""),
];
const KINDS: &[&str] = &["thread", "nats"];
pub(super) const KIND: Key = key("kind", Form::Word(KINDS), "kind = \"nats\"");
pub(super) const URL: Key = key("url", Form::Text, "url = \"nats://HOST\"");
pub(super) const THREAD: &[Key] = &[
    KIND,
    key("workers", Form::Number, "workers = 8"),
    key("queue", Form::Number, "queue = 100"),
    key("idle_timeout", Form::Text, "idle_timeout = \"10s\""),
    key("cancel_grace", Form::Text, "cancel_grace = \"5s\""),
];
pub(super) const NATS: &[Key] = &[
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
    key("store", Form::Text, "store = \"default\""),
    key("executor", Form::Text, "executor = \"default\""),
    MISFIRE_GRACE,
    TIME_LIMIT,
    RETRIES,
    COALESCE,
    OVERLAP,
    PRIORITY,
    GROUP,
    DELAY,
    MAX_RUNS,
    MAX_FAILURES,
    ON_INTERRUPT,
    key("on_orphan", Form::Word(&["wait", "kill", "ignore"]), "on_orphan = \"wait\""),
    key("expected_duration", Form::Text, "expected_duration = \"5m\""),
    key("paused", Form::Flag, "paused = true"),
    key("tags", Form::Texts, "tags = [\"nightly\"]"),
];
