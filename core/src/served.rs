//! What a scheduler can start.

use std::collections::BTreeSet;

use crate::{ExecutorName, TaskName};

/// The tasks and executors that a scheduler has: it can start the jobs that name one of each.
///
/// Of the schedulers that share a store, some may have tasks that others do not. Each claims only what it can start
/// ([`ClaimStore::serve`](crate::ClaimStore::serve)).
///
/// ```
/// use matins_core::{ExecutorName, Served, TaskName};
///
/// let task = TaskName::new("report").unwrap();
/// let served = Served::new([task], [ExecutorName::default()]);
/// assert_eq!((served.tasks.len(), served.executors.len()), (1, 1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Served {
    /// The tasks, by name.
    pub tasks: BTreeSet<TaskName>,
    /// The executors, by name.
    pub executors: BTreeSet<ExecutorName>,
}

impl Served {
    /// These tasks, on these executors.
    pub fn new(
        tasks: impl IntoIterator<Item = TaskName>,
        executors: impl IntoIterator<Item = ExecutorName>,
    ) -> Self {
        Self { tasks: tasks.into_iter().collect(), executors: executors.into_iter().collect() }
    }

    /// Returns whether a job with this task, for this executor, can be started.
    ///
    /// ```
    /// use matins_core::{ExecutorName, Served, TaskName};
    ///
    /// let report = TaskName::new("report").unwrap();
    /// let served = Served::new([report.clone()], [ExecutorName::default()]);
    /// assert!(served.includes(&report, &ExecutorName::default()));
    /// assert!(!served.includes(&report, &ExecutorName::new("gpu").unwrap()));
    /// ```
    pub fn includes(&self, task: &TaskName, executor: &ExecutorName) -> bool {
        self.tasks.contains(task) && self.executors.contains(executor)
    }
}
