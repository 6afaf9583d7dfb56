//! Changes a job by the keys of a configuration: what is not named stays as it is.

use chrono::{DateTime, Utc};
use matins::Command;
use matins::control::display::zone_of;
use matins::triggers::Zone;
use matins::{Job, Policy};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::config;
use crate::definition::COMMAND;

/// Puts the values of `keys` into the job; `null` is a key's default. A cron expression or date without a zone of its own is
/// in the zone of the job's trigger, or in `zone` where that has none.
///
/// # Errors
/// When a value is wrong; the job may then have changed in part, so that it must not be kept.
pub(crate) fn edit(
    job: &mut Job,
    keys: &Map<String, Value>,
    zone: Zone,
    now: DateTime<Utc>,
) -> Result<(), String> {
    let has = |key: &str| keys.contains_key(key);
    if keys.is_empty() {
        return Err("nothing is to be changed; name what is".to_owned());
    }
    config::check_keys(keys)?;
    if has("paused") {
        return Err("whether a job is paused is changed with `pause` and `resume`".to_owned());
    }
    let new_trigger = config::has_trigger(keys);
    if has("timezone") && !new_trigger {
        return Err("a time zone goes with a trigger; name `cron` or `at` too".to_owned());
    }
    if has("jitter") && !new_trigger {
        return Err("a jitter goes with a trigger; name `every` or `cron` too".to_owned());
    }
    if has("on") && !has("after") {
        return Err("an outcome goes with the job that is followed; name `after` too".to_owned());
    }
    let new_program = has("command") || has("shell");
    let named: Map<String, Value> = keys
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if new_trigger && !config::has_trigger(&named) {
        return Err("a job needs one of `every`, `cron`, `at`, `in` and `after`, and only one".to_owned());
    }
    if new_program && !["command", "shell"].iter().any(|key| named.contains_key(*key)) {
        return Err("a job needs `command` or `shell`; give it another one".to_owned());
    }
    let zone = zone_of(&*job.trigger).unwrap_or(zone);
    let new = config::read_keys(&named, |reader, written| reader.changes(written, zone))?;

    if let Some(when) = new.when {
        job.trigger = when.jittered(new.jitter, None, job.id.as_str(), now)?;
    }
    let of_command =
        ["environment", "clear_environment", "directory", "stdin", "umask", "nice", "user", "on_orphan"];
    if new_program || of_command.iter().any(|key| has(key)) {
        if job.task.as_str() != COMMAND {
            return Err(format!("job {:?} runs the task {:?} and no command", job.id, job.task));
        }
        let mut command =
            Command::deserialize(&job.arguments).map_err(|error| matins::error_chain(&error))?;
        if let Some(program) = new.program {
            command.program = program.program;
            command.arguments = program.arguments;
        }
        set(&mut command.environment, new.settings.environment, has("environment"));
        set(&mut command.inherit, new.settings.inherit, has("clear_environment"));
        set(&mut command.directory, new.settings.directory, has("directory"));
        set(&mut command.stdin, new.settings.stdin, has("stdin"));
        set(&mut command.umask, new.settings.umask, has("umask"));
        set(&mut command.nice, new.settings.nice, has("nice"));
        set(&mut command.user, new.settings.user, has("user"));
        set(&mut command.on_orphan, new.settings.on_orphan, has("on_orphan"));
        job.arguments = json!(command);
    }
    let Policy {
        misfire_grace,
        coalesce,
        overlap,
        on_interrupt,
        on_exhausted: _,
        time_limit,
        retry,
        priority,
        group,
        delay,
        max_runs,
        max_failures,
        ..
    } = new.policy;
    set(&mut job.policy.misfire_grace, misfire_grace, has("misfire_grace"));
    set(&mut job.policy.coalesce, coalesce, has("coalesce"));
    set(&mut job.policy.overlap, overlap, has("overlap"));
    set(&mut job.policy.on_interrupt, on_interrupt, has("on_interrupt"));
    set(&mut job.policy.time_limit, time_limit, has("time_limit"));
    set(&mut job.policy.retry, retry, has("retry"));
    set(&mut job.policy.priority, priority, has("priority"));
    set(&mut job.policy.group, group, has("group"));
    set(&mut job.policy.delay, delay, has("delay"));
    set(&mut job.policy.max_runs, max_runs, has("max_runs"));
    set(&mut job.policy.max_failures, max_failures, has("max_failures"));
    set(&mut job.executor, new.executor, has("executor"));
    set(&mut job.tags, new.tags, has("tags"));
    Ok(())
}

fn set<T>(place: &mut T, value: T, is_named: bool) {
    if is_named {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use matins::prelude::*;

    use super::*;

    fn job() -> Job {
        let command = Command::new("echo").arguments(["hello"]);
        let scheduler = SchedulerBuilder::new()
            .store("default", MemoryStore::new())
            .executor("default", ThreadExecutor::new())
            .background()
            .unwrap();
        scheduler.register(COMMAND, matins::CommandTask::default()).unwrap();
        scheduler.add(every(3600.seconds()).task(COMMAND).id("a").arguments(command)).unwrap();
        scheduler.get("a").unwrap().unwrap()
    }

    fn edited(keys: Value) -> Result<Job, String> {
        let mut job = job();
        let Value::Object(keys) = keys else { panic!("keys") };
        edit(&mut job, &keys, Zone::utc(), DateTime::UNIX_EPOCH).map(|()| job)
    }

    #[test]
    fn what_is_not_named_stays() {
        let job = edited(json!({"nice": 3, "time_limit": "5s", "tags": ["x"]})).unwrap();
        assert_eq!(job.trigger.describe(), self::job().trigger.describe());
        let command = Command::deserialize(&job.arguments).unwrap();
        assert_eq!((command.program.as_str(), command.nice), ("echo", Some(3)));
        assert_eq!(job.policy.time_limit, Some(std::time::Duration::from_secs(5)));
        let job = edited(json!({"cron": "0 9 * * *", "shell": "true"})).unwrap();
        assert_eq!(job.trigger.describe(), "at 09:00 every day, UTC");
        assert_eq!(Command::deserialize(&job.arguments).unwrap().program, Command::shell("true").program);
    }

    #[test]
    fn a_job_keeps_a_trigger_and_a_program() {
        assert!(edited(json!({"every": null})).unwrap_err().starts_with("a job needs one of `every`"));
        assert!(edited(json!({"shell": null})).unwrap_err().starts_with("a job needs `command`"));
        let twice = edited(json!({"every": "5m", "cron": "0 9 * * *"})).unwrap_err();
        assert!(twice.contains("only one"), "{twice}");
        assert!(edited(json!({"retry": {"wait": "3s"}})).unwrap_err().contains("needs `times`"));
        assert_eq!(edited(json!({"nice": "3"})).unwrap_err(), "`nice` is a whole number; write nice = 10");
        assert!(edited(json!({"retry": {"time": 3}})).unwrap_err().contains("did you mean `times`"));
    }
}
