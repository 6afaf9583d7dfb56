//! A world in which time passes at once: a clock that leaps to whatever comes next, and an executor whose runs end when that
//! clock says so.
//!
//! The scheduler in it is the real one. When it has nothing to do it asks the clock how long to sleep, and the clock leaps: to
//! the end of a run if one ends before. All happens on one thread, in an order that depends on nothing else.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    Clock, Completion, Executor, Outcome, Refusal, Refused, RunId, RunReport, RunRequest, Shutdown,
};
use matins_scheduler::Handle;

/// What is called with the time as it passes.
pub(crate) type Progress = Box<dyn Fn(DateTime<Utc>) + Send + Sync>;

pub(crate) struct World {
    state: Mutex<State>,
    /// How long runs of a job take.
    durations: HashMap<String, TimeDelta>,
    /// The job whose run ends the world.
    last_job: &'static str,
    handle: OnceLock<Handle>,
    progress: Progress,
    /// How many run at once, and how many more may wait.
    workers: usize,
    queue: usize,
}

struct State {
    now: DateTime<Utc>,
    /// Runs by their end, and by their order where they end together.
    going: BTreeMap<(DateTime<Utc>, u64), Going>,
    waiting: VecDeque<(RunRequest, Completion)>,
    taken: u64,
    most_at_once: (usize, DateTime<Utc>),
    most_waiting: usize,
}

struct Going {
    run: RunRequest,
    done: Completion,
    started: DateTime<Utc>,
    outcome: Outcome,
}

impl World {
    pub(crate) fn new(
        start: DateTime<Utc>,
        durations: HashMap<String, TimeDelta>,
        last_job: &'static str,
        workers: usize,
        progress: Progress,
    ) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                now: start,
                going: BTreeMap::new(),
                waiting: VecDeque::new(),
                taken: 0,
                most_at_once: (0, start),
                most_waiting: 0,
            }),
            durations,
            last_job,
            handle: OnceLock::new(),
            progress,
            workers,
            queue: 100_000,
        })
    }

    /// Tells it the scheduler that is to end with it.
    pub(crate) fn is_of(&self, handle: Handle) {
        // It is told once.
        let _ = self.handle.set(handle);
    }

    /// How many runs were in progress at once at most, since when, and how many waited for a place at most.
    pub(crate) fn most(&self) -> (usize, DateTime<Utc>, usize) {
        let state = self.lock();
        (state.most_at_once.0, state.most_at_once.1, state.most_waiting)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, state: &mut State, run: RunRequest, done: Completion) {
        let takes = self.durations.get(run.job.as_str()).copied().unwrap_or_default();
        let limit = run.time_limit.and_then(|limit| TimeDelta::from_std(limit).ok());
        let (takes, outcome) = match limit {
            Some(limit) if limit < takes => (limit, Outcome::TimedOut),
            _ => (takes, Outcome::Succeeded),
        };
        state.taken += 1;
        let started = state.now;
        let end = started.checked_add_signed(takes).unwrap_or(DateTime::<Utc>::MAX_UTC);
        state.going.insert((end, state.taken), Going { run, done, started, outcome });
        if state.going.len() > state.most_at_once.0 {
            state.most_at_once = (state.going.len(), started);
        }
    }

    /// The runs that have ended by now; who waits takes their places.
    fn ended(&self) -> Vec<(RunReport, Completion)> {
        let mut state = self.lock();
        let mut ended = Vec::new();
        let now = state.now;
        while state.going.first_key_value().is_some_and(|((end, _), _)| *end <= now) {
            let Some(((end, _), Going { run, done, started, outcome })) = state.going.pop_first() else {
                break;
            };
            ended.push((report(&run, started, end, outcome), done));
            if let Some((run, done)) = state.waiting.pop_front() {
                self.begin(&mut state, run, done);
            }
        }
        ended
    }
}

fn report(run: &RunRequest, started: DateTime<Utc>, finished: DateTime<Utc>, outcome: Outcome) -> RunReport {
    let mut report = RunReport::new(run.run, finished, outcome);
    report.started = Some(started);
    report
}

/// The clock of a world.
#[derive(Clone)]
pub(crate) struct WorldClock(pub(crate) Arc<World>);

impl Clock for WorldClock {
    fn now(&self) -> DateTime<Utc> {
        // Reported here and not where the clock leaps: there the scheduler holds what a report needs.
        for (report, done) in self.0.ended() {
            done.finish(report);
        }
        self.0.lock().now
    }

    /// It is never set, and nothing is reported here.
    fn monotonic(&self) -> Duration {
        (self.0.lock().now - DateTime::UNIX_EPOCH).to_std().unwrap_or_default()
    }

    fn sleep_until(&self, until: DateTime<Utc>) -> Option<Duration> {
        let mut state = self.0.lock();
        let end = state.going.first_key_value().map(|((end, _), _)| *end);
        state.now = end.map_or(until, |end| end.min(until)).max(state.now);
        let now = state.now;
        drop(state);
        (self.0.progress)(now);
        Some(Duration::ZERO)
    }
}

impl fmt::Debug for WorldClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorldClock").finish_non_exhaustive()
    }
}

/// The executor of a world.
pub(crate) struct WorldExecutor(pub(crate) Arc<World>);

impl Executor for WorldExecutor {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        let world = &self.0;
        let mut state = world.lock();
        if run.job.as_str() == world.last_job {
            // What goes on then has no end that anybody will see.
            let now = state.now;
            let going = std::mem::take(&mut state.going).into_values().map(|going| (going.run, going.done));
            let left: Vec<(RunRequest, Completion)> =
                going.chain(state.waiting.drain(..)).chain([(run, done)]).collect();
            drop(state);
            for (run, done) in left {
                done.finish(report(&run, now, now, Outcome::Cancelled));
            }
            if let Some(handle) = world.handle.get() {
                handle.request_shutdown(Shutdown::Now);
            }
            return Ok(());
        }
        if state.going.len() < world.workers {
            world.begin(&mut state, run, done);
        } else if state.waiting.len() < world.queue {
            state.waiting.push_back((run, done));
            state.most_waiting = state.most_waiting.max(state.waiting.len());
        } else {
            return Err(Refused { reason: Refusal::Full, done });
        }
        Ok(())
    }

    fn shutdown(&mut self, _how: Shutdown) -> Vec<RunId> {
        Vec::new()
    }
}
