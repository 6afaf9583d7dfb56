//! A minute, or a second, in which a job was due more than once.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Outcome, Run};

use super::Explanation;
use super::question::Question;

impl Question {
    /// Counts the fires of a time that was named without its second, or without a fraction of one, if there were several.
    /// Says which of them was the first that did not succeed.
    pub(super) fn about_several(&self, at: DateTime<Utc>) -> Option<Explanation> {
        if at.timestamp_subsec_micros() != 0 {
            return None;
        }
        let runs = self.past.due_between(at, at + self.within);
        if runs.len() < 2 {
            return None;
        }
        let mut outcomes: BTreeMap<&str, u64> = BTreeMap::new();
        let open = if self.past.is_up { "going on" } else { "without an end" };
        for run in &runs {
            *outcomes.entry(run.outcome.map_or(open, Outcome::as_str)).or_default() += run.fires.count;
        }
        let fires: u64 = outcomes.values().sum();
        let counts: Vec<String> =
            outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        let span = if self.within < TimeDelta::minutes(1) { "second" } else { "minute" };
        let mut said = self.said();
        said.say(format!("{} was due {fires} times in that {span}: {}", self.id, counts.join(", ")));
        let is_bad = |run: &&&Run| run.outcome.is_some_and(|outcome| outcome != Outcome::Succeeded);
        let (which, run) = match runs.iter().find(is_bad) {
            Some(bad) => ("the first that did not succeed", bad),
            None => ("the first", &runs[0]),
        };
        let due = run.scheduled();
        said.say(format!("{which} was due at {}", said.instant(due)));
        let what = self.about_run(due, run);
        said.join(&what.sentences);
        Some(said.into_answer(what))
    }
}
