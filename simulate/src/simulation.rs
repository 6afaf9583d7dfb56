//! A simulation: jobs, a span of time, and how long runs take.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{ExecutorName, StoreName};
use matins_definitions::{COMMAND, Definition, DefinitionError, When};
use matins_scheduler::{Retention, Schedule as _, SchedulerBuilder, SchedulerError};
use matins_store_memory::MemoryStore;
use matins_task_command::{Command, CommandTask};
use matins_task_function::RegisterError;
use matins_triggers::{DateTrigger, JitterError, JitterTrigger};
use thiserror::Error;

use crate::counted::{Counted, LAST_JOB};
use crate::world::{Progress, World, WorldClock, WorldExecutor};
use crate::{Forecast, KnownFrom, RunTime};

/// Why there is no forecast.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// A definition is not one of a job.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// The scheduler refuses a job, or cannot run.
    #[error(transparent)]
    Scheduler(#[from] SchedulerError),
    /// The task cannot be registered.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// Fires cannot be spread over so much time.
    #[error(transparent)]
    Spread(#[from] JitterError),
    /// The end is not after the beginning.
    #[error("a simulation has to last for longer than zero, and not for {0}")]
    NoTime(TimeDelta),
    /// The end is beyond the calendar.
    #[error("{0} after {1} is later than there is time; simulate less")]
    TooLong(TimeDelta, DateTime<Utc>),
}

/// Jobs, and the time in which they are watched.
pub struct Simulation<'a> {
    definitions: Vec<&'a Definition>,
    from: DateTime<Utc>,
    span: TimeDelta,
    run_times: BTreeMap<String, RunTime>,
    run_time: TimeDelta,
    workers: usize,
    spread: Option<TimeDelta>,
    progress: Progress,
}

impl<'a> Simulation<'a> {
    /// Of these jobs, from an instant on.
    ///
    /// A run takes the `expected_duration` of its definition, or else a second; 1,024 run at once.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use matins_simulate::Simulation;
    ///
    /// let forecast = Simulation::new(&[], DateTime::UNIX_EPOCH, TimeDelta::days(7)).run()?;
    /// assert_eq!((forecast.jobs, forecast.fires), (0, 0));
    /// # Ok::<(), matins_simulate::SimulationError>(())
    /// ```
    pub fn new(
        definitions: impl IntoIterator<Item = &'a Definition>,
        from: DateTime<Utc>,
        span: TimeDelta,
    ) -> Self {
        Self {
            definitions: definitions.into_iter().collect(),
            from,
            span,
            run_times: BTreeMap::new(),
            run_time: TimeDelta::seconds(1),
            workers: 1024,
            spread: None,
            progress: Box::new(|_| ()),
        }
    }

    /// How long runs of a job take of which the definition does not say it.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use matins_simulate::{KnownFrom, RunTime, Simulation};
    ///
    /// let time = RunTime::new(KnownFrom::Ledger, TimeDelta::seconds(90));
    /// let simulation = Simulation::new(&[], DateTime::UNIX_EPOCH, TimeDelta::days(7)).run_time_of("backup", time);
    /// # let _ = simulation;
    /// ```
    #[must_use]
    pub fn run_time_of(mut self, job: &str, time: RunTime) -> Self {
        self.run_times.insert(job.to_owned(), time);
        self
    }

    /// How long runs take of which nothing is known.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use matins_simulate::Simulation;
    ///
    /// let simulation = Simulation::new(&[], DateTime::UNIX_EPOCH, TimeDelta::days(7)).run_time(TimeDelta::minutes(1));
    /// # let _ = simulation;
    /// ```
    #[must_use]
    pub fn run_time(self, time: TimeDelta) -> Self {
        Self { run_time: time, ..self }
    }

    /// How many run at once; more wait.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use matins_simulate::Simulation;
    ///
    /// let simulation = Simulation::new(&[], DateTime::UNIX_EPOCH, TimeDelta::days(7)).workers(4);
    /// # let _ = simulation;
    /// ```
    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    /// Each fire comes up to so much later, as with a jitter.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use matins_simulate::Simulation;
    ///
    /// let simulation = Simulation::new(&[], DateTime::UNIX_EPOCH, TimeDelta::days(7)).spread(TimeDelta::minutes(1));
    /// # let _ = simulation;
    /// ```
    #[must_use]
    pub fn spread(self, by: TimeDelta) -> Self {
        Self { spread: Some(by), ..self }
    }

    /// Calls `progress` with the time of the simulation as it passes.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use matins_simulate::Simulation;
    ///
    /// let simulation = Simulation::new(&[], DateTime::UNIX_EPOCH, TimeDelta::days(7));
    /// simulation.on_progress(|now| println!("{now}")).run()?;
    /// # Ok::<(), matins_simulate::SimulationError>(())
    /// ```
    #[must_use]
    pub fn on_progress(self, progress: impl Fn(DateTime<Utc>) + Send + Sync + 'static) -> Self {
        Self { progress: Box::new(progress), ..self }
    }

