//! `[[hook]]`: what is run when a run has ended in a certain way.

use std::collections::BTreeSet;
use std::time::Duration;

use matins_core::Outcome;
use matins_task_command::Command;
use serde::Deserialize;
use toml::Spanned;

use super::Reader;

/// A command that is run when runs have ended in certain ways: `[[hook]]` of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hook {
    /// Words of outcomes: `failed`, `timed out`, `missed`, `missed: overlap`.
    on: Vec<String>,
    /// Of these jobs; empty is all.
    jobs: BTreeSet<String>,
    /// What is run.
    pub command: Command,
    /// How long it may take.
    pub time_limit: Duration,
}

/// How long a hook may take where it does not say.
const TIME_LIMIT: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HookKeys {
    #[serde(default)]
    on: Vec<Spanned<String>>,
    #[serde(default)]
    jobs: BTreeSet<String>,
    command: Option<Spanned<Vec<String>>>,
    shell: Option<String>,
    time_limit: Option<Spanned<String>>,
}

/// What may stand in `on`.
const WORDS: &[&str] = &[
    "succeeded",
    "failed",
    "timed out",
    "cancelled",
    "interrupted",
    "missed",
    "missed: too late",
    "missed: coalesced",
    "missed: overlap",
    "missed: executor full",
    "missed: job removed",
    "missed: job changed",
    "missed: job paused",
];

impl Hook {
    /// Returns whether it is for this outcome of this job.
    ///
    /// ```
    /// use matins_core::Outcome;
    /// use matins_definitions::Configuration;
    /// use matins_triggers::Zone;
    ///
    /// let text = "[[hook]]\non = [\"failed\"]\njobs = [\"backup\"]\nshell = \"mail -s failed ops\"\n";
    /// let hook = &Configuration::parse(text, Zone::utc()).unwrap().hooks[0];
    /// assert!(hook.is_for("backup", Outcome::Failed));
    /// assert!(!hook.is_for("backup", Outcome::Succeeded));
    /// assert!(!hook.is_for("report", Outcome::Failed));
    /// ```
    pub fn is_for(&self, job: &str, outcome: Outcome) -> bool {
        (self.jobs.is_empty() || self.jobs.contains(job))
            && self.on.iter().any(|word| {
                outcome.as_str() == word || (word == "missed" && matches!(outcome, Outcome::Missed(_)))
            })
    }
}

impl Reader<'_> {
    pub(super) fn hook(&mut self, hook: &Spanned<HookKeys>) -> Option<Hook> {
        let place = hook.span().start;
        let keys = hook.get_ref();
        for word in &keys.on {
            if !WORDS.contains(&word.get_ref().as_str()) {
                let message = format!("{:?} is no outcome; there are {}", word.get_ref(), WORDS.join(", "));
                return self.fault(word.span().start, message);
            }
        }
        if self.incomplete.contains(&place) {
            return None;
        }
        if keys.on.is_empty() {
            return self.fault(place, "a hook needs outcomes, such as on = [\"failed\", \"timed out\"]");
        }
        let command = self.command(
            [place, keys.command.as_ref().map_or(place, |words| words.span().start)],
            "a hook",
            keys.command.as_ref().map(|words| words.get_ref().as_slice()),
            keys.shell.as_deref(),
        );
        let time_limit = self.optional_spanned(keys.time_limit.as_ref());
        Some(Hook {
            on: keys.on.iter().map(|word| word.get_ref().clone()).collect(),
            jobs: keys.jobs.clone(),
            command: command?,
            time_limit: time_limit.ok()?.unwrap_or(TIME_LIMIT),
        })
    }
}
