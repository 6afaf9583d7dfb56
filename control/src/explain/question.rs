//! What is said of a time: asked of the trigger first, then of the ledger, then of the history.

use std::any::Any;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Job, JobState, Run, Trigger};
use matins_triggers::{CalendarTrigger, CronTrigger, DateTrigger, JitterTrigger, LocalTime, Zone};

use super::chain::Followed;
use super::fire_before::fire_before;
use super::past::{self, Past};
use super::said::{self, Said};
use super::{Explanation, ExplanationKind, TICK};
use crate::display::span;

/// A job, all that is known of it, and how exactly a time was given.
pub(super) struct Question {
    pub(super) id: String,
    /// How exactly the time was given.
    pub(super) within: TimeDelta,
    pub(super) job: Option<Job>,
    pub(super) past: Past,
    /// The job that it runs after.
    pub(super) followed: Option<Followed>,
    pub(super) zone: Zone,
    pub(super) now: DateTime<Utc>,
}

impl Question {
    pub(super) fn said(&self) -> Said<'_> {
        Said::new(&self.id, self.zone)
    }

    pub(super) fn about_instant(&self, at: DateTime<Utc>) -> Explanation {
        if let Some(why) = self.about_several(at) {
            return why;
        }
        let at = self.meant(at);
        let local = self.zone.local(at);
        if let Some(LocalTime::Twice { first, second }) = self.zone.local_time(local)
            && at == second
            && self.is_fixed()
            && !self.contains(at)
            && self.contains(first)
        {
            let mut said = self.said();
            said.say(format!(
                "this is the second time that the clocks of {} show {}; this job is at a fixed time, so that the first \
                 counts, {} before",
                self.zone,
                said::local(local),
                crate::display::span(second - first)
            ));
            let what = self.what_became(first);
            said.join(&what.sentences);
            return said.into_answer(Explanation { kind: ExplanationKind::SecondPass, ..what });
        }
        self.what_became(at)
    }

    /// The fire, or else the run, that is meant by a time which was not given to the microsecond.
    pub(super) fn meant(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        if self.contains(at) || self.past.run_for(at, false).is_some() || at.timestamp_subsec_micros() != 0 {
            return at;
        }
        let job = self.job.as_ref();
        let next = job.and_then(|job| job.trigger.next_after(at - TICK));
        // A jitter moves a fire to somewhere before the next one.
        if self.plain().is_some_and(|plain| plain.next_after(at - TICK) == Some(at)) {
            return next.unwrap_or(at);
        }
        let until = at + self.within;
        let fire = next.filter(|fire| *fire < until);
        fire.or_else(|| self.past.run_between(at, until)).unwrap_or(at)
    }

    /// What became, or will become, of an instant.
    pub(super) fn what_became(&self, at: DateTime<Utc>) -> Explanation {
        if let Some(run) = self.past.run_for(at, self.contains(at)) {
            return self.about_run(at, run);
        }
        let Some(job) = &self.job else { return self.about_missing_job(at) };
        if at <= self.now
            && let Some(why) = self.before_it_was_there(job, at)
        {
            return why;
        }
        if !self.contains(at) {
            return self.about_no_fire(at);
        }
        if let Some(why) = self.about_pause(job, at) {
            return why;
        }
        if at > self.now {
            let mut said = self.said();
            said.say(format!(
                "{} will fire at {}, {}",
                self.id,
                said.instant(at),
                crate::display::relative(at, self.now)
            ));
            if let Some(down) = self.past.down_now() {
                said.say(format!(
                    "the scheduler has to run by then: it has been down since {}",
                    said.instant(down)
                ));
            }
            return self.answer(ExplanationKind::WillFire, at, said);
        }
        self.about_nothing_recorded(job, at)
    }

    fn about_no_fire(&self, at: DateTime<Utc>) -> Explanation {
        if let Some(followed) = &self.followed {
            return self.about_no_cause(followed, at);
        }
        let mut said = self.said();
        let local = self.zone.local(at);
        let reason = match self.cron().map(|cron| cron.expression().excluded_by(local)) {
            Some(fields) if !fields.is_empty() => said::excluded(&fields),
            _ => "its trigger has no such instant".to_owned(),
        };
        let trigger = self
            .job
            .as_ref()
            .map(|job| crate::display::trigger(&*job.trigger, self.zone))
            .unwrap_or_default();
        let fires = if at > self.now { "does not fire" } else { "did not fire" };
        said.say(format!("{} {fires} at {}: {reason} ({trigger})", self.id, said.instant(at)));
        if let Some(edit) = self.past.edited_after(at).filter(|_| at <= self.now) {
            said.say(format!(
                "it may have been another trigger then: the job was changed at {} by {}",
                said.instant(edit.at),
                edit.by
            ));
        }
        self.with_neighbours(ExplanationKind::NotInTrigger, at, at, said)
    }

    fn about_missing_job(&self, at: DateTime<Utc>) -> Explanation {
        let mut said = self.said();
        match self.past.removed() {
            Some(removed) if removed.at <= at => said.say(format!(
                "{} was removed before that, at {} by {}",
                self.id,
                said.instant(removed.at),
                removed.by
            )),
            Some(removed) => said.say(format!(
                "nothing is recorded of {} for {}; it was removed at {} by {}, and its trigger with it",
                self.id,
                said.instant(at),
                said.instant(removed.at),
                removed.by
            )),
            None => said.say(format!(
                "{} is not there any more, and nothing is recorded for {}",
                self.id,
                said.instant(at)
            )),
        }
        self.answer(ExplanationKind::Removed, at, said)
    }

    /// The job was added later, or was away just then.
    pub(super) fn before_it_was_there(&self, job: &Job, at: DateTime<Utc>) -> Option<Explanation> {
        let mut said = self.said();
        let added = self.past.added_after(at);
        if let Some(removed) = self.past.removed_before(at) {
            said.say(format!(
                "{} was away then: it was removed at {} by {}",
                self.id,
                said.instant(removed.at),
                removed.by
            ));
            return Some(self.answer(ExplanationKind::Removed, at, said));
        }
        let first_known = self.past.first_known().map_or(job.created, |known| known.min(job.created));
        // A job fires after the instant at which it was added, never at it.
        if at > first_known {
            return None;
        }
        let by = added.map(|added| format!(" by {}", added.by)).unwrap_or_default();
        said.say(format!("{} did not exist yet: it was added at {}{by}", self.id, said.instant(first_known)));
        Some(self.answer(ExplanationKind::NotYetAdded, at, said))
    }

    pub(super) fn about_pause(&self, job: &Job, at: DateTime<Utc>) -> Option<Explanation> {
        let mut said = self.said();
        let is_paused = job.state == JobState::Paused;
        let pause = self.past.paused_at(at, self.now, is_paused);
        match pause {
            Some((paused, resumed)) => {
                let until = match resumed {
                    Some(resumed) => {
                        format!(", and resumed at {} by {}", said.instant(resumed.at), resumed.by)
                    }
                    None => ", and is still".to_owned(),
                };
                said.say(format!(
                    "{} was paused at {} by {}{until}",
                    self.id,
                    said.instant(paused.at),
                    paused.by
                ));
            }
            None if is_paused && at > self.now => said.say(format!("{} is paused", self.id)),
            None => return None,
        }
        if at > self.now {
            said.say(format!("at {} it fires only if it is resumed before", said.instant(at)));
        } else {
            said.say(format!("so it did not fire at {}", said.instant(at)));
        }
        Some(self.answer(ExplanationKind::Paused, at, said))
    }

    fn about_nothing_recorded(&self, job: &Job, at: DateTime<Utc>) -> Explanation {
        let mut said = self.said();
        if let Some((from, until)) = self.past.down_at(at) {
            said.say(down(from, until, &said));
            match until {
                None => {
                    said.say(format!("{} fires when it is back, as its policy for late fires says", self.id));
                }
                Some(_) => said.say(format!("nothing is recorded of {} for {}", self.id, said.instant(at))),
            }
            return self.answer(ExplanationKind::SchedulerDown, at, said);
        }
        if job.next_fire.is_some_and(|next| next <= at) {
            said.say(format!("{} is due since {}, and is about to fire", self.id, said.instant(at)));
            return self.answer(ExplanationKind::Running, at, said);
        }
        match self.past.oldest_run() {
            Some(oldest) if oldest > at => said.say(format!(
                "nothing is recorded for {} any more: the ledger of {} goes back to {}",
                said.instant(at),
                self.id,
                said.instant(oldest)
            )),
            _ => {
                said.say(format!("{} fires at {}, but nothing is recorded of it", self.id, said.instant(at)));
            }
        }
        if let Some(edit) = self.past.edited_after(at) {
            said.say(format!("the job was changed at {} by {}", said.instant(edit.at), edit.by));
        }
        self.answer(ExplanationKind::NotRecorded, at, said)
    }

    /// A clock that was wrong may be why nothing is recorded, or why a time that is still to come has a run.
    pub(super) fn with_clock_correction(&self, why: Explanation) -> Explanation {
        let may_be_why = match why.kind {
            ExplanationKind::NotRecorded | ExplanationKind::SchedulerDown | ExplanationKind::NotYetAdded => {
                true
            }
            ExplanationKind::NotInTrigger | ExplanationKind::InGap | ExplanationKind::WillFire => false,
            _ => why.at > self.now,
        };
        let Some((entry, by)) = self.past.clock_correction(why.at, self.now).filter(|_| may_be_why) else {
            return why;
        };
        let mut said = self.said();
        said.join(&why.sentences);
        said.say(format!(
            "the system's clock was ahead by {} or more until it was set back, which was found at {}; then the next fire times \
             were computed again",
            span(by),
            said.instant(entry.at)
        ));
        said.into_answer(why)
    }

    pub(super) fn about_run(&self, at: DateTime<Utc>, run: &Run) -> Explanation {
        let mut said = self.said();
        let (mut kind, sentence) = said::run(run, at, self.job.as_ref(), &self.past, self.zone);
        // A downtime that a fire fell into explains more than what its policy made of it later.
        let was_late = run.started.is_none_or(|started| started - at > TimeDelta::seconds(1));
        if let Some((from, until)) = self.past.down_at(at).filter(|_| was_late && !run.manual) {
            kind = ExplanationKind::SchedulerDown;
            said.say(down(from, until, &said));
        }
        said.say(sentence);
        if let Some(cause) = run.cause {
            said.say(self.cause(cause, &said));
        } else if !self.contains(at) && self.job.is_some() && !run.manual {
            said.say("its trigger is another one now".to_owned());
        }
        let cause = run.cause.map(|cause| cause.0);
        Explanation { run: Some(run.id.0), cause, ..self.answer(kind, at, said) }
    }

    /// The trigger as it is without a jitter.
    fn plain(&self) -> Option<&dyn Trigger> {
        let trigger = &*self.job.as_ref()?.trigger;
        let any: &dyn Any = trigger;
        Some(any.downcast_ref::<JitterTrigger>().map_or(trigger, |jitter| &**jitter.of()))
    }

    pub(super) fn cron(&self) -> Option<&CronTrigger> {
        let trigger: &dyn Any = self.plain()?;
        trigger.downcast_ref()
    }

    /// Whether the trigger is at fixed local times rather than at elapsed time.
    pub(super) fn is_fixed(&self) -> bool {
        let Some(trigger) = self.plain() else { return false };
        let trigger: &dyn Any = trigger;
        self.cron().map_or_else(
            || trigger.is::<DateTrigger>() || trigger.is::<CalendarTrigger>(),
            |cron| cron.expression().is_fixed(),
        )
    }

    pub(super) fn is_one_date(&self) -> bool {
        self.plain().is_some_and(|trigger| (trigger as &dyn Any).is::<DateTrigger>())
    }

    pub(super) fn contains(&self, at: DateTime<Utc>) -> bool {
        self.job.as_ref().is_some_and(|job| job.trigger.next_after(at - TICK) == Some(at))
    }

    /// With the last fire before `at`, and the first one later than `from`.
    pub(super) fn with_neighbours(
        &self,
        kind: ExplanationKind,
        at: DateTime<Utc>,
        from: DateTime<Utc>,
        mut said: Said<'_>,
    ) -> Explanation {
        let trigger = self.job.as_ref().map(|job| &*job.trigger);
        let before = trigger.and_then(|trigger| fire_before(trigger, at));
        let after = trigger.and_then(|trigger| trigger.next_after(from));
        match (before, after) {
            (Some(before), Some(after)) => said.say(format!(
                "the fires next to it are at {} and at {}",
                said.instant(before),
                said.instant(after)
            )),
            (Some(before), None) => said.say(format!("its last fire is at {}", said.instant(before))),
            (None, Some(after)) => said.say(format!("its first fire is at {}", said.instant(after))),
            (None, None) => {}
        }
        Explanation { fire_before: before, fire_after: after, ..self.answer(kind, at, said) }
    }

    pub(super) fn answer(&self, kind: ExplanationKind, at: DateTime<Utc>, said: Said<'_>) -> Explanation {
        said.into_answer(Explanation {
            kind,
            answer: String::new(),
            sentences: Vec::new(),
            job: self.id.clone(),
            at,
            run: None,
            cause: None,
            fire_before: None,
            fire_after: None,
            node: None,
        })
    }
}

fn down(from: past::End, until: Option<DateTime<Utc>>, said: &Said<'_>) -> String {
    let from = match from {
        past::End::InOrder(at) => said.instant(at),
        past::End::LastSeen(at) => {
            format!("some time after {} (it was killed, or the machine stopped)", said.instant(at))
        }
    };
    match until {
        Some(until) => format!("the scheduler was down from {from} to {}", said.instant(until)),
        None => format!("the scheduler has been down since {from}"),
    }
}
