//! The rules of time zones change while jobs wait: their next fire times follow.

use std::sync::Arc;
use std::thread;

use chrono::{DateTime, Utc};
use matins::Handle;
use matins::JobPosition;
use matins::prelude::*;
use matins::triggers::{Zone, tzdb};
use matins::{Clock, Job, JobOrder, SchedulerState, SystemClock, Value};
use matins_terminal::notice;

use crate::history::{History, HistoryEvent};
use crate::sync::Changes;

/// Returns the zone of this machine.
///
/// # Errors
/// If `TZ` or /etc/localtime cannot be understood.
pub fn system_zone() -> Result<Zone, String> {
    Zone::system().map_err(|error| matins::error_chain(&error))
}

/// Refuses a variable that names no tz database, before anything is done by the wrong one.
///
/// # Errors
/// If it names no source.
pub fn check_variable() -> Result<(), String> {
    match std::env::var_os(tzdb::VARIABLE) {
        Some(value) if !value.is_empty() && value != "bundled" && value != "system" => {
            std::fs::read_dir(&value).map(|_| ()).map_err(|error| {
                format!(
                    "the environment variable {} is {:?}: {error}; set it to `bundled`, `system`, or a directory of TZif files",
                    tzdb::VARIABLE,
                    value.to_string_lossy()
                )
            })
        }
        _ => Ok(()),
    }
}

/// Reads the tz database again. Jobs whose next fire time follows from their trigger get the one by the new rules; a fire that is
/// due stays. Returns what changed, if anything did.
pub(crate) fn refresh(
    scheduler: &Handle,
    history: &History,
    now: DateTime<Utc>,
) -> Result<Option<Changes>, String> {
    let follows_trigger =
        |job: &Job| job.next_fire > Some(now) && job.trigger.next_after(now) == job.next_fire;
    let mut jobs = Vec::new();
    each_job(scheduler, JobQuery::default(), |job| {
        if follows_trigger(job) {
            jobs.push(job.id.clone());
        }
        Ok(())
    })?;
    let refreshed = tzdb::refresh();
    if refreshed.changed.is_empty() {
        return Ok(None);
    }
    let mut moved = Moved { version: refreshed.version.to_string(), jobs: Vec::new() };
    for id in &jobs {
        if let Some(job) = scheduler.get(id).map_err(|error| matins::error_chain(&error))?
            && compute(scheduler, &job, now)?
        {
            moved.jobs.push(job.id.to_string());
        }
    }
    moved.note(history, now);
    let mut changes = Changes::default();
    (changes.source, changes.untouched) = (moved.by(), jobs.len() - moved.jobs.len());
    changes.changed = moved.jobs;
    Ok(Some(changes))
}

/// The jobs that have another next fire time by the rules of a version.
#[derive(Debug)]
pub(crate) struct Moved {
    version: String,
    pub(crate) jobs: Vec<String>,
}

impl Moved {
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    fn by(&self) -> String {
        format!("time zone rules {}", self.version)
    }

    /// Writes it into the history.
    pub(crate) fn note(&self, history: &History, now: DateTime<Utc>) {
        self.note_jobs(history, now);
        history.note(now, HistoryEvent::ZoneRules { version: self.version.clone() }, "matins");
    }

    /// The same, while jobs are left that were not looked at.
    pub(crate) fn note_jobs(&self, history: &History, now: DateTime<Utc>) {
        for job in &self.jobs {
            history.note(now, HistoryEvent::Edited { job: job.clone() }, &self.by());
        }
    }

    /// A line for people.
    pub(crate) fn describe(&self) -> String {
        let mut changes = Changes::default();
        (changes.source, changes.changed) = (self.by(), self.jobs.clone());
        changes.describe()
    }
}

/// How many jobs are looked at before the daemon starts; the rest follow while it runs.
const AT_START: usize = 2_000;

/// Notes what has moved. The rest is followed while the scheduler runs.
pub(crate) fn note_and_follow(
    moved: &Moved,
    rest: Rest,
    scheduler: &Handle,
    history: &Arc<History>,
    now: DateTime<Utc>,
) {
    if rest.is_done() {
        moved.note(history, now);
    } else {
        moved.note_jobs(history, now);
        rest.follow_meanwhile(scheduler.clone(), history.clone(), moved.version().to_owned());
    }
}

/// Computes next fire times again if the tz database is another one than at the last start. The caller notes what is returned
/// when the daemon has started, and then has the [rest](Rest) of a large store looked at.
///
/// The jobs that fire first are looked at first.
pub(crate) fn follow_since_last_start(
    scheduler: &Handle,
    history: &History,
    now: DateTime<Utc>,
) -> Result<Option<(Moved, Rest)>, String> {
    let version = tzdb::version().to_string();
    let known = history.entries().into_iter().rev().find_map(|entry| match entry.what {
        HistoryEvent::ZoneRules { version } => Some(version),
        _ => None,
    });
    if known.as_ref() == Some(&version) {
        return Ok(None);
    }
    let mut moved = Moved { version, jobs: Vec::new() };
    let mut rest = Rest { after: None, is_done: false };
    rest.follow(scheduler, &mut moved, AT_START, now)?;
    Ok(Some((moved, rest)))
}

/// The jobs of a store that were not looked at yet.
#[derive(Debug)]
pub(crate) struct Rest {
    after: Option<JobPosition>,
    is_done: bool,
}

