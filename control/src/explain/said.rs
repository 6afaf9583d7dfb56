//! Sentences.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Timelike, Utc};
use matins_core::{Job, MissedReason, Outcome, Run};
use matins_triggers::{ExcludedBy, Zone};

use super::past::Past;
use super::{Explanation, ExplanationKind};
use crate::display::span;

/// What has been said so far of a job, in the times of a zone.
pub(super) struct Said<'a> {
    sentences: Vec<String>,
    job: &'a str,
    zone: Zone,
}

impl<'a> Said<'a> {
    pub(super) fn new(job: &'a str, zone: Zone) -> Self {
        Self { sentences: Vec::new(), job, zone }
    }

    /// Says a sentence, given without its capital and its full stop. The job's id stays as it is.
    pub(super) fn say(&mut self, sentence: String) {
        let sentence = if sentence.starts_with(self.job) { sentence } else { capital(&sentence) };
        self.sentences.push(format!("{sentence}."));
    }

    /// Says sentences that are whole.
    pub(super) fn join(&mut self, sentences: &[String]) {
        self.sentences.extend_from_slice(sentences);
    }

    /// Puts words before the first of sentences that are whole.
    pub(super) fn join_after(&mut self, words: &str, sentences: &[String]) {
        let first = self.sentences.len();
        self.join(sentences);
        if let Some(sentence) = self.sentences.get_mut(first) {
            sentence.insert_str(0, words);
        }
    }

    /// Puts them into an answer.
    pub(super) fn into_answer(self, why: Explanation) -> Explanation {
        Explanation { answer: self.sentences.join(" "), sentences: self.sentences, ..why }
    }

    pub(super) fn instant(&self, instant: DateTime<Utc>) -> String {
        local(self.zone.local(instant))
    }
}

fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// `02:30 on 29 March 2026`.
pub(super) fn local(local: NaiveDateTime) -> String {
    let format = match (local.nanosecond() / 1000, local.second()) {
        (0, 0) => "%H:%M on %-d %B %Y",
        (0, _) => "%H:%M:%S on %-d %B %Y",
        _ => "%H:%M:%S%.3f on %-d %B %Y",
    };
    local.format(format).to_string()
}

pub(super) fn excluded(fields: &[ExcludedBy]) -> String {
    let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
    fields.join(", and ")
}

/// A run that waits for its group, if that is what keeps it waiting: no other run of its job is in progress.
fn waits_for_group(run: &Run, past: &Past) -> Option<String> {
    let group = past.group.as_ref().filter(|_| past.orphan.is_none())?;
    let latest = DateTime::<Utc>::MAX_UTC;
    let in_progress = group.in_progress_at(latest).filter(|_| past.going_at(latest, run).is_none())?;
    let (name, limit) = (&group.group.name, group.group.limit());
    Some(format!(
        "run {} waits for its group {name}, of which {limit} may be in progress at once: {in_progress} has not ended",
        run.id
    ))
}

/// What a run has waited for that began later than it was due, and whose job was not running then.
fn waited_for_group(run: &Run, past: &Past) -> Option<String> {
    let (group, started) = (past.group.as_ref()?, run.started?);
    let due = run.scheduled();
    if run.attempt > 1 || started <= due || past.going_at(due, run).is_some() {
        return None;
    }
    let in_progress = group.in_progress_at(due)?;
    Some(format!(", after it had waited for its group {}: {in_progress} was in progress", group.group.name))
}

/// What a run does that has not ended.
fn unfinished(run: &Run, past: &Past, clock: impl Fn(DateTime<Utc>) -> String) -> (ExplanationKind, String) {
    // The next start finds it so.
    if !past.is_up {
        let had = run
            .started
            .map_or_else(|| "had not begun".to_owned(), |started| format!("had begun at {}", clock(started)));
        return (ExplanationKind::SchedulerDown, format!("run {} {had} when the scheduler went", run.id));
    }
    if let (None, Some(reason)) = (run.started, &run.message) {
        return (
            ExplanationKind::Running,
            format!("run {} could not be started, and is tried again: {reason}", run.id),
        );
    }
    if run.started.is_none() {
        if let Some(waits) = waits_for_group(run, past) {
            return (ExplanationKind::Running, waits);
        }
        let orphan = past.orphan.as_ref().map(|orphan| format!(": {}", orphan.describe()));
        let waits = format!("run {} waits for an earlier one, or for its next attempt", run.id);
        return (ExplanationKind::Running, waits + &orphan.unwrap_or_default());
    }
    if past.is_queued(run) {
        let since = run.started.map(clock).unwrap_or_default();
        return (
            ExplanationKind::Queued,
            format!("run {} has been queued since {since}: no thread is free for it", run.id),
        );
    }
    let since = past.began(run).map(clock).unwrap_or_default();
    (ExplanationKind::Running, format!("run {} has been going since {since}", run.id))
}

