//! Work of a job that is in progress outside of the scheduler, and counts for the job's overlap policy.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use foldhash::HashMap;
use matins_core::{GroupName, JobId, Run, RunId};

use crate::engine::Engine;
use crate::handle::Handle;
use crate::lane::Lane;
use crate::{Event, SchedulerError};

/// Work of a job that is in progress outside of the scheduler, such as a command that a killed process has left running. Until this
/// is dropped it counts as a running run of the job, for the job's overlap policy: see [`Handle::occupy`].
#[must_use = "dropping it says that the work has ended"]
pub struct Occupied {
    handle: Handle,
    store: usize,
    job: JobId,
    number: u64,
}

impl Handle {
    /// Says that work of a job is in progress outside of the scheduler, until the returned guard is dropped. It counts as a running
    /// run of the job: with [`Overlap::Skip`](matins_core::Overlap) a fire is missed, with `QueueOne` it waits for the guard to
    /// be dropped. Runs and retries that an earlier process has left wait for it too. A run that is started manually starts in
    /// any case.
    ///
    /// `why` is the message of the runs that are missed because of it. To have it count from the first fire on, call this
    /// before the scheduler is started. Nothing of it is saved.
    ///
    /// ```
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{every, TimeUnits};
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()
    /// #     .unwrap();
    /// scheduler.add(every(10.minutes()).run(|| ()).id("backup")).unwrap();
    /// let occupied = scheduler.occupy("backup", "a backup that was started by hand is still running").unwrap();
    /// // From here on the job fires again.
    /// drop(occupied);
    /// ```
    ///
    /// # Errors
    /// When there is no such job, and after shutdown.
    pub fn occupy(&self, id: impl AsRef<str>, why: impl Into<String>) -> Result<Occupied, SchedulerError> {
        let job = JobId::new(id)?;
        let (store, number) = self.engine().occupy(&job, why.into())?;
        Ok(Occupied { handle: self.clone(), store, job, number })
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        let Self { handle, store, job, number } = self;
        handle.shared.engine.vacate(*store, job, *number);
    }
}

impl fmt::Debug for Occupied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Occupied").field("job", &self.job).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Occupation {
    number: u64,
    why: String,
    /// The group that it counts for.
    group: Option<GroupName>,
}

/// The occupations of a store's jobs.
#[derive(Debug, Default)]
pub(crate) struct Occupations {
    of_jobs: HashMap<JobId, Vec<Occupation>>,
    /// How many there are of jobs in each group.
    of_groups: Vec<(GroupName, usize)>,
    next: u64,
    /// Those of runs that were left behind: the job and the number of each.
    left: HashMap<RunId, (JobId, u64)>,
    /// Jobs whose last occupation has ended since the last tick: what waits for them may start.
    pub(crate) ended: Vec<JobId>,
}

impl Occupations {
    /// How many there are of a job.
    pub(crate) fn count(&self, job: &JobId) -> usize {
        if self.of_jobs.is_empty() { 0 } else { self.of_jobs.get(job).map_or(0, Vec::len) }
    }

    /// Why a job is occupied.
    pub(crate) fn why(&self, job: &JobId) -> Option<&str> {
        self.of_jobs.get(job)?.first().map(|occupation| occupation.why.as_str())
    }

    /// How many there are of jobs in each group.
    pub(crate) fn groups(&self) -> &[(GroupName, usize)] {
        &self.of_groups
    }

    fn add(&mut self, job: &JobId, why: String, group: Option<GroupName>) -> u64 {
        self.next += 1;
        if let Some(group) = &group {
            match self.of_groups.iter_mut().find(|(name, _)| name == group) {
                Some((_, count)) => *count += 1,
                None => self.of_groups.push((group.clone(), 1)),
            }
        }
        let occupation = Occupation { number: self.next, why, group };
        self.of_jobs.entry(job.clone()).or_default().push(occupation);
        self.next
    }

    /// Takes one away. Where it was the last one of its job, what waits for it may start.
    fn vacate(&mut self, job: &JobId, number: u64) {
        let Some(those) = self.of_jobs.get_mut(job) else { return };
        let Some(place) = those.iter().position(|occupation| occupation.number == number) else { return };
        if let Some(group) = those.remove(place).group
            && let Some((_, count)) = self.of_groups.iter_mut().find(|(name, _)| *name == group)
        {
            *count -= 1;
            self.of_groups.retain(|(_, count)| *count > 0);
        }
        if those.is_empty() {
            self.of_jobs.remove(job);
            self.ended.push(job.clone());
        }
    }
}

/// When a run begins that waits for the end of an occupation, or for its job to be resumed: the end of the year 9999, which every
/// store can keep.
pub(crate) const WHEN_IT_ENDS: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(instant) => instant,
    None => DateTime::<Utc>::MAX_UTC,
};

/// Why a job is occupied by a run that was left behind.
const LEFT_BEHIND: &str = "an earlier run did not stop at its time limit, and its work is still in progress";

impl Engine {
    fn occupy(&self, job: &JobId, why: String) -> Result<(usize, u64), SchedulerError> {
        self.with_job(job, |lane, found| {
            let group = found.policy.group.as_ref().map(|group| group.name.clone());
            Ok((lane.lane.number, lane.work.local.occupations.add(job, why, group)))
        })
    }

    fn vacate(&self, store: usize, job: &JobId, number: u64) {
        let Some(lane) = self.lanes().into_iter().find(|lane| lane.number == store) else { return };
        if let Some(work) = &mut *lane.lock() {
            work.local.occupations.vacate(job, number);
        }
        lane.inbox.wake();
    }

    /// Counts the work of runs that were left behind for the overlap policy of their jobs, until it ends. A driver calls this
    /// before each turn of a lane, so that the lane hears of such a run's end only when its work is counted.
    pub(crate) fn count_left_behind(&self, lane: &Lane) {
        let Some(left) = lane.inbox.take_left() else { return };
        if let Some(work) = &mut *lane.lock() {
            let occupations = &mut work.local.occupations;
            let runs: Vec<(Arc<Run>, Option<GroupName>)> = {
                let in_flight = lane.in_flight.lock();
                left.reports
                    .iter()
                    .filter_map(|report| in_flight.get(&report.run))
                    .map(|running| (running.run.clone(), running.group.clone()))
                    .collect()
            };
            for (run, group) in runs {
                let number = occupations.add(&run.job, LEFT_BEHIND.to_owned(), group);
                occupations.left.insert(run.id, (run.job.clone(), number));
                self.hub().listeners.tell(|| Event::RunLeftBehind { store: lane.name.clone(), run });
            }
            for run in left.ended {
                if let Some((job, number)) = occupations.left.remove(&run) {
                    occupations.vacate(&job, number);
                    self.hub().listeners.tell(|| Event::WorkEnded { store: lane.name.clone(), job, run });
                }
            }
        }
        lane.inbox.put(left.reports);
    }
}
