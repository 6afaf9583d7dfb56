//! From a trigger to a job: `cron("0 9 * * *").run(...)`.

use matins_core::{IntoTrigger, TaskName};
use matins_task_function::IntoTask;

use crate::new_job::{NewJob, Work};

/// Turns anything that can become a trigger into a job: the sentence's verb.
pub trait Schedule: IntoTrigger + Send + Sized + 'static {
    /// Makes a job that calls a closure or function. It works with stores that do not outlive the process. For the others, register the
    /// function and use [`task`](Self::task).
    ///
    /// ```
    /// # use matins_core::TaskContext;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, cron};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let report = |context: &TaskContext| format!("report of {}", context.scheduled.format("%H:%M"));
    /// scheduler.add(cron("30 9 * * *").run(report))?;
    ///
    /// let runs = scheduler.advance(1.days());
    /// assert_eq!(runs[0].result, Some("report of 09:30".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn run<Form>(self, task: impl IntoTask<Form> + Send + 'static) -> NewJob {
        NewJob::new(self, Work::Function(Box::new(move |states| task.into_task_with(states))))
    }

    /// Makes a job that runs the task that is registered under a name. If the name is not registered, the job is refused when it is added.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder, SchedulerError};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, cron};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let report = || cron("30 9 * * *").task("report");
    /// assert!(matches!(scheduler.add(report()), Err(SchedulerError::NoTask { .. })));
    ///
    /// scheduler.register("report", || "42 rows")?;
    /// scheduler.add(report())?;
    /// assert_eq!(scheduler.advance(1.days())[0].result, Some("42 rows".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn task(self, name: impl AsRef<str>) -> NewJob {
        NewJob::new(self, Work::Named(TaskName::new(name)))
    }
}

impl<T: IntoTrigger + Send + Sized + 'static> Schedule for T {}
