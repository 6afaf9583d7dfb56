//! Which rows of a store's ledger are dropped: the old ones of each job, and those of jobs that are gone. What is remembered for
//! that does not grow with the number of jobs that there have been.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashSet};
use matins_core::JobId;

use crate::retention::Retention;

#[derive(Debug, Default)]
pub(crate) struct Pruning {
    /// How many rows each job got since its old ones were dropped, of jobs that are not gone.
    unpruned: HashMap<JobId, u32>,
    gone: Gone,
    /// Jobs that were removed while a run was in progress: they are gone when it ends, with its row.
    removed_busy: HashSet<JobId>,
    /// Whether a job that is in neither table has no rows.
    knows_all: bool,
}

/// The jobs that are gone and may have rows, in the order in which they went.
#[derive(Debug, Default)]
struct Gone {
    numbers: HashMap<JobId, u64>,
    in_order: BTreeMap<u64, JobId>,
    next: u64,
}

impl Pruning {
    /// Of a store that may hold a ledger already, unless it `is_new`.
    pub(crate) fn new(is_new: bool) -> Self {
        Self { knows_all: is_new, ..Self::default() }
    }

    /// A row of a job is recorded. Returns how many of its rows are to be kept, if old ones are to be dropped now.
    ///
    /// An earlier process may have left rows of a job, and nobody has counted them. So they are dropped with the first row.
    pub(crate) fn recorded(&mut self, job: &JobId, retention: &Retention) -> Option<u32> {
        let (keep, batch) = retention.batch()?;
        let Some(count) = self.unpruned.get_mut(job) else {
            let may_have_rows =
                !self.knows_all || self.gone.numbers.contains_key(job) || self.removed_busy.contains(job);
            self.unpruned.insert(job.clone(), u32::from(!may_have_rows));
            return may_have_rows.then_some(keep);
        };
        *count = count.saturating_add(1);
        if *count < batch {
            return None;
        }
        *count = 0;
        Some(keep)
    }

    /// A job is gone, by its end or because it was removed. With `keeps_count`, it is among those whose rows are dropped when too
    /// many others are gone; where it `is_busy`, from the end of a run on.
    pub(crate) fn is_gone(&mut self, job: &JobId, keeps_count: bool, is_busy: bool) {
        self.unpruned.remove(job);
        shrink(&mut self.unpruned);
        match (keeps_count, is_busy) {
            (true, false) => self.gone.push(job),
            (true, true) => drop(self.removed_busy.insert(job.clone())),
            (false, _) => self.knows_all = false,
        }
    }

    /// A run of a job has ended.
    pub(crate) fn run_has_ended(&mut self, job: &JobId) {
        if !self.removed_busy.is_empty() && self.removed_busy.remove(job) {
            // A further attempt of it may have been recorded, and given up.
            self.unpruned.remove(job);
            self.gone.push(job);
        }
    }

    /// The jobs that are gone beyond `most`: the first ones that went.
    pub(crate) fn surplus(&self, most: Option<u32>) -> Vec<JobId> {
        let Some(most) = most else { return Vec::new() };
        let surplus = self.gone.in_order.len().saturating_sub(most as usize);
        self.gone.in_order.values().take(surplus).cloned().collect()
    }

    /// No rows are left of these jobs, which were gone, except of those that have come again.
    pub(crate) fn forget(&mut self, jobs: &[JobId], has_come_again: impl Fn(&JobId) -> bool) {
        for job in jobs {
            self.gone.remove(job);
            if has_come_again(job) {
                // Rows that nobody has counted.
                self.unpruned.entry(job.clone()).or_insert(u32::MAX);
            }
        }
    }

    /// How many entries its tables have.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> [usize; 2] {
        [self.unpruned.len() + self.removed_busy.len(), self.gone.in_order.len()]
    }
}

impl Gone {
    fn push(&mut self, job: &JobId) {
        let number = self.next;
        self.next += 1;
        if let Some(before) = self.numbers.insert(job.clone(), number) {
            self.in_order.remove(&before);
        }
        self.in_order.insert(number, job.clone());
    }

