//! What is read from a configuration, and what is refused.

use matins_core::{Backoff, Outcome, Overlap, Retry};
use matins_scheduler::Retention;
use matins_task_command::Command;

use super::*;
use crate::definition::When;

fn faults(text: &str) -> Vec<String> {
    Configuration::parse(text, Zone::utc()).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn a_whole_configuration_is_understood() {
    let config = Configuration::parse(
        r#"
        timezone = "Europe/Berlin"
        store = "sqlite:jobs.db"
        [ledger]
        runs_per_job = "all"
        days = 7
        [jobs.backup]
        cron = "30 2 * * *"
        command = ["rsync", "-a", "/home", "/backup"]
        overlap = { allow = 2 }
        misfire_grace = "1h"
        [jobs."say hello"]
        every = "1m 30s"
        shell = "echo hello"
        overlap = "queue_one"
        time_limit = "10s"
        retry = { times = 3, wait = "30s" }
        "#,
        Zone::utc(),
    )
    .unwrap();
    assert_eq!(
        config.scheduler.stores.get("default").cloned(),
        Some(matins_config::StoreUrl::Sqlite("jobs.db".into()).into())
    );
    assert_eq!(
        config.scheduler.ledger.retention(),
        Retention { runs_per_job: None, age: Some(Duration::from_secs(7 * 86_400)), ..Retention::default() }
    );
    let [backup, hello] = &config.jobs[..] else { panic!("two jobs") };
    assert_eq!(backup.policy.overlap, Overlap::Allow(2));
    assert_eq!(backup.policy.misfire_grace, Some(Duration::from_secs(3600)));
    assert_eq!(backup.command, Command::new("rsync").arguments(["-a", "/home", "/backup"]));
    assert!(matches!(&backup.when, When::Cron(trigger) if trigger.zone().name() == "Europe/Berlin"));
    assert!(matches!(hello.when, When::Every(period) if period == TimeDelta::seconds(90)));
    assert_eq!(hello.policy.overlap, Overlap::QueueOne);
    assert_eq!(hello.policy.time_limit, Some(Duration::from_secs(10)));
    assert_eq!(hello.policy.retry, Retry::times(3).backoff(Backoff::Fixed(Duration::from_secs(30))));
}

#[test]
fn an_executor_is_understood_and_every_fault_of_one_is_told() {
    let config = Configuration::parse(
        "[executors.remote]\nkind = \"nats\"\nurl = \"nats://me:secret@one\"\nack_wait = \"10s\"\n\
         [executors.few]\nkind = \"thread\"\nworkers = 2\n\
         [jobs.a]\nevery = \"1m\"\nshell = \"x\"\nexecutor = \"remote\"\n[jobs.b]\nevery = \"1m\"\nshell = \"x\"\n",
        Zone::utc(),
    )
    .unwrap();
    assert_eq!(config.scheduler.executors.len(), 2);
    assert!(!format!("{config:?}").contains("secret"));
    let executors: Vec<&str> = config.jobs.iter().map(|job| job.executor.as_str()).collect();
    assert_eq!(executors, ["remote", "default"]);

    let job = "[jobs.a]\nevery = \"1m\"\nshell = \"x\"\nexecutor = \"remotr\"\n";
    let found = faults(&format!("[executors.remote]\nkind = \"thread\"\n{job}"));
    assert_eq!(found, ["6:12: there is no executor `remotr`; add [executors.remotr], or name another one"]);
    for (text, expected) in [
        (
            "[executors]\na = 1\n",
            "2:1: the executor `a` is a table of its own; write [executors.a] above its keys",
        ),
        ("[executors.a]\nworkers = 1\n", "1:12: `kind` is one of thread, nats; write kind = \"nats\""),
        ("[executors.a]\nkind = \"rayon\"\n", "2:8: \"rayon\" is for programs; write kind = \"nats\""),
        (
            "[executors.a]\nkind = \"nats\"\n",
            "1:12: the executor `a` needs `url`; write url = \"nats://HOST\"",
        ),
        (
            "[executors.a]\nkind = \"thread\"\nworker = 1\n",
            "3:1: unknown key `worker`; did you mean `workers`?",
        ),
        ("[executors.a]\nkind = \"nats\"\nurl = \"http://x\"\n", "this is no address of a NATS server"),
        ("[executors.a]\nkind = \"thread\"\nidle_timeout = \"soon\"\n", "\"soon\""),
        ("[executors.a]\nkind = \"thread\"\nworkers = -1\n", "-1"),
        ("[executors.\"\"]\nkind = \"thread\"\n", "1:12: "),
    ] {
        // All is read, so that the faults of jobs are told too.
        let found = faults(&format!("{text}{}", job.replace("remotr", "default")));
        assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:#?}");
    }
}

#[test]
fn every_fault_has_its_place() {
    let found = faults(
        "[jobs.a]\ncron = \"* * * MOM *\"\nshell = \"x\"\n[jobs.b]\nevery = \"3 parsecs\"\nshell = \"x\"\n\
         [jobs.c]\nevery = \"3s\"\nat = \"2026-01-01\"\nshell = \"x\"\n[jobs.d]\nevery = \"3s\"\n",
    );
    let places: Vec<&str> = found.iter().map(|fault| fault.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["2:15", "5:9", "7:7", "11:7"], "{found:#?}");
}

#[test]
fn every_unknown_key_is_told_with_the_nearest_one_beside_the_other_faults() {
    let found = faults(
        "[ledgr]\n[jobs.a]\ncorn = \"* * * * *\"\nevery = \"3 parsecs\"\nshell = \"x\"\nretry = { time = 3 }\nxyzzy = 1\n",
    );
    let expected = [
        "1:2: unknown key `ledgr`; did you mean `ledger`?",
        "3:1: unknown key `corn`; did you mean `cron`?",
        "6:11: unknown key `time`; did you mean `times`?",
        "7:1: unknown key `xyzzy`; there are every, cron,",
    ];
    for line in expected {
        assert!(found.iter().any(|fault| fault.starts_with(line)), "{line}: {found:#?}");
    }
    assert!(found.iter().any(|fault| fault.starts_with("4:9: ")), "{found:#?}");
    assert_eq!(found.len(), 5, "{found:#?}");
}

/// A configuration that is sound, with this line in a job, and what the line needs beside it.
fn with_job_line(line: &str) -> String {
    let name = line.split(' ').next().unwrap();
    let when = match name {
        name if keys::WHEN.contains(&name) => "",
        "on" => "after = \"b\"\n",
        _ => "every = \"1h\"\n",
    };
    let what = if ["command", "shell"].contains(&name) { "" } else { "shell = \"x\"\n" };
    format!("[jobs.a]\n{when}{what}{line}\n")
}

#[test]
fn every_key_is_read_as_its_example_has_it() {
    let line = |key: &key::Key| key.example.split(", or").next().unwrap().to_owned();
    for key in keys::JOB {
        let text = with_job_line(&line(key));
        assert!(Configuration::parse(&text, Zone::utc()).is_ok(), "{text}: {:?}", faults(&text));
    }
    for key in keys::RETRY {
        let times = if key.name == "times" { "" } else { "times = 1, " };
        let text = with_job_line(&format!("retry = {{ {times}{} }}", line(key)));
        assert!(Configuration::parse(&text, Zone::utc()).is_ok(), "{text}: {:?}", faults(&text));
    }
    for key in keys::HOOK {
        let on = if key.name == "on" { "" } else { "on = [\"failed\"]\n" };
        let what = if ["command", "shell"].contains(&key.name) { "" } else { "shell = \"x\"\n" };
        let text = format!("[[hook]]\n{on}{what}{}\n", line(key));
        assert!(Configuration::parse(&text, Zone::utc()).is_ok(), "{text}: {:?}", faults(&text));
    }
    for key in keys::LEDGER {
        let text = format!("[ledger]\n{}\n", line(key));
        assert!(Configuration::parse(&text, Zone::utc()).is_ok(), "{text}: {:?}", faults(&text));
    }
}

#[test]
fn every_word_is_read() {
    for line in [
        "coalesce = \"latest\"",
        "coalesce = \"earliest\"",
        "coalesce = \"all\"",
        "on_interrupt = \"run_again\"",
        "overlap = \"skip\"",
        "on = \"succeeded\"",
        "on = \"failed\"",
        "on = \"any\"",
        "overlap = { allow = 2 }",
    ] {
        assert!(
            Configuration::parse(&with_job_line(line), Zone::utc()).is_ok(),
            "{line}: {:?}",
            faults(&with_job_line(line))
        );
    }
}

#[test]
fn a_value_of_another_kind_is_told_with_how_it_is_written() {
    let cases = [
        (
            "command = \"echo hello\"",
            "3:11: `command` is a list of texts; write command = [\"program\", \"argument\"], or shell = \"a line\"",
        ),
        ("command = [\"sleep\", 3]", "3:21: `command` is a list of texts;"),
        ("nice = \"10\"", "4:8: `nice` is a whole number; write nice = 10"),
        ("umask = 27", "4:9: `umask` is a text in quotes; write umask = \"077\""),
        ("retry = 3", "4:9: `retry` is a table; write retry = { times = 3, wait = \"30s\" }"),
        ("retry = { times = \"3\" }", "4:19: `times` is a whole number; write times = 3"),
        ("retry = { times = -1 }", "4:19: -1 is no number of retries; write one from 0 to 4294967295"),
        ("environment = [\"A=b\"]", "4:15: `environment` is a table of texts;"),
        ("environment = { A = 1 }", "4:21: `environment` is a table of texts;"),
        ("paused = \"yes\"", "4:10: `paused` is true or false; write paused = true"),
        ("every = 5", "3:9: `every` is a text in quotes; write every = \"5m\""),
        ("zone = \"Europe/Berlin\"", "4:1: unknown key `zone`; did you mean `timezone`?"),
        (
            "overlap = \"queue\"",
            "4:11: `overlap` is one of skip, queue_one and allow; write overlap = \"queue_one\", or overlap = { allow = 2 }",
        ),
        ("overlap = { allow = 0 }", "4:11: `overlap` is one of"),
        ("overlap = { at_most = 2 }", "4:11: `overlap` is one of"),
        (
            "coalesce = \"none\"",
            "4:12: `coalesce` is one of latest, earliest, all; write coalesce = \"latest\"",
        ),
        (
            "on_interrupt = true",
            "4:16: `on_interrupt` is one of leave, run_again; write on_interrupt = \"leave\"",
        ),
        ("nice = 1000", "4:8: 1000 is no nice level; write one from -20 to 19"),
    ];
    for (line, fault) in cases {
        let found = faults(&with_job_line(line));
        assert_eq!(found.len(), 1, "{line}: {found:#?}");
        assert!(found[0].starts_with(fault), "{line}: {found:#?}");
    }
    let whole = [
        (
            "store = \"postgres:jobs\"\n",
            "1:9: \"postgres:jobs\" is no store; write sqlite:PATH, file:DIRECTORY, memory: or \
             postgres://USER@HOST/DATABASE",
        ),
        ("[[jobs]]\nevery = \"5s\"\n", "1:1: `jobs` is a table; write [jobs.NAME] for each"),
        ("[jobs]\na = \"x\"\n", "2:1: the job `a` is a table of its own; write [jobs.a] above its keys"),
        ("[hook]\non = [\"failed\"]\n", "1:1: `hook` is a list of tables; write [[hook]]"),
        (
            "[[hook]]\non = \"failed\"\nshell = \"x\"\n",
            "2:6: `on` is a list of texts; write on = [\"failed\", \"timed out\"]",
        ),
    ];
    for (text, fault) in whole {
        assert_eq!(faults(text), [fault], "{text}");
    }
}

#[test]
fn a_date_of_tomls_own_is_a_date() {
    for date in
        ["2026-12-24T18:00:00", "2026-12-24 18:00:00", "2026-12-24T17:00:00Z", "2026-12-24T18:00:00+01:00"]
    {
        let text = format!("timezone = \"Europe/Berlin\"\n[jobs.a]\nat = {date}\nshell = \"x\"\n");
        let config = Configuration::parse(&text, Zone::utc()).unwrap();
        let When::At(trigger) = &config.jobs[0].when else { panic!("a date") };
        assert_eq!(trigger.instant().to_rfc3339(), "2026-12-24T17:00:00+00:00", "{date}");
    }
    assert!(faults("[jobs.a]\nat = 18:00:00\nshell = \"x\"\n")[0].starts_with("2:6: "));
}

#[test]
fn durations_beyond_all_calendars_are_refused() {
    for key in ["every", "in", "time_limit", "misfire_grace", "expected_duration"] {
        let when = if ["every", "in"].contains(&key) { "" } else { "every = \"1h\"\n" };
        for years in ["10001years", "300000years", "100000000000years"] {
            let found = faults(&format!("[jobs.a]\n{key} = \"{years}\"\nshell = \"x\"\n{when}"));
            assert!(found[0].contains("longer than 10,000 years"), "{key}: {found:?}");
        }
    }
}

#[test]
fn what_a_job_is_run_with_is_read() {
    let text = "[jobs.a]\nevery = \"1h\"\nshell = \"x\"\numask = \"027\"\nnice = 10\nuser = \"nobody\"\n\
                clear_environment = true\nexpected_duration = \"3s\"\npriority = -5\ndelay = \"30s\"\n\
                max_runs = 3\nmax_failures = 5\n";
    let config = Configuration::parse(text, Zone::utc()).unwrap();
    let command = &config.jobs[0].command;
    assert_eq!(
        (command.umask, command.nice, command.user.as_deref()),
        (Some(0o027), Some(10), Some("nobody"))
    );
    assert_eq!(command.inherit, matins_task_command::Inherit::Nothing);
    assert_eq!(config.jobs[0].expected_duration, Some(Duration::from_secs(3)));
    assert_eq!(config.jobs[0].policy.priority, -5);
    let policy = &config.jobs[0].policy;
    assert_eq!(policy.delay, Some(Duration::from_secs(30)));
    assert_eq!((policy.max_runs.unwrap().get(), policy.max_failures.unwrap().get()), (3, 5));
    assert!(
        faults(&text.replace("max_runs = 3", "max_runs = 0"))[0].starts_with("11:12: 0 is no number of runs")
    );
    assert!(faults(&text.replace("-5", "3000000000"))[0].starts_with("9:12: 3000000000 is no priority"));
    assert!(faults(&text.replace("027", "8"))[0].starts_with("4:9: "));
    assert!(faults(&text.replace("10", "20"))[0].starts_with("5:8: "));
}

#[test]
fn a_group_is_a_name_or_a_name_and_a_limit() {
    let text = "[jobs.a]\nevery = \"1h\"\nshell = \"x\"\ngroup = \"database\"\n";
    let group =
        |text: &str| Configuration::parse(text, Zone::utc()).unwrap().jobs[0].policy.group.clone().unwrap();
    assert_eq!(group(text), matins_core::Group::new("database", 1).unwrap());
    let table = |table: &str| text.replace("\"database\"", table);
    let two = matins_core::Group::new("database", 2).unwrap();
    assert_eq!(group(&table("{ name = \"database\", limit = 2 }")), two);
    let refused = |value: &str| faults(&table(value)).remove(0);
    assert!(refused("{ name = \"database\", limit = 0 }").contains("at least 1"));
    assert!(refused("\"\"").starts_with("4:9: a group name may not be empty"), "{}", refused("\"\""));
    assert!(refused("7").contains("`group` is a name, or a table of a name and a limit"), "{}", refused("7"));
    assert!(refused("{ name = \"database\", most = 2 }").contains("limit = 2"));
    assert!(refused("{ limit = 2 }").contains("limit = 2"));
}

#[test]
fn a_jitter_spreads_by_the_id_and_moves_no_single_time() {
    let text = "[jobs.a]\ncron = \"0 * * * *\"\njitter = \"10m\"\nshell = \"x\"\n";
    let two = format!("{text}{}", text.replace("jobs.a", "jobs.b"));
    let now = "2026-11-25T00:30:00Z".parse().unwrap();
    let config = Configuration::parse(&two, Zone::utc()).unwrap();
    let fires: Vec<_> =
        config.jobs.iter().map(|job| job.trigger(now).unwrap().next_after(now).unwrap()).collect();
    assert!(fires.iter().all(|fire| (0..=600).contains(&(*fire - now).num_seconds().wrapping_sub(1800))));
    assert_ne!(fires[0], fires[1]);
    assert!(faults(&text.replace("cron = \"0 * * * *\"", "in = \"1h\""))[0].starts_with("3:10: a jitter"));
}

#[test]
fn hooks_are_read() {
    let text = "[[hook]]\non = [\"failed\", \"missed\"]\njobs = [\"a\"]\nshell = \"x\"\n";
    let config = Configuration::parse(text, Zone::utc()).unwrap();
    let hook = &config.hooks[0];
    let missed = Outcome::Missed(matins_core::MissedReason::Overlap);
    assert!(hook.is_for("a", Outcome::Failed) && hook.is_for("a", missed));
    assert!(!hook.is_for("a", Outcome::Succeeded) && !hook.is_for("b", Outcome::Failed));
    assert!(faults(&text.replace("failed", "splendid"))[0].starts_with("2:7: \"splendid\" is no outcome"));
}

#[test]
fn what_is_no_toml_or_no_key_has_its_place_too() {
    assert!(faults("[jobs.a\n")[0].starts_with("1:"));
    let unknown = &faults("[jobs.a]\nevrey = \"3s\"\nshell = \"x\"\n")[0];
    assert!(unknown.starts_with("2:1: unknown key `evrey`; did you mean `every`?"), "{unknown}");
    assert!(faults("timezone = \"Europe/Berlim\"\n")[0].starts_with("1:12: there is no time zone"));
}

#[test]
fn a_job_may_run_after_another() {
    let read = |keys: &str| {
        let text = format!("[jobs.backup]\nevery = \"1h\"\nshell = \"x\"\n[jobs.a]\nshell = \"x\"\n{keys}\n");
        let config = Configuration::parse(&text, Zone::utc()).map_err(|faults| faults[0].to_string())?;
        let trigger = config.jobs[0].trigger(chrono::DateTime::UNIX_EPOCH).unwrap();
        Ok::<_, String>(trigger.after().map(ToString::to_string).unwrap_or_default())
    };
    assert_eq!(read("after = \"backup\"").unwrap(), "after backup has succeeded");
    assert_eq!(read("after = \"backup\"\non = \"failed\"").unwrap(), "after backup has failed");
    // It may be a job that is added by hand.
    assert_eq!(read("after = \"of others\"\non = \"any\"").unwrap(), "after of others has ended");
    let refused = [
        ("after = \"\"", "6:9: "),
        (
            "after = \"backup\"\nevery = \"1h\"",
            "4:7: a job needs one of `every`, `cron`, `at`, `in` and `after`",
        ),
        ("every = \"1h\"\non = \"any\"", "7:6: `on` says how the job has to end"),
        ("after = \"backup\"\non = \"success\"", "7:6: `on` is one of succeeded, failed, any;"),
        ("aftr = \"backup\"", "6:1: unknown key `aftr`; did you mean `after`?"),
        ("after = \"backup\"\njitter = \"1m\"", "7:10: a jitter is of `every` and `cron`"),
    ];
    for (keys, expected) in refused {
        let fault = read(keys).unwrap_err();
        assert!(fault.starts_with(expected), "{keys}: {fault}");
    }
}

#[test]
fn a_cycle_of_jobs_is_refused_once_where_it_is_written() {
    let job = |id: &str, after: &str| format!("[jobs.{id}]\nshell = \"x\"\nafter = \"{after}\"\n");
    let text = [job("z", "b"), job("a", "c"), job("b", "a"), job("c", "b"), job("own", "own")].concat();
    assert_eq!(
        faults(&text),
        [
            "6:9: a job cannot run after itself: \"a\", then \"b\", then \"c\", then \"a\"; let one of them fire at times of \
             its own",
            "15:9: a job cannot run after itself: \"own\", then \"own\"; let one of them fire at times of its own",
        ]
    );
    assert!(
        Configuration::parse(&[job("a", "b"), job("b", "c"), job("c", "d")].concat(), Zone::utc()).is_ok()
    );
}

/// What an editor completes is what is read.
#[test]
fn the_json_schema_has_the_keys_that_are_read() {
    let schema = matins_config::schema();
    let of = |value: &Value| -> BTreeSet<String> {
        value["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let names =
        |keys: &[key::Key]| -> BTreeSet<String> { keys.iter().map(|key| key.name.to_owned()).collect() };
    assert_eq!(of(&schema), names(keys::FILE));
    let parts = [
        ("Ledger", keys::LEDGER),
        ("Hook", keys::HOOK),
        ("Crontab", keys::CRONTAB),
        ("JobDefaults", keys::JOB_DEFAULTS),
        ("JobSpec", keys::JOB),
        ("RetrySpec", keys::RETRY),
    ];
    for (part, known) in parts {
        assert_eq!(of(&schema["$defs"][part]), names(known), "{part}");
    }
}
