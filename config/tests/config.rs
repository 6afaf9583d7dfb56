//! Configurations as people write them, the right ones and the wrong ones.

use std::time::Duration;

use matins_config::{ConfigError, ExecutorConfig, SchedulerConfig, StoreUrl};
use matins_core::{Backoff, Coalesce, Group, OnInterrupt, Overlap, Retry, Shutdown};
use matins_scheduler::{Retention, Schedule};
use matins_triggers::{TimeUnits, cron, every};

const WHOLE: &str = r#"
[stores]
default = "memory:"
archive = "sqlite:archive.db"

[executors]
default = { kind = "thread", workers = 4, idle_timeout = "1m 30s" }
numbers = { kind = "rayon", threads = 2 }

[job_defaults]
misfire_grace = "10m"
coalesce = "all"
overlap = { allow = 2 }
on_interrupt = "run_again"
time_limit = "1h"
retry = { times = 3, wait = "30s" }
group = { name = "database", limit = 2 }

[ledger]
runs_per_job = 1000
days = "all"
ended_jobs = 50
"#;

#[test]
fn toml_and_json_say_the_same() {
    let config = SchedulerConfig::from_toml(WHOLE).unwrap();
    let json = r#"{
        "stores": {"default": "memory:", "archive": "sqlite:archive.db"},
        "executors": {
            "default": {"kind": "thread", "workers": 4, "idle_timeout": "1m 30s"},
            "numbers": {"kind": "rayon", "threads": 2}
        },
        "job_defaults": {
            "misfire_grace": "10m", "coalesce": "all", "overlap": {"allow": 2}, "on_interrupt": "run_again",
            "time_limit": "1h", "retry": {"times": 3, "wait": "30s"},
            "group": {"name": "database", "limit": 2}
        },
        "ledger": {"runs_per_job": 1000, "days": "all", "ended_jobs": 50}
    }"#;
    assert_eq!(SchedulerConfig::from_json(json).unwrap(), config);
    assert_eq!(
        config.stores.values().collect::<Vec<_>>(),
        [&StoreUrl::Sqlite("archive.db".into()).into(), &StoreUrl::Memory.into()]
    );
    let policy = config.job_defaults.policy();
    assert_eq!(policy.misfire_grace, Some(Duration::from_secs(600)));
    assert_eq!((policy.coalesce, policy.overlap), (Coalesce::All, Overlap::Allow(2)));
    assert_eq!(policy.on_interrupt, OnInterrupt::RunAgain);
    assert_eq!(policy.time_limit, Some(Duration::from_secs(3600)));
    assert_eq!(policy.retry, Retry::times(3).backoff(Backoff::Fixed(Duration::from_secs(30))));
    assert_eq!(policy.group, Some(Group::new("database", 2).unwrap()));
    let kept = Retention { runs_per_job: Some(1000), age: None, ended_jobs: Some(50) };
    assert_eq!(config.ledger.retention(), kept);
}

#[test]
fn a_scheduler_of_a_configuration_works_and_keeps_its_files() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("jobs");
    let config = SchedulerConfig::from_toml(&format!(
        "stores.default = 'file:{}'\nexecutors.other.kind = 'rayon'\njob_defaults.time_limit = '5s'\n",
        file.display()
    ))
    .unwrap();
    for jobs_before in 0..2 {
        let mut scheduler = config.builder().unwrap().background().unwrap();
        scheduler.register("answer", || Ok::<_, String>(42)).unwrap();
        assert_eq!(scheduler.list(&matins_core::JobQuery::default()).unwrap().len(), jobs_before);
        scheduler.start().unwrap();
        for executor in ["default", "other"] {
            let job = every(1.hours()).task("answer").id("answer").executor(executor);
            let job = scheduler.add(job.on_conflict(matins_core::OnConflict::Replace)).unwrap();
            assert_eq!(job.get().unwrap().unwrap().policy.time_limit, Some(Duration::from_secs(5)));
            assert_eq!(job.run_now().unwrap().wait().unwrap().result, Some(42.into()));
        }
        scheduler.shutdown_and_wait(Shutdown::Wait);
    }
}

