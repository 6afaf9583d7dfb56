//! Jobs in the order of their next fire time.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use chrono::{DateTime, Utc};
use matins_core::JobId;

/// Instants, and the jobs that are due at each. Schedules meet on full minutes: one look finds all jobs of one.
#[derive(Debug, Clone, Default)]
pub(crate) struct DueTimes(BTreeMap<DateTime<Utc>, Bucket>);

/// The jobs of one instant, of which most have one.
#[derive(Debug, Clone)]
enum Bucket {
    One(JobId),
    Many(BTreeSet<JobId>),
}

impl DueTimes {
    pub(crate) fn insert(&mut self, fire: DateTime<Utc>, job: JobId) {
        match self.0.entry(fire) {
            Entry::Vacant(place) => drop(place.insert(Bucket::One(job))),
            Entry::Occupied(mut place) => match place.get_mut() {
                Bucket::One(other) => {
                    let both = BTreeSet::from([other.clone(), job]);
                    place.insert(Bucket::Many(both));
                }
                Bucket::Many(jobs) => drop(jobs.insert(job)),
            },
        }
    }

    /// Takes a job out and gives its id back.
    pub(crate) fn remove(&mut self, fire: DateTime<Utc>, job: &JobId) -> Option<JobId> {
        let Entry::Occupied(mut place) = self.0.entry(fire) else { return None };
        match place.get_mut() {
            Bucket::One(_) => match place.remove() {
                Bucket::One(job) => Some(job),
                Bucket::Many(_) => None,
            },
            Bucket::Many(jobs) => {
                // Jobs that are due together move on in order, so that it mostly is the first.
                let taken = if jobs.first() == Some(job) { jobs.pop_first() } else { jobs.take(job) };
                if jobs.is_empty() {
                    place.remove();
                }
                taken
            }
        }
    }

    pub(crate) fn first(&self) -> Option<DateTime<Utc>> {
        self.0.first_key_value().map(|(fire, _)| *fire)
    }

    /// All of them, by time, then id.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (DateTime<Utc>, JobId)> {
        self.0.into_iter().flat_map(|(fire, bucket)| {
            let (one, many) = match bucket {
                Bucket::One(job) => (Some(job), None),
                Bucket::Many(jobs) => (None, Some(jobs)),
            };
            one.into_iter().chain(many.into_iter().flatten()).map(move |job| (fire, job))
        })
    }

    /// The jobs that come after that place, by time, then id.
    pub(crate) fn after(&self, place: Option<(DateTime<Utc>, &JobId)>) -> impl Iterator<Item = &JobId> {
        let from = place.map_or(Bound::Unbounded, |(fire, _)| Bound::Included(fire));
        self.0.range((from, Bound::Unbounded)).flat_map(move |(fire, bucket)| {
            let behind = place.filter(|(first, _)| first == fire).map(|(_, id)| id);
            let (one, many) = match bucket {
                Bucket::One(job) => (Some(job).filter(|job| behind.is_none_or(|behind| *job > behind)), None),
                Bucket::Many(jobs) => {
                    let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
                    (None, Some(jobs.range::<JobId, _>((from, Bound::Unbounded))))
                }
            };
            one.into_iter().chain(many.into_iter().flatten())
        })
    }

    /// The jobs that are due at or before `now`, by time, then id.
    pub(crate) fn until(&self, now: DateTime<Utc>) -> impl Iterator<Item = &JobId> {
        self.0.range(..=now).flat_map(|(_, bucket)| {
            let (one, many) = match bucket {
                Bucket::One(job) => (Some(job), None),
                Bucket::Many(jobs) => (None, Some(jobs)),
            };
            one.into_iter().chain(many.into_iter().flatten())
        })
    }
}
