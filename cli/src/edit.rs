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
    let mut filled: Map<String, Value> = keys
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    // What is needed of a whole job, and thrown away again.
    if !new_trigger {
        filled.insert("every".into(), json!("1h"));
    }
    if !new_program {
        filled.insert("shell".into(), json!(":"));
    }
    let new = config::job_of_keys(job.id.as_str(), &filled, zone_of(&*job.trigger).unwrap_or(zone))?;

    if new_trigger {
        job.trigger = new.trigger(now)?;
    }
    let of_command =
        ["environment", "clear_environment", "directory", "stdin", "umask", "nice", "user", "on_orphan"];
    if new_program || of_command.iter().any(|key| has(key)) {
        if job.task.as_str() != COMMAND {
            return Err(format!("job {:?} runs the task {:?} and no command", job.id, job.task));
        }
        let mut command =
            Command::deserialize(&job.arguments).map_err(|error| matins::error_chain(&error))?;
        if new_program {
            command.program = new.command.program;
            command.arguments = new.command.arguments;
        }
        set(&mut command.environment, new.command.environment, has("environment"));
        set(&mut command.inherit, new.command.inherit, has("clear_environment"));
        set(&mut command.directory, new.command.directory, has("directory"));
        set(&mut command.stdin, new.command.stdin, has("stdin"));
        set(&mut command.umask, new.command.umask, has("umask"));
        set(&mut command.nice, new.command.nice, has("nice"));
        set(&mut command.user, new.command.user, has("user"));
        set(&mut command.on_orphan, new.command.on_orphan, has("on_orphan"));
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
    set(&mut job.tags, new.tags, has("tags"));
    Ok(())
}

fn set<T>(place: &mut T, value: T, is_named: bool) {
    if is_named {
        *place = value;
    }
}