#[test]
fn every_fault_says_where_and_what() {
    let faults = [
        (
            "[stores]\ndefault = \"redis:x\"\n",
            "2:11: \"redis:x\" is no store; write sqlite:PATH, file:DIRECTORY, memory: or postgres://USER@HOST/DATABASE",
        ),
        ("[job_defaults]\ngroup = { name = \"a\", limit = 0 }\n", "2:9: the group \"a\" has the limit 0"),
        ("[job_defaults]\ntime_limit = \"3 parsecs\"\n", "2:14: \"3 parsecs\" is no duration: "),
        (
            "[job_defaults]\noverlap = \"sometimes\"\n",
            "2:11: unknown variant `sometimes`, expected one of `skip`, `queue_one`, `allow`",
        ),
        (
            "[job_defaults]\nmisfire = \"3s\"\n",
            "2:1: unknown field `misfire`, expected one of `misfire_grace`",
        ),
        ("[job_defaults]\nretry = { times = 1, wait = \"1s\", first = \"1s\" }\n", "2:9: a retry has either"),
        ("[ledger]\ndays = \"some\"\n", "2:8: a number from 0 up, or \"all\""),
        (
            "[executors.x]\nkind = \"thread\"\nthreads = 3\n",
            "1:1: unknown field `threads`, expected one of `workers`, `queue`",
        ),
        (
            "[executors.x]\nkind = \"fork\"\n",
            "2:8: unknown variant `fork`, expected one of `thread`, `rayon`, `tokio`, `process`",
        ),
        ("[executors.x]\nworkers = 3\n", "1:1: missing field `kind`"),
        (
            "[stores]\na = \"sqlite:x?wait=3s\"\n",
            "2:5: \"sqlite:x?wait=3s\" has the parameter \"wait\", which no store has",
        ),
        (
            "[stores]\na = { url = \"sqlite:x\", wait = \"3s\" }\n",
            "2:25: unknown field `wait`, expected `url` or `wait_for_owner`",
        ),
        (
            "[stores]\na = { url = \"sqlite:x?wait_for_owner=3s\" }\n",
            "2:13: \"sqlite:x?wait_for_owner=3s\" has parameters, and a URL without them",
        ),
        (
            "[stores]\na = { url = \"memory:\", wait_for_owner = \"3s\" }\n",
            "2:5: wait_for_owner is of no use with a store in memory",
        ),
        ("[stores]\na = 3\n", "2:5: invalid type: integer `3`, expected a store such as"),
        ("[stores]\n\" x\" = \"memory:\"\n", "2:1: the store name \" x\" has white space"),
        ("[stores\n", "1:8: "),
    ];
    for (text, expected) in faults {
        let error = SchedulerConfig::from_toml(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text:?}: {error:?}");
    }
    let error = SchedulerConfig::from_json("{\n  \"stores\": {\"a\": \"redis:\"}}").unwrap_err().to_string();
    assert!(error.starts_with("2:") && error.contains("is no store"), "{error}");
}

#[test]
fn what_cannot_be_opened_or_started_is_said() {
    let config = SchedulerConfig::from_toml("stores.a = 'sqlite:/proc/none/jobs.db'").unwrap();
    let error = config.builder().unwrap_err();
    assert!(matches!(error, ConfigError::Store { .. }), "{error}");
    let shown = matins_core::error_chain(&error);
    assert!(shown.starts_with("store sqlite:/proc/none/jobs.db: "), "{shown}");
    let config = SchedulerConfig::from_toml("executors.a.kind = 'tokio'").unwrap();
    let shown = matins_core::error_chain(&config.builder().unwrap_err());
    assert!(shown.starts_with("an executor of kind tokio cannot be started: "), "{shown}");
}

#[tokio::test]
async fn a_tokio_executor_is_on_the_runtime_that_it_is_built_on() {
    let config = ExecutorConfig::Tokio { at_once: Some(2), queue: None, cancel_grace: None };
    config.build().unwrap();
}

#[test]
fn jobs_that_name_no_zone_are_in_the_default_one() {
    let config = SchedulerConfig::from_toml("timezone = \"Europe/Berlin\"").unwrap();
    let scheduler = config.builder().unwrap().blocking().unwrap();
    scheduler.register("report", || ()).unwrap();
    let trigger = |job: matins_triggers::Cron, id: &str| {
        scheduler.add(job.task("report").id(id)).unwrap();
        scheduler.get(id).unwrap().unwrap().trigger.describe()
    };
    assert!(trigger(cron("0 9 * * *"), "default").contains("Europe/Berlin"));
    assert!(trigger(cron("0 9 * * *").in_zone("Asia/Tokyo"), "own").contains("Asia/Tokyo"));
    let error = SchedulerConfig::from_toml("timezone = \"Europe/Berlim\"").unwrap_err();
    assert!(matins_core::error_chain(&error).contains("Europe/Berlim"), "{error}");
}

/// Asked for as overlapping deployments: the new process starts before the old one has ended.
#[test]
fn a_store_that_another_process_owns_is_waited_for_as_long_as_its_configuration_says() {
    let directory = tempfile::tempdir().unwrap();
    for kind in ["sqlite", "file"] {
        let url = format!("{kind}:{}", directory.path().join(kind).display());
        let previous = url.parse::<StoreUrl>().unwrap().open().unwrap();
        for text in [
            format!("stores.default = '{url}?wait_for_owner=20ms'"),
            format!("stores.default = {{ url = '{url}', wait_for_owner = '20ms' }}"),
        ] {
            let error = SchedulerConfig::from_toml(&text).unwrap().builder().unwrap_err();
            let shown = matins_core::error_chain(&error);
            assert!(shown.contains("; waited 20ms for it to end; "), "{shown}");
            assert!(shown.contains(&format!("process {} ", std::process::id())), "{shown}");
        }
        drop(previous);
        let text = format!("stores.default = '{url}?wait_for_owner=30s'");
        drop(SchedulerConfig::from_toml(&text).unwrap().builder().unwrap());
    }
}
