//! Lists of jobs and runs. A page costs what is in it, and not what the store holds.

use std::collections::BTreeSet;
use std::ops::Bound;

use matins_core::{Job, JobId, JobOrder, JobQuery, Run, RunId, RunOrder, RunQuery};
use matins_store_query::{JobQueryExt, RunQueryExt};

use crate::MemoryStore;

impl MemoryStore {
    pub(crate) fn listed(&mut self, query: &JobQuery) -> Vec<Job> {
        let is_page = query.limit.is_some() || query.after.is_some() || query.id_prefix.is_some();
        if query.order == JobOrder::Id && is_page {
            let ids = self.by_id.take().unwrap_or_else(|| self.jobs.keys().cloned().collect());
            let listed = self.listed_by_id(&ids, query);
            self.by_id = Some(ids);
            return listed;
        }
        if query.order == JobOrder::NextFire {
            return self.listed_by_fire(query);
        }
        let jobs = self.jobs.values().filter(|job| query.matches(job));
        query.select(jobs.map(|job| (**job).clone()))
    }

    fn listed_by_id(&self, ids: &BTreeSet<JobId>, query: &JobQuery) -> Vec<Job> {
        let after = query.after.as_ref().map(|after| after.id.as_str());
        let prefix = query.id_prefix.as_deref().unwrap_or_default();
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let those = ids.range::<str, _>((from, Bound::Unbounded));
        self.found(those.take_while(|id| id.as_str().starts_with(prefix)), query)
    }

    fn listed_by_fire(&self, query: &JobQuery) -> Vec<Job> {
        let (due, idle_from) = match &query.after {
            None => (Some(self.due.after(None)), Bound::Unbounded),
            Some(after) => match after.next_fire {
                Some(fire) => (Some(self.due.after(Some((fire, &after.id)))), Bound::Unbounded),
                None => (None, Bound::Excluded(&after.id)),
            },
        };
        let idle = self.idle.range::<JobId, _>((idle_from, Bound::Unbounded));
        self.found(due.into_iter().flatten().chain(idle), query)
    }

    /// Copies of the jobs with these ids that meet the conditions, as many as are asked for.
    fn found<'a>(&self, ids: impl Iterator<Item = &'a JobId>, query: &JobQuery) -> Vec<Job> {
        ids.filter_map(|id| self.jobs.get(id))
            .filter(|job| query.matches(job))
            .take(query.limit.unwrap_or(usize::MAX))
            .map(|job| (**job).clone())
            .collect()
    }

    pub(crate) fn listed_runs(&self, query: &RunQuery) -> Vec<Run> {
        self.matching_runs(query).take(query.limit.unwrap_or(usize::MAX)).cloned().collect()
    }

    pub(crate) fn counted_runs(&self, query: &RunQuery) -> usize {
        let query = query.clone().after(None).limit(None);
        if query == (RunQuery::default().order(query.order)) {
            return self.runs.len();
        }
        self.matching_runs(&query).count()
    }

    fn matching_runs<'a>(&'a self, query: &'a RunQuery) -> Box<dyn Iterator<Item = &'a Run> + 'a> {
        let newest_first = query.order == RunOrder::NewestFirst;
        let range = match query.after {
            None => (Bound::Unbounded, Bound::Unbounded),
            Some(after) if newest_first => (Bound::Unbounded, Bound::Excluded(after)),
            Some(after) => (Bound::Excluded(after), Bound::Unbounded),
        };
        let bounds = (range.0.as_ref(), range.1.as_ref());
        // The narrowest set that holds the answer.
        let matching: Box<dyn DoubleEndedIterator<Item = &Run>> = match &query.job {
            _ if query.unfinished => {
                Box::new(self.unfinished.range(bounds).filter_map(|(id, ())| self.run(*id)))
            }
            Some(job) => {
                let ids = self.runs_of_job.get(job).into_iter().flatten();
                Box::new(ids.filter_map(|id: &RunId| self.run(*id)))
            }
            None => Box::new(self.runs.range(bounds).map(|(_, run)| &**run)),
        };
        let matching = matching.filter(|run| query.matches(run));
        if newest_first { Box::new(matching.rev()) } else { Box::new(matching) }
    }
}
