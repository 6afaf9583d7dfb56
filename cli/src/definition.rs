//! A job as a file defines it, whatever the file's form.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins::Command;
use matins::prelude::*;
use matins::triggers::{JitterTrigger, NeverTrigger, Zone};
use matins::{After, ExecutorName, IntoTrigger, JobId, OnExhausted, Policy, Value};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::show;

/// The task that all of them run.
pub(crate) const COMMAND: &str = "command";

/// A job as a file defines it.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) id: String,
    /// What the id is generated from, where the file gives none: see [`crontab::assign_ids`](crate::crontab::assign_ids).
    pub(crate) proposed_id: Option<String>,
    pub(crate) when: When,
    pub(crate) command: Command,
    /// What runs it.
    pub(crate) executor: ExecutorName,
    pub(crate) policy: Policy,
    /// Each fire that much later at most, always by the same; of intervals and cron expressions.
    pub(crate) jitter: Option<TimeDelta>,
    /// What the jitter is made from; by default, the id.
    pub(crate) jitter_seed: Option<u64>,
    /// To whom the output of a run is mailed.
    pub(crate) mail: Option<Mail>,
    /// How long a run is expected to take, for simulations; nothing else depends on it.
    pub(crate) expected_duration: Option<Duration>,
    pub(crate) paused: bool,
    pub(crate) tags: BTreeSet<String>,
}

/// Whom a job's output is mailed to: `MAILTO` and `MAILFROM` of a crontab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mail {
    pub(crate) to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
}

/// When a defined job fires.
#[derive(Debug, Clone)]
pub(crate) enum When {
    /// Every so often, from the first time that the definition is met.
    Every(TimeDelta),
    Cron(CronTrigger),
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
    /// The trigger, for a definition met at `now`.
    pub(crate) fn trigger(&self, now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, String> {
        Ok(match self {
            Self::Every(period) => {
                every(*period).into_trigger(now).map_err(|error| matins::error_chain(&error))?
            }
            Self::Cron(trigger) => Arc::new(trigger.clone()),
            Self::At(trigger) => Arc::new(trigger.clone()),
            Self::In(delay) => Arc::new(DateTrigger::new(now + *delay)),
            Self::After(After { job, outcome, .. }) => Arc::new(AfterTrigger::new(job.clone(), *outcome)),
            Self::Start => Arc::new(DateTrigger::new(now)),
            Self::Never(schedule) => Arc::new(NeverTrigger::new(schedule)),
        })
    }

    /// The trigger of the job `id`, with a jitter if there is one.
    pub(crate) fn jittered(
        &self,
        jitter: Option<TimeDelta>,
        seed: Option<u64>,
        id: &str,
        now: DateTime<Utc>,
    ) -> Result<Arc<dyn Trigger>, String> {
        let trigger = self.trigger(now)?;
        let Some(jitter) = jitter else { return Ok(trigger) };
        let jittered = match seed {
            Some(seed) => JitterTrigger::new(trigger, jitter, seed),
            None => JitterTrigger::unseeded(trigger, jitter),
        };
        let jittered = jittered.map_err(|error| matins::error_chain(&error))?;
        // As the scheduler does when it adds the job, so that what is shown beforehand is what happens.
        let seeded = JobId::new(id).ok().and_then(|id| jittered.with_seed(id.seed()));
        Ok(seeded.unwrap_or_else(|| Arc::new(jittered)))
    }

    /// For people, with times of the zone.
    pub(crate) fn describe(&self, now: DateTime<Utc>, zone: Zone) -> String {
        match self {
            Self::In(delay) => {
                format!(
                    "once, {} after it is first met",
                    humantime::format_duration(delay.to_std().unwrap_or_default())
                )
            }
            Self::Start => "once after each boot".to_owned(),
            other => other.trigger(now).map_or_else(|error| error, |trigger| show::trigger(&*trigger, zone)),
        }
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
    /// What tells whether a definition has changed since it was last met.
    pub(crate) fn fingerprint(&self) -> Value {
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
        if self.executor != ExecutorName::default() {
            fingerprint["executor"] = json!(self.executor);
        }
        if let Some(mail) = &self.mail {
            fingerprint["mail"] = json!(mail);
        }
        fingerprint
    }

    /// The trigger, for a definition met at `now`.
    pub(crate) fn trigger(&self, now: DateTime<Utc>) -> Result<Arc<dyn Trigger>, String> {
        self.when.jittered(self.jitter, self.jitter_seed, &self.id, now)
    }

    /// What its job runs after, if it has no times of its own.
    pub(crate) fn after(&self) -> Option<&After> {
        match &self.when {
            When::After(after) => Some(after),
            _ => None,
        }
    }

    /// Whether its job does not fire until somebody resumes it.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused || matches!(self.when, When::Never(_))
    }

    /// The job, for a definition met at `now` in the file `source`. `kept` is the trigger of the job as it is in the store,
    /// where its times have not changed.
    pub(crate) fn job(
        &self,
        source: &str,
        now: DateTime<Utc>,
        kept: Option<Arc<dyn Trigger>>,
    ) -> Result<NewJob, String> {
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

    /// The job on another trigger: its command and its policy.
    pub(crate) fn job_with(&self, trigger: impl IntoTrigger + Send + 'static) -> NewJob {
        let job = trigger.task(COMMAND).id(&self.id).arguments(&self.command);
        job.executor(&self.executor).policy(self.policy.clone())
    }

    fn with_settings(&self, job: NewJob) -> NewJob {
        let job = self.tags.iter().fold(job, NewJob::tag);
        if self.is_paused() { job.paused() } else { job }
    }

    /// The job, where somebody adds it at `now`.
    pub(crate) fn job_by_hand(&self, now: DateTime<Utc>) -> Result<NewJob, String> {
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