    fn remove(&mut self, job: &JobId) {
        if let Some(number) = self.numbers.remove(job) {
            self.in_order.remove(&number);
            shrink(&mut self.numbers);
        }
    }
}

/// Gives room back that a table has needed for many more entries than it has.
pub(crate) fn shrink<K: std::hash::Hash + Eq, V>(table: &mut HashMap<K, V>) {
    const ROOMY: usize = 2_048;
    if table.capacity() > ROOMY && table.len() < table.capacity() / 8 {
        let room = 2 * table.len();
        table.shrink_to(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETENTION: Retention = Retention { runs_per_job: Some(4), ..Retention::EVERYTHING };

    fn id(id: &str) -> JobId {
        JobId::new(id).unwrap()
    }

    fn pruned(pruning: &mut Pruning, job: &JobId, times: u32) -> Vec<u32> {
        (1..=times).filter(|_| pruning.recorded(job, &RETENTION).is_some()).collect()
    }

    #[test]
    fn rows_of_a_job_are_dropped_with_each_quarter() {
        let mut pruning = Pruning::new(true);
        assert_eq!(pruned(&mut pruning, &id("job"), 6), [2, 4, 6]);
        let (retention, job) = (Retention::EVERYTHING, id("other"));
        assert!((0..100).all(|_| pruning.recorded(&job, &retention).is_none()));
        assert_eq!(pruning.entries(), [1, 0]);
    }

    #[test]
    fn rows_of_an_earlier_process_are_dropped_with_the_first_one() {
        let mut pruning = Pruning::new(false);
        assert_eq!(pruned(&mut pruning, &id("job"), 5), [1, 3, 5]);
    }

    #[test]
    fn a_job_that_comes_again_is_pruned_with_its_first_row() {
        let mut pruning = Pruning::new(true);
        let (first, second) = (id("first"), id("second"));
        for job in [&first, &second, &first] {
            pruning.is_gone(job, true, false);
        }
        assert_eq!(pruning.entries(), [0, 2]);
        // It went again after the other.
        assert_eq!(pruning.surplus(Some(1)), std::slice::from_ref(&second));
        assert!(pruning.surplus(None).is_empty());
        assert_eq!(pruned(&mut pruning, &first, 1), [1]);
        pruning.forget(&[first.clone(), second.clone()], |job| *job == first);
        assert_eq!(pruning.entries(), [1, 0]);
        assert!(pruned(&mut pruning, &second, 1).is_empty());
        // One that has come again and has no row yet.
        pruning.is_gone(&second, true, false);
        pruning.forget(std::slice::from_ref(&second), |_| true);
        assert_eq!(pruned(&mut pruning, &second, 1), [1]);
    }

    #[test]
    fn a_job_that_was_removed_during_a_run_is_gone_when_the_run_ends() {
        let mut pruning = Pruning::new(true);
        let job = id("job");
        pruning.recorded(&job, &RETENTION);
        pruning.is_gone(&job, true, true);
        assert!(pruning.surplus(Some(0)).is_empty());
        pruning.recorded(&job, &RETENTION);
        pruning.run_has_ended(&job);
        assert_eq!(pruning.surplus(Some(0)), std::slice::from_ref(&job));
        assert_eq!(pruning.entries(), [0, 1]);
    }

    #[test]
    fn a_table_that_was_large_gives_its_room_back() {
        let mut pruning = Pruning::new(true);
        let jobs: Vec<JobId> = (0..20_000).map(|n| id(&format!("job {n}"))).collect();
        for job in &jobs {
            pruning.recorded(job, &RETENTION);
        }
        for job in &jobs {
            pruning.is_gone(job, true, false);
        }
        pruning.forget(&jobs, |_| false);
        assert!(pruning.unpruned.capacity() < 4_096, "{}", pruning.unpruned.capacity());
        assert!(pruning.gone.numbers.capacity() < 4_096, "{}", pruning.gone.numbers.capacity());
    }
}
