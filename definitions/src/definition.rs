//! A job as a file defines it, whatever the file's form.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    After, ExecutorName, IntoTrigger, JobId, OnConflict, OnExhausted, Policy, StoreName, Trigger, Value,
};
use matins_scheduler::{NewJob, Schedule as _};
use matins_task_command::Command;
use matins_triggers::{AfterTrigger, CronTrigger, DateTrigger, JitterTrigger, NeverTrigger, every};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::DefinitionError;

/// The task that all of them run.
pub const COMMAND: &str = "command";

/// A job as a file defines it.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The id of its job.
    pub id: String,
    /// What the id is generated from, where the file gives none: see [`crontab::assign_ids`](crate::crontab::assign_ids).
    pub proposed_id: Option<String>,
    /// When it fires.
    pub when: When,
    /// What is run.
    pub command: Command,
    /// Which store keeps it.
    pub store: StoreName,
    /// What runs it.
    pub executor: ExecutorName,
    /// What happens to fires that are late, overlap or fail.
    pub policy: Policy,
    /// Each fire that much later at most, always by the same; of intervals and cron expressions.
    pub jitter: Option<TimeDelta>,
    /// What the jitter is made from; by default, the id.
    pub jitter_seed: Option<u64>,
    /// To whom the output of a run is mailed.
    pub mail: Option<Mail>,
    /// How long a run is expected to take, for simulations; nothing else depends on it.
    pub expected_duration: Option<Duration>,
    /// Whether it is added paused.
    pub paused: bool,
    /// Words to find it by.
    pub tags: BTreeSet<String>,
}

/// Whom a job's output is mailed to: `MAILTO` and `MAILFROM` of a crontab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// The addresses, as they are written.
    pub to: String,
    /// Who sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// When a defined job fires.
#[derive(Debug, Clone)]
pub enum When {
    /// Every so often, from the first time that the definition is met.
    Every(TimeDelta),
    /// When a cron expression says so.
    Cron(CronTrigger),
    /// Once, at a time.
    At(DateTrigger),
    /// Once, so long after the first time that the definition is met.
    In(TimeDelta),
    /// After each run of another job that ends in a certain way.
    After(After),
    /// Once after each boot of the machine: `@reboot`.
    Start,
    /// Not at all: a schedule of days that the calendar does not have.
    Never(String),
}

