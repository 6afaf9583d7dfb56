//! Lists and counts of jobs and runs: of one store, or of all of them together.

use matins_core::{Job, JobQuery, Run, RunOrder, RunQuery, StoreError, StoreName};

use crate::SchedulerError;
use crate::engine::Engine;
use crate::lane::{Lane, Work};

impl Engine {
    pub(crate) fn list(&self, query: &JobQuery) -> Result<Vec<(StoreName, Job)>, SchedulerError> {
        let mut jobs = Vec::new();
        self.each_store(|lane, work| {
            let of_store = work.store.list(query)?;
            jobs.extend(of_store.into_iter().map(|job| (lane.name.clone(), job)));
            Ok(())
        })?;
        // Jobs of one store are in order already, and stay so.
        if jobs.windows(2).any(|pair| pair[0].0 != pair[1].0) {
            jobs.sort_by(|(_, job), (_, other)| {
                query.order.compare((job.next_fire, &job.id), (other.next_fire, &other.id))
            });
        }
        jobs.truncate(query.limit.unwrap_or(usize::MAX));
        Ok(jobs)
    }

    pub(crate) fn list_in(&self, store: &StoreName, query: &JobQuery) -> Result<Vec<Job>, SchedulerError> {
        self.open(&*self.lane(store)?, |lane| Ok(lane.work.store.list(query)?))
    }

    pub(crate) fn count(&self, query: &JobQuery) -> Result<usize, SchedulerError> {
        let mut count = 0;
        self.each_store(|_, work| {
            count += work.store.count(query)?;
            Ok(())
        })?;
        Ok(count)
    }

    pub(crate) fn count_in(&self, store: &StoreName, query: &JobQuery) -> Result<usize, SchedulerError> {
        self.open(&*self.lane(store)?, |lane| Ok(lane.work.store.count(query)?))
    }

    pub(crate) fn runs(&self, query: &RunQuery) -> Result<Vec<(StoreName, Run)>, SchedulerError> {
        let mut stores = Vec::new();
        self.each_store(|lane, work| {
            let rows = work.store.runs(query)?;
            if !rows.is_empty() {
                stores.push((lane.name.clone(), rows));
            }
            Ok(())
        })?;
        Ok(merged(stores, query))
    }

    pub(crate) fn runs_in(&self, store: &StoreName, query: &RunQuery) -> Result<Vec<Run>, SchedulerError> {
        self.open(&*self.lane(store)?, |lane| Ok(lane.work.store.runs(query)?))
    }

    pub(crate) fn count_runs(&self, query: &RunQuery) -> Result<usize, SchedulerError> {
        let mut count = 0;
        self.each_store(|_, work| {
            count += work.store.count_runs(query)?;
            Ok(())
        })?;
        Ok(count)
    }

    pub(crate) fn count_runs_in(&self, store: &StoreName, query: &RunQuery) -> Result<usize, SchedulerError> {
        self.open(&*self.lane(store)?, |lane| Ok(lane.work.store.count_runs(query)?))
    }

    /// Looks at each store, in the order in which they were named, and at one at a time.
    fn each_store(
        &self,
        mut look: impl FnMut(&Lane, &mut Work) -> Result<(), StoreError>,
    ) -> Result<(), SchedulerError> {
        self.check_not_stopped()?;
        for lane in self.lanes() {
            if let Some(work) = &mut *lane.lock() {
                look(&lane, work)?;
            }
        }
        Ok(())
    }
}

/// Merges the rows of stores. Those of a store stay in their order, which is that of their numbers; of the rows that are next in their
/// stores, the one with the earliest fire time is next, or the one with the latest if the newest come first.
fn merged(stores: Vec<(StoreName, Vec<Run>)>, query: &RunQuery) -> Vec<(StoreName, Run)> {
    let count: usize = stores.iter().map(|(_, rows)| rows.len()).sum();
    let count = count.min(query.limit.unwrap_or(usize::MAX));
    let mut stores: Vec<_> =
        stores.into_iter().map(|(store, rows)| (store, rows.into_iter().peekable())).collect();
    let mut merged = Vec::with_capacity(count);
    while merged.len() < count {
        let heads = stores.iter_mut().enumerate();
        let heads = heads.filter_map(|(place, (_, rows))| rows.peek().map(|run| (place, run.scheduled())));
        let next = heads.min_by(|(_, fire), (_, other)| match query.order {
            RunOrder::NewestFirst => other.cmp(fire),
            _ => fire.cmp(other),
        });
        let Some((place, _)) = next else { break };
        let (store, rows) = &mut stores[place];
        merged.extend(rows.next().map(|run| (store.clone(), run)));
    }
    merged
}
