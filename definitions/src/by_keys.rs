//! A job by keys and values: made of them, or changed by those that are named.

use chrono::{DateTime, Utc};
use matins_core::{Job, Policy};
use matins_task_command::Command;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::definition::COMMAND;
use crate::{Defaults, Definition, DefinitionError, configuration};

impl Definition {
    /// Reads a job from the keys of a configuration's table `[jobs.NAME]`; `defaults` is what it gets where it says nothing.
    ///
    /// ```
    /// use matins_definitions::{Defaults, Definition};
    /// use matins_triggers::Zone;
    /// use serde_json::json;
    ///
    /// let keys = json!({"cron": "30 2 * * *", "command": ["rsync", "-a", "/home", "/backup"]});
    /// let backup = Definition::from_keys("backup", keys.as_object().unwrap(), &Defaults::new(Zone::utc()))?;
    /// assert_eq!(backup.command.program, "rsync");
    ///
    /// let keys = json!({"corn": "30 2 * * *", "command": ["rsync"]});
    /// let error = Definition::from_keys("backup", keys.as_object().unwrap(), &Defaults::new(Zone::utc())).unwrap_err();
    /// assert!(error.to_string().contains("did you mean `cron`"), "{error}");
    /// # Ok::<(), matins_definitions::DefinitionError>(())
    /// ```
    ///
    /// # Errors
    /// If a key is not known, missing, or has a value that is not one.
    pub fn from_keys(
        id: &str,
        keys: &Map<String, Value>,
        defaults: &Defaults,
    ) -> Result<Self, DefinitionError> {
        configuration::read_keys(keys, defaults, |reader, job| reader.job(id, job))
            .map_err(DefinitionError::new)
    }
}

/// Returns the job with the values of `keys`; `null` is a key's default. A cron expression or date without a zone of its own is in that of
/// `defaults`.
///
/// ```
/// use chrono::DateTime;
/// use matins_definitions::{Defaults, Definition, edited};
/// use matins_scheduler::SchedulerBuilder;
/// use matins_triggers::Zone;
/// use serde_json::json;
/// # use matins_definitions::COMMAND;
/// # use matins_executor_thread::ThreadExecutor;
/// # use matins_store_memory::MemoryStore;
/// # use matins_task_command::CommandTask;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let builder = SchedulerBuilder::new().store("default", MemoryStore::new());
/// # let scheduler = builder.executor("default", ThreadExecutor::new()).background()?;
/// # scheduler.register(COMMAND, CommandTask::default())?;
/// let now = DateTime::UNIX_EPOCH;
/// let keys = json!({"every": "5m", "shell": "echo hello", "nice": 5});
/// let hello = Definition::from_keys("hello", keys.as_object().unwrap(), &Defaults::new(Zone::utc()))?;
/// scheduler.add(hello.job_by_hand(now)?)?;
///
/// let job = scheduler.get("hello")?.unwrap();
/// let job = edited(&job, json!({"cron": "0 9 * * *"}).as_object().unwrap(), &Defaults::new(Zone::utc()), now)?;
/// assert_eq!(job.trigger.describe(), "at 09:00 every day, UTC");
/// assert_eq!(job.arguments["nice"], 5);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If a key is not known or a value is wrong, and if the job would have no trigger or no command any more.
pub fn edited(
    job: &Job,
    keys: &Map<String, Value>,
    defaults: &Defaults,
    now: DateTime<Utc>,
) -> Result<Job, DefinitionError> {
    let mut job = job.clone();
    let has = |key: &str| keys.contains_key(key);
    if keys.is_empty() {
        return Err(DefinitionError::new("nothing is to be changed; name what is"));
    }
    configuration::check_keys(keys).map_err(DefinitionError::new)?;
    if has("paused") {
        return Err(DefinitionError::new("whether a job is paused is changed with `pause` and `resume`"));
    }
    if has("store") {
        return Err(DefinitionError::new("a job stays in its store; remove it, and add it to the other one"));
    }
    let new_trigger = configuration::has_trigger(keys);
    if has("timezone") && !new_trigger {
        return Err(DefinitionError::new("a time zone goes with a trigger; name `cron` or `at` too"));
    }
    if has("jitter") && !new_trigger {
        return Err(DefinitionError::new("a jitter goes with a trigger; name `every` or `cron` too"));
    }
    if has("on") && !has("after") {
        return Err(DefinitionError::new("an outcome goes with the job that is followed; name `after` too"));
    }
    let new_program = has("command") || has("shell");
    let named: Map<String, Value> = keys
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if new_trigger && !configuration::has_trigger(&named) {
        return Err(DefinitionError::new(
            "a job needs one of `every`, `cron`, `at`, `in` and `after`, and only one",
        ));
    }
    if new_program && !["command", "shell"].iter().any(|key| named.contains_key(*key)) {
        return Err(DefinitionError::new("a job needs `command` or `shell`; give it another one"));
    }
    let new = configuration::read_changes(&named, defaults);
    let new = new.map_err(DefinitionError::new)?;

    if let Some(when) = new.when {
        job.trigger = when.jittered(new.jitter, None, job.id.as_str(), now)?;
    }
    let of_command =
        ["environment", "clear_environment", "directory", "stdin", "umask", "nice", "user", "on_orphan"];
    if new_program || of_command.iter().any(|key| has(key)) {
        if job.task.as_str() != COMMAND {
            return Err(DefinitionError::new(format!(
                "job {:?} runs the task {:?} and no command",
                job.id, job.task
            )));
        }
        let mut command =
            Command::deserialize(&job.arguments).map_err(|error| DefinitionError::of(&error))?;
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
    Ok(job)
}

fn set<T>(place: &mut T, value: T, is_named: bool) {
    if is_named {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use matins_executor_thread::ThreadExecutor;
    use matins_scheduler::{Schedule as _, SchedulerBuilder};
    use matins_store_memory::MemoryStore;
    use matins_triggers::{TimeUnits as _, Zone, every};

    use super::*;

    fn job() -> Job {
        let command = Command::new("echo").arguments(["hello"]);
        let scheduler = SchedulerBuilder::new()
            .store("default", MemoryStore::new())
            .executor("default", ThreadExecutor::new())
            .background()
            .unwrap();
        scheduler.register(COMMAND, matins_task_command::CommandTask::default()).unwrap();
        scheduler.add(every(3600.seconds()).task(COMMAND).id("a").arguments(command)).unwrap();
        scheduler.get("a").unwrap().unwrap()
    }

    fn edited(keys: Value) -> Result<Job, DefinitionError> {
        let Value::Object(keys) = keys else { panic!("keys") };
        super::edited(&job(), &keys, &Defaults::new(Zone::utc()), DateTime::UNIX_EPOCH)
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
        assert!(
            edited(json!({"every": null})).unwrap_err().to_string().starts_with("a job needs one of `every`")
        );
        assert!(edited(json!({"shell": null})).unwrap_err().to_string().starts_with("a job needs `command`"));
        let twice = edited(json!({"every": "5m", "cron": "0 9 * * *"})).unwrap_err().to_string();
        assert!(twice.contains("only one"), "{twice}");
        assert!(edited(json!({"retry": {"wait": "3s"}})).unwrap_err().to_string().contains("needs `times`"));
        assert_eq!(
            edited(json!({"nice": "3"})).unwrap_err().to_string(),
            "`nice` is a whole number; write nice = 10"
        );
        assert!(
            edited(json!({"retry": {"time": 3}})).unwrap_err().to_string().contains("did you mean `times`")
        );
    }
}