/// What happened to a fire, by its row of the ledger.
pub(super) fn run(
    run: &Run,
    at: DateTime<Utc>,
    job: Option<&Job>,
    past: &Past,
    zone: Zone,
) -> (ExplanationKind, String) {
    let clock = |instant: DateTime<Utc>| zone.local(instant).format("%H:%M:%S").to_string();
    let late = |instant: DateTime<Utc>| span((instant - at).max(TimeDelta::zero()));
    let decided = run.finished.unwrap_or(at);
    match run.outcome {
        None => unfinished(run, past, clock),
        Some(Outcome::Missed(MissedReason::TooLate)) => {
            let grace = job
                .and_then(|job| job.policy.misfire_grace)
                .and_then(|grace| TimeDelta::from_std(grace).ok());
            let grace = grace.map(|grace| format!(", and may be {} late", span(grace))).unwrap_or_default();
            (ExplanationKind::TooLate, format!("it was missed: it came {} late{grace}", late(decided)))
        }
        Some(Outcome::Missed(MissedReason::Coalesced)) => {
            let into = past.stands_for(run).map(|into| {
                format!(" into that of {}, as run {}", local(zone.local(into.scheduled())), into.id)
            });
            let many =
                if run.fires.count > 1 { format!(", as {} were,", run.fires.count) } else { String::new() };
            (
                ExplanationKind::Coalesced,
                format!("it was folded{many}{}: they were due together", into.unwrap_or_default()),
            )
        }
        // What was in its way was not a run of the scheduler.
        Some(Outcome::Missed(MissedReason::Overlap)) if run.message.is_some() => {
            let why = run.message.clone().unwrap_or_default();
            (ExplanationKind::Overlap, format!("it was missed, because {why}"))
        }
        Some(Outcome::Missed(MissedReason::Overlap)) => {
            let going = past.going_at(decided, run).map_or_else(
                || "an earlier run".to_owned(),
                |going| {
                    let until = match going.finished {
                        Some(end) => format!("was until {}", clock(end)),
                        None if past.is_up => "is still".to_owned(),
                        None => "was until the scheduler went".to_owned(),
                    };
                    if past.is_queued(going) {
                        let since = going.started.map(clock).unwrap_or_default();
                        return format!("run {}, which has been queued since {since},", going.id);
                    }
                    let began = past.began(going).map(clock).unwrap_or_default();
                    format!("run {}, which had begun at {began} and {until},", going.id)
                },
            );
            (ExplanationKind::Overlap, format!("it was missed, since {going} was going"))
        }
        Some(Outcome::Missed(MissedReason::ExecutorFull)) => {
            (ExplanationKind::ExecutorFull, "it was missed, since the executor had no room for it".to_owned())
        }
        Some(Outcome::Missed(MissedReason::JobChanged)) => (
            ExplanationKind::Changed,
            "it was missed: the job was given another schedule while it was due".to_owned(),
        ),
        Some(Outcome::Missed(MissedReason::JobPaused)) => {
            (ExplanationKind::Paused, "it was missed: the job was paused while it was due".to_owned())
        }
        Some(Outcome::Missed(_)) => {
            let by = past.removed().map(|removed| format!(" at {} by {}", clock(removed.at), removed.by));
            (
                ExplanationKind::Removed,
                format!("it was missed, since the job was removed{} while it waited", by.unwrap_or_default()),
            )
        }
        Some(outcome) => {
            let mut text = format!("run {} {}", run.id, ended(outcome));
            if let (Some(started), Some(finished)) = (run.started, run.finished) {
                if outcome == Outcome::Interrupted {
                    text += &format!(", begun {} late", late(started));
                } else {
                    text += &format!(
                        " in {}, {} late",
                        span((finished - started).max(TimeDelta::zero())),
                        late(started)
                    );
                }
            }
            if run.attempt > 1 {
                text += &format!(", at attempt {}", run.attempt);
            }
            text += &waited_for_group(run, past).unwrap_or_default();
            if run.manual {
                text += ", started by hand";
            }
            if let Some(message) = run.message.as_deref().and_then(|message| message.lines().next()) {
                text += &format!(": {message}");
            }
            (ExplanationKind::Ran, text)
        }
    }
}

pub(super) fn ended(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Interrupted => "was interrupted: its process ended before it had",
        Outcome::Cancelled => "was cancelled",
        outcome => outcome.as_str(),
    }
}
