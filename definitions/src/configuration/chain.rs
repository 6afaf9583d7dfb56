//! `after = "backup"`: jobs that run after others.

use std::collections::{BTreeMap, BTreeSet};

use super::Reader;
use crate::definition::Definition;
use matins_core::{After, AfterOutcome, JobId};

/// Each job that runs after another: the job that it follows, and where the file says so.
pub(super) type Followed = BTreeMap<String, (String, usize)>;

impl Reader<'_> {
    /// What a job follows, as its keys `after` and `on` say.
    pub(super) fn after(&mut self, job: &str, place: usize, outcome: AfterOutcome) -> Option<After> {
        match JobId::new(job) {
            Ok(job) => Some(After::new(job, outcome)),
            Err(error) => self.fault(place, error),
        }
    }

    /// Refuses a job that follows one of another store, which it would never hear of.
    pub(super) fn refuse_chains_between_stores(&mut self, jobs: &[Definition], followed: &Followed) {
        let store = |id: &str| jobs.iter().find(|job| job.id == id).map(|job| &job.store);
        for (id, (before, place)) in followed {
            if let (Some(own), Some(other)) = (store(id), store(before))
                && own != other
            {
                self.fault::<()>(
                    *place,
                    format!(
                        "{id:?} is in the store {own:?} and {before:?} in {other:?}; a job follows one in the same store"
                    ),
                );
            }
        }
    }

    /// Refuses chains that come back to where they began, each once.
    pub(super) fn refuse_cycles(&mut self, followed: &Followed) {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        for first in followed.keys() {
            let mut chain: Vec<&str> = Vec::new();
            let mut next = Some(first.as_str());
            while let Some(job) = next.filter(|job| !seen.contains(job)) {
                seen.insert(job);
                chain.push(job);
                next = followed.get(job).map(|(followed, _)| followed.as_str());
            }
            let Some(start) = next.and_then(|again| chain.iter().position(|job| *job == again)) else {
                continue;
            };
            let cycle = &chain[start..];
            // As they run: each after the one that it follows.
            let names: Vec<String> =
                cycle.iter().take(1).chain(cycle.iter().rev()).map(|job| format!("{job:?}")).collect();
            let place = cycle.iter().filter_map(|job| followed.get(*job)).map(|(_, place)| *place).min();
            self.fault::<()>(
                place.unwrap_or_default(),
                format!(
                    "a job cannot run after itself: {}; let one of them fire at times of its own",
                    names.join(", then ")
                ),
            );
        }
    }
}
