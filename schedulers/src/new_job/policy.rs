//! The policy of a job that is to be added.

use std::num::{NonZeroU32, NonZeroU64};

use matins_core::{Coalesce, Group, IntoDurationLimit, OnExhausted, OnInterrupt, Overlap, Policy, Retry};

use super::{NewJob, keep};

impl NewJob {
    /// Sets all policies at once, and replaces the scheduler's [defaults](crate::SchedulerBuilder::job_defaults).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use matins_core::{Overlap, Policy};
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let careful = Policy::default().with(|policy| {
    ///     policy.overlap = Overlap::QueueOne;
    ///     policy.misfire_grace = Some(Duration::from_secs(600));
    /// });
    /// scheduler.add(every(1.hours()).run(|| ()).id("report").policy(careful.clone()))?;
    /// assert_eq!(scheduler.get("report")?.unwrap().policy, careful);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy.add(move |choices| *choices = policy);
        self
    }

    /// Sets how late a fire may run; one that is later is recorded as missed. `None`: a fire runs however late it is.
    ///
    /// ```
    /// # use matins_core::{MissedReason, Outcome};
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{At, TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).misfire_grace(10.minutes()))?;
    /// // At 01:30, the fire of 01:00 is half an hour late.
    /// scheduler.pause_all()?;
    /// scheduler.advance(90.minutes());
    /// scheduler.resume_all()?;
    ///
    /// let rows = scheduler.run_until_idle();
    /// assert_eq!(rows[0].outcome, Some(Outcome::Missed(MissedReason::TooLate)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn misfire_grace(mut self, grace: impl IntoDurationLimit) -> Self {
        if let Some(misfire_grace) = keep(&mut self.fault, grace.into_limit()) {
            self.policy.add(move |policy| policy.misfire_grace = misfire_grace);
        }
        self
    }

    /// Sets which of several fires that are due together runs.
    ///
    /// ```
    /// # use matins_core::{Coalesce, Outcome, Run};
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).coalesce(Coalesce::Earliest))?;
    /// scheduler.pause_all()?;
    /// scheduler.advance(3.hours());
    /// scheduler.resume_all()?;
    ///
    /// let rows = scheduler.run_until_idle();
    /// let ran: Vec<&Run> = rows.iter().filter(|row| row.outcome == Some(Outcome::Succeeded)).collect();
    /// assert_eq!(ran.len(), 1);
    /// assert_eq!(ran[0].scheduled().to_rfc3339(), "2026-01-01T01:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn coalesce(mut self, coalesce: Coalesce) -> Self {
        self.policy.add(move |policy| policy.coalesce = coalesce);
        self
    }

    /// Sets what happens to a fire while a run of the job is still in progress.
    ///
    /// ```
    /// # use matins_core::Overlap;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// // A run that takes longer than an hour delays the next one, which would otherwise be skipped.
    /// scheduler.add(every(1.hours()).run(|| ()).id("report").overlap(Overlap::QueueOne))?;
    /// assert_eq!(scheduler.get("report")?.unwrap().policy.overlap, Overlap::QueueOne);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.policy.add(move |policy| policy.overlap = overlap);
        self
    }

    /// Sets what happens to a run that was in progress when the process died.
    ///
    /// ```
    /// # use matins_core::OnInterrupt;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// // For a task that may run twice for one fire time.
    /// scheduler.add(every(1.hours()).run(|| ()).id("report").on_interrupt(OnInterrupt::RunAgain))?;
    /// assert_eq!(scheduler.get("report")?.unwrap().policy.on_interrupt, OnInterrupt::RunAgain);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_interrupt(mut self, on_interrupt: OnInterrupt) -> Self {
        self.policy.add(move |policy| policy.on_interrupt = on_interrupt);
        self
    }

    /// Sets what happens to the job when its trigger has no more fire times.
    ///
    /// ```
    /// # use matins_core::{OnExhausted, Outcome};
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, at};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(at("2026-01-01T08:00").run(|| ()).id("once"))?;
    /// scheduler.add(at("2026-01-01T08:00").run(|| ()).id("kept").on_exhausted(OnExhausted::Keep))?;
    /// scheduler.advance(1.days());
    ///
    /// assert!(scheduler.get("once")?.is_none());
    /// // It is still there, for instance to run it by hand.
    /// assert_eq!(scheduler.run_now("kept")?.outcome, Some(Outcome::Succeeded));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_exhausted(mut self, on_exhausted: OnExhausted) -> Self {
        self.policy.add(move |policy| policy.on_exhausted = on_exhausted);
        self
    }

    /// Sets how long a run may take, from when it begins. `None`: as long as it takes.
    ///
    /// ```
    /// # use std::thread;
    /// # use matins_core::{Outcome, TaskContext};
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// # scheduler.start()?;
    /// let never_ready = |context: &TaskContext| {
    ///     while !context.is_cancelled() {
    ///         thread::yield_now();
    ///     }
    /// };
    /// let job = scheduler.add(every(1.hours()).run(never_ready).time_limit(10.milliseconds()))?;
    /// assert_eq!(job.run_now()?.wait()?.outcome, Some(Outcome::TimedOut));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn time_limit(mut self, limit: impl IntoDurationLimit) -> Self {
        if let Some(time_limit) = keep(&mut self.fault, limit.into_limit()) {
            self.policy.add(move |policy| policy.time_limit = time_limit);
        }
        self
    }

    /// With a fixed delay: it fires so long after the end of each run, in place of the next instant of its trigger. The trigger says
    /// when it fires first, and it ends when the trigger does. While a run is in progress, the job's next fire time is the earliest
    /// that is possible, and nothing is missed.
    ///
    /// ```
    /// use matins_scheduler::Schedule;
    /// use matins_triggers::{TimeUnits, every};
    ///
    /// // However long each takes.
    /// let poll = every(30.seconds()).run(|| println!("anything new?")).delay(30.seconds());
    /// # drop(poll);
    /// ```
    pub fn delay(mut self, delay: impl IntoDurationLimit) -> Self {
        if let Some(delay) = keep(&mut self.fault, delay.into_limit()) {
            self.policy.add(move |policy| policy.delay = delay);
        }
        self
    }

    /// Sets how often the job runs at most; 0 counts as 1. Further attempts, runs started by hand and missed fires do not count. Then the job
    /// is over.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).id("three-times").max_runs(3))?;
    /// assert_eq!(scheduler.advance(1.days()).len(), 3);
    /// assert!(scheduler.get("three-times")?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_runs(mut self, most: impl Into<Option<u64>>) -> Self {
        let max_runs = most.into().map(|most| NonZeroU64::new(most).unwrap_or(NonZeroU64::MIN));
        self.policy.add(move |policy| policy.max_runs = max_runs);
        self
    }

    /// Sets after how many failures in a row the job is paused; 0 counts as 1. An [event](crate::Event::JobDisabled) reports it. A run counts
    /// with its last attempt. Resuming the job begins the count again.
    ///
    /// ```
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| Err::<(), _>("no luck")).id("unlucky").max_failures(3))?;
    /// assert_eq!(scheduler.advance(1.days()).len(), 3);
    /// assert!(scheduler.get("unlucky")?.unwrap().is_disabled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_failures(mut self, most: impl Into<Option<u32>>) -> Self {
        let max_failures = most.into().map(|most| NonZeroU32::new(most).unwrap_or(NonZeroU32::MIN));
        self.policy.add(move |policy| policy.max_failures = max_failures);
        self
    }

    /// With this priority: among the runs that wait for their executor, and the fires that are due together, those with a higher
    /// one come first. Default: 0.
    ///
    /// ```
    /// use matins_scheduler::Schedule;
    /// use matins_triggers::{TimeUnits, every};
    ///
    /// let alarm = every(1.minutes()).run(|| println!("all is well")).priority(10);
    /// # drop(alarm);
    /// ```
    pub fn priority(mut self, priority: i32) -> Self {
        self.policy.add(move |policy| policy.priority = priority);
        self
    }

    /// In this concurrency group: a run waits while `limit` runs of jobs in the same group of the same store are in progress. With a limit
    /// of 1 the group is a mutex. See [`Group`].
    ///
    /// ```
    /// use matins_scheduler::Schedule;
    /// use matins_triggers::{TimeUnits, every};
    ///
    /// // Never at the same time.
    /// let backup = every(1.hours()).run(|| println!("backup")).group("database", 1);
    /// let vacuum = every(1.days()).run(|| println!("vacuum")).group("database", 1);
    /// # drop((backup, vacuum));
    /// ```
    pub fn group(mut self, name: impl AsRef<str>, limit: u32) -> Self {
        if let Some(group) = keep(&mut self.fault, Group::new(name, limit)) {
            self.policy.add(move |policy| policy.group = Some(group));
        }
        self
    }

    /// In no concurrency group, whatever the scheduler's [defaults](crate::SchedulerBuilder::job_defaults).
    ///
    /// ```
    /// use matins_core::{Group, Policy};
    /// use matins_scheduler::{Schedule, SchedulerBuilder};
    /// use matins_store_memory::MemoryStore;
    /// use matins_triggers::{TimeUnits, every};
    ///
    /// let start = "2026-01-01T00:00:00Z".parse()?;
    /// let scheduler = SchedulerBuilder::new()
    ///     .store("default", MemoryStore::new())
    ///     .job_defaults(Policy::default().with(|policy| policy.group = Group::new("database", 1).ok()))
    ///     .testing(start)?;
    /// scheduler.add(every(1.hours()).run(|| ()).id("backup"))?;
    /// scheduler.add(every(1.hours()).run(|| ()).id("greeting").no_group())?;
    /// assert!(scheduler.get("backup")?.unwrap().policy.group.is_some());
    /// assert!(scheduler.get("greeting")?.unwrap().policy.group.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn no_group(mut self) -> Self {
        self.policy.add(|policy| policy.group = None);
        self
    }

    /// Sets how often, when, and after which outcomes a run is tried again.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use matins_core::{Backoff, Outcome, Retry, TaskContext};
    /// # use matins_scheduler::{Schedule, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # use matins_triggers::{TimeUnits, every};
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let flaky = |context: &TaskContext| if context.attempt < 3 { Err("no luck") } else { Ok(()) };
    /// let retry = Retry::times(5).backoff(Backoff::Fixed(Duration::from_secs(30)));
    /// scheduler.add(every(1.days()).run(flaky).retry(retry))?;
    ///
    /// scheduler.advance(1.days());
    /// let retried = scheduler.advance(1.minutes());
    /// assert_eq!(retried.iter().map(|run| run.attempt).collect::<Vec<_>>(), [2, 3]);
    /// assert_eq!(retried[1].outcome, Some(Outcome::Succeeded));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry(mut self, retry: Retry) -> Self {
        self.policy.add(move |policy| policy.retry = retry);
        self
    }
}