impl When {
    /// Returns the trigger of a definition that is met for the first time at `now`.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use matins_core::Trigger;
    /// use matins_definitions::When;
    ///
    /// let now = DateTime::UNIX_EPOCH;
    /// let trigger = When::In(TimeDelta::seconds(10)).trigger(now)?;
    /// assert_eq!(trigger.next_after(now), Some(now + TimeDelta::seconds(10)));
    /// # Ok::<(), matins_definitions::DefinitionError>(())
    /// ```
    ///
    /// # Errors
    /// If a period is not one.
    pub fn trigger(&self, now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, DefinitionError> {
        Ok(match self {
            Self::Every(period) => {
                every(*period).into_trigger(now).map_err(|error| DefinitionError::of(&error))?
            }
            Self::Cron(trigger) => Arc::new(trigger.clone()),
            Self::At(trigger) => Arc::new(trigger.clone()),
            Self::In(delay) => Arc::new(DateTrigger::new(now + *delay)),
            Self::After(After { job, outcome, .. }) => Arc::new(AfterTrigger::new(job.clone(), *outcome)),
            Self::Start => Arc::new(DateTrigger::new(now)),
            Self::Never(schedule) => Arc::new(NeverTrigger::new(schedule)),
        })
    }

    /// Returns the trigger of the job `id`, with a jitter if there is one. The jitter is made from `seed`, or else from the id.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use matins_definitions::When;
    ///
    /// let (now, hour) = (DateTime::UNIX_EPOCH, TimeDelta::hours(1));
    /// let trigger = When::Every(hour).jittered(Some(TimeDelta::minutes(5)), None, "backup", now)?;
    /// let late = trigger.next_after(now).unwrap() - (now + hour);
    /// assert!(late >= TimeDelta::zero() && late <= TimeDelta::minutes(5));
    /// # Ok::<(), matins_definitions::DefinitionError>(())
    /// ```
    ///
    /// # Errors
    /// If a period is not one, and if there can be no jitter on this trigger.
    pub fn jittered(
        &self,
        jitter: Option<TimeDelta>,
        seed: Option<u64>,
        id: &str,
        now: DateTime<Utc>,
    ) -> Result<Arc<dyn Trigger>, DefinitionError> {
        let trigger = self.trigger(now)?;
        let Some(jitter) = jitter else { return Ok(trigger) };
        let jittered = match seed {
            Some(seed) => JitterTrigger::new(trigger, jitter, seed),
            None => JitterTrigger::unseeded(trigger, jitter),
        };
        let jittered = jittered.map_err(|error| DefinitionError::of(&error))?;
        // As the scheduler does when it adds the job, so that what is shown beforehand is what happens.
        let seeded = JobId::new(id).ok().and_then(|id| jittered.with_seed(id.seed()));
        Ok(seeded.unwrap_or_else(|| Arc::new(jittered)))
    }

    fn fingerprint(&self) -> Value {
        match self {
            Self::Every(period) => json!({"every": period.to_string()}),
            Self::Cron(trigger) => json!({"cron": trigger}),
            Self::At(trigger) => json!({"at": trigger}),
            Self::In(delay) => json!({"in": delay.to_string()}),
            Self::After(after) => json!({"after": after}),
            Self::Start => json!("start"),
            Self::Never(schedule) => json!({"never": schedule}),
        }
    }
}

impl Definition {
    /// Returns what tells whether a definition has changed since it was last met.
    ///
    /// ```
    /// # use chrono::DateTime;
    /// # use matins_definitions::{Defaults, Definition};
    /// # use matins_triggers::Zone;
    /// # use serde_json::json;
    /// let hourly = |shell: &str| {
    ///     let keys = json!({"every": "1h", "shell": shell});
    ///     Definition::from_keys("a", keys.as_object().unwrap(), &Defaults::new(Zone::utc()))
    /// };
    /// assert_eq!(hourly("true")?.fingerprint(), hourly("true")?.fingerprint());
    /// assert_ne!(hourly("true")?.fingerprint(), hourly("false")?.fingerprint());
    /// # Ok::<(), matins_definitions::DefinitionError>(())
    /// ```
    pub fn fingerprint(&self) -> Value {
        let mut fingerprint = json!({
            "when": self.when.fingerprint(),
            "command": self.command,
            "policy": self.policy,
            "paused": self.is_paused(),
            "tags": self.tags,
        });
        if let Some(jitter) = self.jitter {
            // Where it is named only: definitions from before there was one are as they were.
            fingerprint["jitter"] = json!(jitter.to_string());
        }
        if self.store != StoreName::default() {
            fingerprint["store"] = json!(self.store);
        }
        if self.executor != ExecutorName::default() {
            fingerprint["executor"] = json!(self.executor);
        }
        if let Some(mail) = &self.mail {
            fingerprint["mail"] = json!(mail);
        }
        fingerprint
    }

