//! What is said of a local time that the clocks skip or show twice.

use chrono::{DateTime, NaiveDateTime, Utc};
use matins_triggers::LocalTime;

use super::question::Question;
use super::said;
use super::{Explanation, ExplanationKind, TICK};

impl Question {
    pub(super) fn about_local(&self, local: NaiveDateTime, instant: DateTime<Utc>) -> Explanation {
        match self.zone.local_time(local) {
            Some(LocalTime::Skipped { at, from, to }) => self.about_gap(local, at, (from, to)),
            Some(LocalTime::Twice { first, second }) => self.about_both(local, first, second),
            _ => self.about_instant(instant),
        }
    }

    /// The clocks skip the time that was asked for.
    fn about_gap(
        &self,
        local: NaiveDateTime,
        at: DateTime<Utc>,
        (from, to): (NaiveDateTime, NaiveDateTime),
    ) -> Explanation {
        let mut said = self.said();
        let is_correction = LocalTime::Skipped { at, from, to }.is_correction();
        let form = if from.date() == to.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
        said.say(format!(
            "{} does not exist in {} (clocks go from {} to {})",
            said::local(local),
            self.zone,
            from.format(form),
            to.format(form)
        ));
        let is_in = self.cron().is_none_or(|cron| cron.expression().excluded_by(local).is_empty());
        let at = self.meant(at);
        // One date fires in any case.
        let moves = !is_correction || self.is_one_date();
        if is_in && self.is_fixed() && moves && self.contains(at) {
            let what = self.what_became(at);
            let instead = to.format(form);
            said.say(match what.kind {
                ExplanationKind::Ran | ExplanationKind::Running | ExplanationKind::Queued => {
                    format!("this job is at a fixed time, so it fired at {instead}")
                }
                ExplanationKind::WillFire => format!("this job is at a fixed time, so it fires at {instead}"),
                _ => format!("this job is at a fixed time, so that {instead} stands for it"),
            });
            said.join(&what.sentences);
            return said.into_answer(Explanation { kind: ExplanationKind::InGap, ..what });
        }
        let reason = match self.cron() {
            Some(cron) if !is_in => said::excluded(&cron.expression().excluded_by(local)),
            _ if self.is_fixed() && !moves => {
                "clocks that change by three hours or more are corrected, so that nothing fires for what they skip"
                    .to_owned()
            }
            _ => "this job follows the time that passes, and none passes there".to_owned(),
        };
        said.say(reason);
        // What fires when the clocks have jumped is the next one.
        self.with_neighbours(ExplanationKind::InGap, at, at - TICK, said)
    }

    /// The clocks show the time that was asked for twice.
    fn about_both(&self, local: NaiveDateTime, first: DateTime<Utc>, second: DateTime<Utc>) -> Explanation {
        let (first, second) = (self.meant(first), self.meant(second));
        let mut said = self.said();
        said.say(format!("{} comes twice in {}", said::local(local), self.zone));
        let what = self.about_instant(first);
        // After a correction, what is shown a second time fires a second time.
        if !self.contains(second) || (self.is_fixed() && !LocalTime::Twice { first, second }.is_correction())
        {
            if self.contains(first) {
                said.say(
                    "this job is at a fixed time, so that it is the first of the two that counts".to_owned(),
                );
            }
            said.join(&what.sentences);
            return said.into_answer(what);
        }
        said.say(if self.is_fixed() {
            "clocks that change by three hours or more are corrected, so that both count".to_owned()
        } else {
            "this job follows the time that passes, so that both count".to_owned()
        });
        said.join_after("For the first: ", &what.sentences);
        said.join_after("For the second: ", &self.about_instant(second).sentences);
        said.into_answer(what)
    }
}