impl Rest {
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Looks at so many jobs. Those that have another next fire time go to `moved`.
    fn follow(
        &mut self,
        scheduler: &Handle,
        moved: &mut Moved,
        most: usize,
        now: DateTime<Utc>,
    ) -> Result<(), String> {
        let mut query = JobQuery::default().order(JobOrder::NextFire).limit(PAGE);
        let mut count = 0;
        while count < most && !self.is_done {
            query.after = self.after.take();
            let page = scheduler.list(&query).map_err(|error| matins::error_chain(&error))?;
            // Those without a next fire time come last.
            self.is_done = page.len() < PAGE || page.last().is_some_and(|(_, job)| job.next_fire.is_none());
            self.after = page.last().map(|(_, job)| JobPosition::of(job));
            count += page.len();
            for (_, job) in &page {
                if job.next_fire > Some(now) && has_zone(&*job.trigger) && compute(scheduler, job, now)? {
                    moved.jobs.push(job.id.to_string());
                }
            }
        }
        Ok(())
    }

    /// Looks at all of them on a thread of its own, and notes what has changed.
    pub(crate) fn follow_meanwhile(mut self, scheduler: Handle, history: Arc<History>, version: String) {
        let follow = move || {
            let mut moved = Moved { version, jobs: Vec::new() };
            let followed = self.follow(&scheduler, &mut moved, usize::MAX, SystemClock.now());
            if !moved.jobs.is_empty() {
                notice::tell(moved.describe());
            }
            match followed {
                Ok(()) => moved.note(&history, SystemClock.now()),
                // The version is not noted: the next start looks again.
                Err(_) if scheduler.state() == SchedulerState::ShutDown => {}
                Err(error) => notice::warn(format_args!(
                    "some next fire times may follow earlier rules of their time zones until the next start: {error}"
                )),
            }
        };
        if let Err(error) = thread::Builder::new().name("matins-zone-rules".to_owned()).spawn(follow) {
            notice::warn(format_args!(
                "next fire times do not follow the rules of their time zones: {error}"
            ));
        }
    }
}

/// How many jobs are read at once.
const PAGE: usize = 200;

/// Reads the jobs that `query` asks for, a page at a time.
fn each_job(
    scheduler: &Handle,
    query: JobQuery,
    mut look: impl FnMut(&Job) -> Result<(), String>,
) -> Result<(), String> {
    let mut query = query.limit(PAGE);
    loop {
        let page = scheduler.list(&query).map_err(|error| matins::error_chain(&error))?;
        let Some((_, last)) = page.last() else { return Ok(()) };
        query.after = Some(JobPosition::of(last));
        page.iter().try_for_each(|(_, job)| look(job))?;
    }
}

/// Gives a job the next fire time that its trigger has now. Returns whether it is another one.
fn compute(scheduler: &Handle, job: &Job, now: DateTime<Utc>) -> Result<bool, String> {
    // One that has no fire any more keeps the last it had: better late by the new rules than never.
    let Some(next) = job.trigger.next_after(now).filter(|next| Some(*next) != job.next_fire) else {
        return Ok(false);
    };
    let mut is_same = false;
    let set = |stored: &mut Job| {
        is_same = stored.next_fire == job.next_fire;
        if is_same {
            stored.next_fire = Some(next);
        }
    };
    match scheduler.modify(&job.id, set) {
        Ok(_) => Ok(is_same),
        // It has gone meanwhile.
        Err(SchedulerError::NoJob { .. }) => Ok(false),
        Err(error) => Err(format!("cannot move the job {}: {}", job.id, matins::error_chain(&error))),
    }
}

/// Whether a trigger, or one that it is made of, depends on a zone other than UTC.
fn has_zone(trigger: &dyn Trigger) -> bool {
    fn names_zone(value: &Value) -> bool {
        match value {
            Value::Object(fields) => fields.iter().any(|(key, value)| match value {
                Value::String(name) => key == "zone" && name != "UTC",
                value => names_zone(value),
            }),
            Value::Array(members) => members.iter().any(names_zone),
            _ => false,
        }
    }
    serde_json::to_value(trigger).is_ok_and(|saved| names_zone(&saved))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use matins::triggers::{AnyTrigger, JitterTrigger};

    use super::*;

    #[test]
    fn a_zone_is_found_in_every_kind_of_trigger() {
        let cron = |text: &str| -> Arc<dyn Trigger> { Arc::new(text.parse::<CronTrigger>().unwrap()) };
        let berlin = cron("CRON_TZ=Europe/Berlin 0 9 * * *");
        let date = DateTrigger::parse("2026-12-24T18:00", "Asia/Tokyo".parse().unwrap()).unwrap();
        let any = AnyTrigger::new([cron("0 9 * * *"), Arc::new(date.clone())]).unwrap();
        let jitter = JitterTrigger::new(berlin.clone(), chrono::TimeDelta::seconds(5), 1).unwrap();
        assert!(has_zone(&*berlin) && has_zone(&date) && has_zone(&any));
        assert!(has_zone(&jitter));
        assert!(!has_zone(&*cron("0 9 * * *")));
        assert!(!has_zone(&DateTrigger::parse("2026-12-24T18:00Z", Zone::utc()).unwrap()));
    }
}