    /// Returns the trigger of a definition that is met for the first time at `now`, with its jitter.
    ///
    /// ```
    /// # use chrono::DateTime;
    /// # use matins_definitions::{Defaults, Definition};
    /// # use matins_triggers::Zone;
    /// # use serde_json::json;
    /// let keys = json!({"every": "1h", "shell": "echo hello"});
    /// let hello = Definition::from_keys("hello", keys.as_object().unwrap(), &Defaults::new(Zone::utc()))?;
    /// let trigger = hello.trigger(DateTime::UNIX_EPOCH)?;
    /// assert!(trigger.describe().starts_with("every hour"), "{}", trigger.describe());
    /// # Ok::<(), matins_definitions::DefinitionError>(())
    /// ```
    ///
    /// # Errors
    /// As of [`When::jittered`].
    pub fn trigger(&self, now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, DefinitionError> {
        self.when.jittered(self.jitter, self.jitter_seed, &self.id, now)
    }

    /// Returns what its job runs after, if it has no times of its own.
    ///
    /// ```
    /// # use chrono::DateTime;
    /// # use matins_definitions::{Defaults, Definition};
    /// # use matins_triggers::Zone;
    /// # use serde_json::json;
    /// let keys = json!({"after": "backup", "shell": "echo done"});
    /// let report = Definition::from_keys("report", keys.as_object().unwrap(), &Defaults::new(Zone::utc()))?;
    /// assert_eq!(report.after().unwrap().job.as_str(), "backup");
    /// # Ok::<(), matins_definitions::DefinitionError>(())
    /// ```
    pub fn after(&self) -> Option<&After> {
        match &self.when {
            When::After(after) => Some(after),
            _ => None,
        }
    }

    /// Returns whether its job does not fire until somebody resumes it.
    ///
    /// ```
    /// # use chrono::DateTime;
    /// # use matins_definitions::{Defaults, Definition};
    /// # use matins_triggers::Zone;
    /// # use serde_json::json;
    /// let keys = json!({"every": "1h", "shell": "echo hello", "paused": true});
    /// let hello = Definition::from_keys("hello", keys.as_object().unwrap(), &Defaults::new(Zone::utc()))?;
    /// assert!(hello.is_paused());
    /// # Ok::<(), matins_definitions::DefinitionError>(())
    /// ```
    pub fn is_paused(&self) -> bool {
        self.paused || matches!(self.when, When::Never(_))
    }

    /// Returns the job of a definition that is met at `now` in the file `source`. `kept` is the trigger of the job as it is in the store,
    /// if its times have not changed.
    ///
    /// The job takes the place of one with its id, says in its metadata from where it comes, and stays in the store after its last fire.
    ///
    /// ```
    /// # use chrono::DateTime;
    /// # use matins_definitions::{Defaults, Definition};
    /// # use matins_triggers::Zone;
    /// # use serde_json::json;
    /// let keys = json!({"every": "1h", "shell": "echo hello"});
    /// let hello = Definition::from_keys("hello", keys.as_object().unwrap(), &Defaults::new(Zone::utc()))?;
    /// let job = hello.job("/etc/matins/jobs.toml", DateTime::UNIX_EPOCH, None)?;
    /// # let _ = job;
    /// # Ok::<(), matins_definitions::DefinitionError>(())
    /// ```
    ///
    /// # Errors
    /// As of [`When::jittered`].
    pub fn job(
        &self,
        source: &str,
        now: DateTime<Utc>,
        kept: Option<Arc<dyn Trigger>>,
    ) -> Result<NewJob, DefinitionError> {
        // Kept when it is over, so that the next start knows that it was done.
        let policy = self.policy.clone().with(|policy| policy.on_exhausted = OnExhausted::Keep);
        let job = match kept {
            Some(trigger) => self.with_settings(self.job_with(trigger)),
            None => self.job_by_hand(now)?,
        };
        let mut job =
            job.policy(policy).metadata("source", source).metadata("definition", self.fingerprint());
        if let Some(mail) = &self.mail {
            job = job.metadata("mail", json!(mail));
        }
        Ok(job.on_conflict(OnConflict::Update))
    }

    /// Returns the job on another trigger: its command and its policy.
    ///
    /// ```
    /// # use chrono::DateTime;
    /// # use matins_definitions::{Defaults, Definition};
    /// # use matins_triggers::Zone;
    /// # use serde_json::json;
    /// use matins_triggers::{TimeUnits, every};
    ///
    /// let keys = json!({"every": "1h", "shell": "echo hello"});
    /// let hello = Definition::from_keys("hello", keys.as_object().unwrap(), &Defaults::new(Zone::utc()))?;
    /// let job = hello.job_with(every(5.minutes()));
    /// # let _ = job;
    /// # Ok::<(), matins_definitions::DefinitionError>(())
    /// ```
    pub fn job_with(&self, trigger: impl IntoTrigger + Send + 'static) -> NewJob {
        let job = trigger.task(COMMAND).id(&self.id).arguments(&self.command);
        job.store(&self.store).executor(&self.executor).policy(self.policy.clone())
    }

    fn with_settings(&self, job: NewJob) -> NewJob {
        let job = self.tags.iter().fold(job, NewJob::tag);
        if self.is_paused() { job.paused() } else { job }
    }

    /// Returns the job as it is when somebody adds it at `now`.
    ///
    /// ```
    /// # use chrono::DateTime;
    /// # use matins_definitions::{Defaults, Definition};
    /// # use matins_triggers::Zone;
    /// # use serde_json::json;
    /// let keys = json!({"every": "1h", "shell": "echo hello"});
    /// let hello = Definition::from_keys("hello", keys.as_object().unwrap(), &Defaults::new(Zone::utc()))?;
    /// let job = hello.job_by_hand(DateTime::UNIX_EPOCH)?;
    /// # let _ = job;
    /// # Ok::<(), matins_definitions::DefinitionError>(())
    /// ```
    ///
    /// # Errors
    /// As of [`When::jittered`].
    pub fn job_by_hand(&self, now: DateTime<Utc>) -> Result<NewJob, DefinitionError> {
        let job = self.with_settings(self.job_with(self.trigger(now)?));
        // Its only fire time may have come by the moment at which the job is added; it was still to come at `now`.
        Ok(match &self.when {
            When::Start => job.first_fire(now),
            When::In(delay) => job.first_fire(now + *delay),
            When::At(date) => job.first_fire(date.instant()),
            When::Every(_) | When::Cron(_) | When::After(_) | When::Never(_) => job,
        })
    }
}