    fn run_time_of_definition(&self, definition: &Definition) -> RunTime {
        let of_file = definition.expected_duration.and_then(|expected| TimeDelta::from_std(expected).ok());
        of_file.map_or_else(
            || {
                let known = self.run_times.get(&definition.id).copied();
                known.unwrap_or(RunTime::new(KnownFrom::Default, self.run_time))
            },
            |expected| RunTime::new(KnownFrom::File, expected),
        )
    }

    /// Passes the time, on this thread, and returns what the jobs did.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use matins_definitions::Configuration;
    /// use matins_simulate::Simulation;
    /// use matins_triggers::Zone;
    ///
    /// let text = "[jobs.often]\nevery = \"10m\"\nshell = \"true\"\n";
    /// let jobs = Configuration::parse(text, Zone::utc()).unwrap().jobs;
    /// let forecast = Simulation::new(&jobs, DateTime::UNIX_EPOCH, TimeDelta::hours(1)).run()?;
    /// assert_eq!(forecast.fires, 6);
    /// # Ok::<(), matins_simulate::SimulationError>(())
    /// ```
    ///
    /// # Errors
    /// If a definition is not one of a job, the scheduler refuses a job, the span is not above zero, or the time ends after the calendar.
    pub fn run(self) -> Result<Forecast, SimulationError> {
        if self.span <= TimeDelta::zero() {
            return Err(SimulationError::NoTime(self.span));
        }
        let until = self.from.checked_add_signed(self.span);
        let until = until.ok_or(SimulationError::TooLong(self.span, self.from))?;
        let run_times: BTreeMap<String, RunTime> = self
            .definitions
            .iter()
            .map(|definition| (definition.id.clone(), self.run_time_of_definition(definition)))
            .collect();
        let durations = run_times.iter().map(|(id, time)| (id.clone(), time.length)).collect();
        let world = World::new(self.from, durations, LAST_JOB, self.workers, self.progress);
        let mut names: BTreeSet<ExecutorName> =
            self.definitions.iter().map(|definition| definition.executor.clone()).collect();
        names.insert(ExecutorName::default());
        let builder = names.iter().fold(SchedulerBuilder::new(), |builder, name| {
            builder.executor(name, WorldExecutor(world.clone()))
        });
        let scheduler = builder
            .store("default", MemoryStore::new())
            .clock(WorldClock(world.clone()))
            // What came of a run is counted when it is told.
            .retention(Retention { runs_per_job: Some(4), ..Retention::EVERYTHING })
            .blocking()?;
        world.is_of(scheduler.handle());
        scheduler.register(COMMAND, CommandTask::default())?;
        let mut jobs = 0;
        for (number, definition) in (0..).zip(&self.definitions) {
            if matches!(&definition.when, When::At(date) if date.instant() <= self.from) {
                continue;
            }
            // All of them are in the one store that it has.
            let definition = &Definition { store: StoreName::default(), ..(*definition).clone() };
            let mut job = definition.job_by_hand(self.from)?;
            if let Some(spread) =
                self.spread.filter(|_| !matches!(definition.when, When::Start | When::After(_)))
            {
                let trigger = definition.trigger(self.from)?;
                job = definition.job_with(JitterTrigger::new(trigger, spread, number)?);
            }
            scheduler.add(job)?;
            jobs += 1;
        }
        let last = DateTrigger::new(until).task(COMMAND).id(LAST_JOB).arguments(Command::new("true"));
        scheduler.add(last)?;

        let counted = Arc::new(Mutex::new(Counted::default()));
        let counting = counted.clone();
        // It wants none of them: it has counted them by then, on the scheduler's own thread, and loses none.
        let _events = scheduler.subscribe_to(move |event| {
            counting.lock().unwrap_or_else(PoisonError::into_inner).count(event);
            false
        });
        scheduler.run();

        let counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
        let (most_at_once, most_at_once_at, most_waiting) = world.most();
        Ok(Forecast {
            from: self.from,
            until,
            jobs,
            fires: counted.fires,
            fires_per_hour: counted.per_hour.clone(),
            busiest_minute: counted.busiest_minute.most,
            busiest_second: counted.busiest_second.most,
            most_at_once,
            most_at_once_at,
            most_waiting,
            timed_out: counted.timed_out.clone(),
            missed: counted.missed.clone(),
            durations: run_times,
        })
    }
}

impl fmt::Debug for Simulation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("jobs", &self.definitions.len())
            .field("from", &self.from)
            .field("span", &self.span)
            .finish_non_exhaustive()
    }
}
