//! Jobs in the order of their next fire time.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::mem;
use std::ops::Bound;

use chrono::{DateTime, Utc};
use matins_core::JobId;

use crate::sorted::SortedIds;

/// Instants, and the jobs that are due at each. Schedules meet on full minutes: one search finds all jobs of one.
#[derive(Debug, Clone, Default)]
pub(crate) struct DueTimes(BTreeMap<DateTime<Utc>, Bucket>);

/// The jobs of one instant, of which most have one.
#[derive(Debug, Clone)]
enum Bucket {
    One(JobId),
    Many(SortedIds<JobId>),
}

impl Bucket {
    fn insert(&mut self, job: JobId) {
        match self {
            Self::Many(jobs) => jobs.insert(job, ()),
            Self::One(other) => {
                let mut jobs = SortedIds::default();
                jobs.insert(other.clone(), ());
                jobs.insert(job, ());
                drop(mem::replace(self, Self::Many(jobs)));
            }
        }
    }

    /// The jobs after that one, by id.
    fn after(&self, behind: Option<&JobId>) -> impl Iterator<Item = &JobId> {
        let (one, many) = match self {
            Self::One(job) => (Some(job).filter(|job| behind.is_none_or(|behind| *job > behind)), None),
            Self::Many(jobs) => {
                let those = jobs.range((behind.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
                (None, Some(those.map(|(job, ())| job)))
            }
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    fn into_ids(self) -> impl Iterator<Item = JobId> {
        let (one, many) = match self {
            Self::One(job) => (Some(job), None),
            Self::Many(jobs) => (None, Some(jobs.into_entries().map(|(job, ())| job))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

impl DueTimes {
    pub(crate) fn insert(&mut self, fire: DateTime<Utc>, job: JobId) {
        match self.0.entry(fire) {
            Entry::Vacant(place) => drop(place.insert(Bucket::One(job))),
            Entry::Occupied(mut place) => place.get_mut().insert(job),
        }
    }

    /// Takes a job out and returns its id.
    pub(crate) fn remove(&mut self, fire: DateTime<Utc>, job: &JobId) -> Option<JobId> {
        let Entry::Occupied(mut place) = self.0.entry(fire) else { return None };
        if let Bucket::Many(jobs) = place.get_mut() {
            let taken = jobs.remove(job).map(|(job, ())| job);
            if jobs.is_empty() {
                place.remove();
            }
            return taken;
        }
        match place.remove() {
            Bucket::One(job) => Some(job),
            Bucket::Many(_) => None,
        }
    }

    pub(crate) fn first(&self) -> Option<DateTime<Utc>> {
        self.0.first_key_value().map(|(fire, _)| *fire)
    }

    /// All of them, by time.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (DateTime<Utc>, JobId)> {
        self.0.into_iter().flat_map(|(fire, bucket)| bucket.into_ids().map(move |job| (fire, job)))
    }

    /// The jobs that come after that place, by time, then id.
    pub(crate) fn after(&self, place: Option<(DateTime<Utc>, &JobId)>) -> impl Iterator<Item = &JobId> {
        let from = place.map_or(Bound::Unbounded, |(fire, _)| Bound::Included(fire));
        self.0.range((from, Bound::Unbounded)).flat_map(move |(fire, bucket)| {
            let behind = place.filter(|(first, _)| first == fire).map(|(_, id)| id);
            bucket.after(behind)
        })
    }

    /// The jobs that are due at or before `now`, by time, then id.
    pub(crate) fn until(&self, now: DateTime<Utc>) -> impl Iterator<Item = &JobId> {
        self.0.range(..=now).flat_map(|(_, bucket)| bucket.after(None))
    }
}
