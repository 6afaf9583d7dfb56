//! What a scheduler is made of, and what jobs have in common, in TOML and in JSON.

use matins_config::SchedulerConfig;
use matins_core::{Coalesce, OnExhausted, Overlap};

use super::*;
use crate::crontab::Form;

const TOML: &str = r#"
timezone = "Europe/Berlin"
store = "sqlite:jobs.db"
stores.scratch = { url = "memory:" }

[executors.few]
kind = "thread"
workers = 2

[job_defaults]
misfire_grace = "10m"
coalesce = "all"
overlap = { allow = 2 }
retry = { times = 3, wait = "30s" }
priority = 5
group = "database"
max_failures = 4
on_exhausted = "keep"

[groups]
database = 3
network = 1

[ledger]
days = 7

[[crontab]]
file = "cron.d/backup"
system = true
timezone = "Asia/Tokyo"

[jobs.silent]
cron = "30 2 * * *"
shell = "x"

[jobs.other]
every = "5m"
shell = "x"
store = "scratch"
executor = "few"
misfire_grace = "1m"
coalesce = "latest"
overlap = "skip"
retry = { times = 0 }
priority = 0
group = "network"
max_failures = 1
"#;

fn faults(text: &str) -> Vec<String> {
    Configuration::parse(text, Zone::utc()).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn jobs_get_the_defaults_where_they_say_nothing() {
    let config = Configuration::parse(TOML, Zone::utc()).unwrap();
    let [other, silent] = &config.jobs[..] else { panic!("two jobs") };
    let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
    assert_eq!((silent.policy.misfire_grace, other.policy.misfire_grace), (minutes(10), minutes(1)));
    assert_eq!((silent.policy.coalesce, other.policy.coalesce), (Coalesce::All, Coalesce::Latest));
    assert_eq!((silent.policy.overlap, other.policy.overlap), (Overlap::Allow(2), Overlap::Skip));
    assert_eq!((silent.policy.retry.times, other.policy.retry.times), (3, 0));
    assert_eq!((silent.policy.priority, other.policy.priority), (5, 0));
    let failures = |job: &Definition| job.policy.max_failures.unwrap().get();
    assert_eq!((failures(silent), failures(other)), (4, 1));
    let group = |job: &Definition| job.policy.group.as_ref().unwrap().to_string();
    assert_eq!((group(silent).as_str(), group(other).as_str()), ("database:3", "network"));
    assert_eq!((silent.store.as_str(), other.store.as_str()), ("default", "scratch"));

    // A job that is added by hand gets them too.
    let keys = serde_json::json!({"every": "1h", "shell": "x"});
    let defaults = config.defaults(Zone::utc());
    let added = Definition::from_keys("a", keys.as_object().unwrap(), &defaults).unwrap();
    assert_eq!(added.policy, silent.policy);
    assert_eq!(added.policy.on_exhausted, OnExhausted::Keep);
    assert_eq!(defaults.zone.name(), "Europe/Berlin");
}

#[test]
fn a_program_reads_the_same_as_the_command() {
    let config = Configuration::parse(TOML, Zone::utc()).unwrap();
    let mut table: toml::Table = toml::from_str(TOML).unwrap();
    for of_command in ["jobs", "groups", "crontab"] {
        table.remove(of_command);
    }
    let mut program = SchedulerConfig::from_toml(&table.to_string()).unwrap();
    // A program has no table of limits.
    program.job_defaults.group = config.scheduler.job_defaults.group.clone();
    assert_eq!(config.scheduler, program);
}

#[test]
fn json_is_read_as_toml_is() {
    let mut config = Configuration::parse(TOML, Zone::utc()).unwrap();
    let table: toml::Table = toml::from_str(TOML).unwrap();
    let text = serde_json::to_string_pretty(&table).unwrap();
    let mut json = Configuration::parse_json(&text, Zone::utc()).unwrap();
    // Of course they are written in other places.
    config.crontabs.iter_mut().chain(&mut json.crontabs).for_each(|crontab| crontab.named_at = (1, 1));
    assert_eq!(format!("{config:?}"), format!("{json:?}"));

    let wrong = text.replace("\"30 2 * * *\"", "\"30 26 * * *\"").replace("\"workers\"", "\"worker\"");
    let faults = Configuration::parse_json(&wrong, Zone::utc()).unwrap_err();
    let place =
        |fault: &Diagnostic| wrong.lines().nth(fault.line - 1).unwrap()[fault.column - 1..].to_owned();
    let places: Vec<String> = faults.iter().map(place).collect();
    assert!(places.iter().any(|place| place.starts_with("26 * * *")), "{places:?}");
    assert!(places.iter().any(|place| place.starts_with("\"worker\"")), "{places:?}");
}

#[test]
fn a_job_may_have_none_of_the_defaults() {
    let text = "[job_defaults]\nmisfire_grace = \"1m\"\ntime_limit = \"1m\"\ndelay = \"1m\"\ngroup = \"a\"\n\
                [jobs.a]\nevery = \"1h\"\nshell = \"x\"\nmisfire_grace = \"none\"\ntime_limit = \"none\"\n\
                delay = \"none\"\ngroup = \"none\"\n";
    let policy = &Configuration::parse(text, Zone::utc()).unwrap().jobs[0].policy;
    let none = (policy.misfire_grace, policy.time_limit, policy.delay, policy.group.clone());
    assert_eq!(none, (None, None, None, None));
}

#[test]
fn what_could_not_be_started_is_refused_where_it_is_written() {
    let of_job = |line: &str| faults(&format!("[jobs.a]\nevery = \"1h\"\n{line}\n"));
    for (line, fault) in [
        ("command = [\"tr\\u0000ue\"]", "3:11: a program and its arguments cannot hold a zero byte"),
        ("shell = \" \"", "1:7: the shell line is empty"),
        ("shell = \"x\"\nenvironment = { \"\" = \"x\" }", "4:15: \"\" cannot be set in an environment"),
        ("shell = \"x\"\nuser = \"no such user\"", "4:8: there is no user"),
        (
            "shell = \"x\"\nretry = { times = 1, first = \"1h\", longest = \"1s\" }",
            "4:46: `longest` is shorter",
        ),
    ] {
        let found = of_job(line);
        assert!(found.len() == 1 && found[0].starts_with(fault), "{line}: {found:?}");
    }
}

/// The one that the book shows.
#[test]
fn the_example_of_the_book_is_sound() {
    let text = include_str!("../../../book/src/reference/configuration-example.json");
    let config = Configuration::parse_json(text, Zone::utc()).unwrap();
    assert_eq!((config.jobs.len(), config.crontabs.len(), config.scheduler.stores.len()), (2, 1, 2));
}

#[test]
fn a_key_that_is_null_is_not_there_and_is_known_all_the_same() {
    let text =
        |line: &str| format!("{{\"jobs\": {{\"a\": {{\"every\": \"1h\", \"shell\": \"x\"}}}},\n{line}}}");
    for line in [
        "\"store\": null",
        "\"job_defaults\": {\"retry\": {\"times\": 1, \"wait\": null}}",
        "\"groups\": {\"a\": null}",
        "\"hook\": [{\"on\": [\"failed\"], \"shell\": \"x\", \"command\": null}]",
    ] {
        assert!(Configuration::parse_json(&text(line), Zone::utc()).is_ok(), "{line}");
    }
    for (line, fault) in [
        ("\"stor\": null", "2:1: unknown key `stor`; did you mean `store`?"),
        ("\"ledger\": {\"day\": null}", "2:12: unknown key `day`; did you mean `days`?"),
        (
            "\"crontab\": [{\"file\": \"a\", \"systems\": null}]",
            "2:27: unknown key `systems`; did you mean `system`?",
        ),
    ] {
        let found = Configuration::parse_json(&text(line), Zone::utc()).unwrap_err();
        assert!(found.len() == 1 && found[0].to_string().starts_with(fault), "{line}: {found:?}");
    }
}

#[test]
fn crontabs_are_named_once_each() {
    let config = Configuration::parse(TOML, Zone::utc()).unwrap();
    let [crontab] = &config.crontabs[..] else { panic!("one crontab") };
    assert_eq!(crontab.file.to_str(), Some("cron.d/backup"));
    assert_eq!((crontab.form, crontab.zone.unwrap().name()), (Form::System, "Asia/Tokyo"));
    for (text, fault) in [
        ("[[crontab]]\n", "1:1: a crontab needs `file`, such as"),
        ("[[crontab]]\nfile = \"a\"\n[[crontab]]\nfile = \"a\"\n", "4:8: a is there twice"),
        ("[[crontab]]\nfil = \"a\"\n", "2:1: unknown key `fil`; did you mean `file`?"),
        ("[[crontab]]\nfile = \"a\"\ntimezone = \"Mars\"\n", "3:12: there is no time zone"),
        ("[crontab]\nfile = \"a\"\n", "1:1: `crontab` is a list of tables; write [[crontab]]"),
    ] {
        let found = faults(text);
        assert!(found.len() == 1 && found[0].starts_with(fault), "{text}: {found:?}");
    }
}

#[test]
fn chains_and_groups_are_within_a_store() {
    let text = "stores.scratch = \"memory:\"\n[jobs.a]\nevery = \"1h\"\nshell = \"x\"\ngroup = \"g\"\n\
                [jobs.b]\nafter = \"a\"\nshell = \"x\"\nstore = \"scratch\"\n\
                [jobs.c]\nevery = \"1h\"\nshell = \"x\"\nstore = \"scratch\"\ngroup = \"g\"\n";
    let found = faults(text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("7:9: \"b\" is in the store \"scratch\" and \"a\" in \"default\""),
        "{found:?}"
    );
    assert!(found[1].starts_with("14:9: the group \"g\" has jobs in the stores"), "{found:?}");
}

#[test]
fn each_fault_of_what_is_in_common_has_its_place() {
    for (text, fault) in [
        ("[job_defaults]\nmisfire_grace = \"soon\"\n", "2:17: \"soon\" is no duration"),
        ("[job_defaults]\ntime_limi = \"1s\"\n", "2:1: unknown key `time_limi`; did you mean `time_limit`?"),
        ("[job_defaults]\nshell = \"x\"\n", "2:1: unknown key `shell`"),
        ("[job_defaults]\nretry = { wait = \"1s\" }\n", "1:1: a retry needs `times`"),
        ("[job_defaults]\nmax_runs = 0\n", "2:12: 0 is no number of runs"),
        ("[groups]\ndatabase = 0\n", "2:12: 0 is no limit of a group"),
        ("[groups]\ndatabase = \"2\"\n", "2:12: the limit of a group is a whole number; write database = 2"),
        ("[groups]\n\"\" = 2\n", "2:1: "),
        ("stores = { a = \"what:\" }\n", "1:16: \"what:\" is no store"),
        ("stores = { \"\" = \"memory:\" }\n", "1:12: "),
        (
            "store = \"memory:\"\n[stores]\ndefault = \"memory:\"\n",
            "1:9: `store` and `stores.default` are the same",
        ),
        ("store = 3\n", "1:9: `store` is a text in quotes, or a table"),
    ] {
        let found = faults(text);
        assert!(found.len() == 1 && found[0].starts_with(fault), "{text}: {found:?}");
    }
    let of_job = |line: &str| {
        faults(&format!("[groups]\ndatabase = 3\n[jobs.a]\nevery = \"1h\"\nshell = \"x\"\n{line}\n"))
    };
    for (line, fault) in [
        (
            "group = \"databases\"",
            "6:9: `groups` has no \"databases\"; give it a limit there, or did you mean \"database\"?",
        ),
        (
            "group = { name = \"database\", limit = 2 }",
            "6:9: the group \"database\" has the limit 3 in `groups`",
        ),
        ("store = \"scratch\"", "6:9: there is no store `scratch`; add it to [stores]"),
    ] {
        assert!(of_job(line)[0].starts_with(fault), "{line}: {:?}", of_job(line));
    }
}
