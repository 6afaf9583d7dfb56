//! Time limits for work that cannot be stopped from outside: a thread that watches what runs too long.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use matins_core::{CancelReason, Completion, LeftBehind, Outcome, RunReport, RunRequest, drop_caught};

/// How long the watching thread stays when there is nothing to watch.
const LINGER: Duration = Duration::from_secs(5);

/// A limit that is noticed so long after it has passed is not judged at once: this process was stopped, or waited for a
/// processor, while the work of a run may have gone on elsewhere (a command, a worker process) and ended in time.
const NOTICED_LATE: Duration = Duration::from_millis(250);

/// How long a run then has to report that it has ended.
const CHANCE_TO_REPORT: Duration = Duration::from_secs(1);

/// Watches the runs of one executor. The thread that does is started on need, and ends when this is dropped.
pub(crate) struct TimeLimits {
    grace: Duration,
    shared: Arc<Shared>,
    watcher: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What is to be done when, in order; the number tells those of one instant apart.
    watched: BTreeMap<(Instant, u64), Watched>,
    next_number: u64,
    is_watched: bool,
    closed: bool,
}

struct Watched {
    run: Arc<RunRequest>,
    limit: Duration,
    end: Arc<End>,
    has_had_its_chance: bool,
    is_cancelled: bool,
}

/// The one report of a run, which its thread and the watcher both may make.
pub(crate) struct End {
    done: Mutex<Option<Completion>>,
    leave: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// Says that the work of a run that was left behind has ended, when both the thread and the watcher have let go of this.
    left: Mutex<Option<LeftBehind>>,
}

impl End {
    fn take(&self) -> Option<Completion> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the report was made.
    fn is_over(&self) -> bool {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

impl TimeLimits {
    /// Runs that are told to stop have `grace` to return.
    pub(crate) fn new(grace: Duration) -> Self {
        Self { grace, shared: Arc::default(), watcher: Mutex::default() }
    }

    /// Does the work of a run on this thread, under its time limit.
    ///
    /// Returns the report and the promise to keep with it. For a run that was left behind, whose report was made then, it
    /// returns what says that the work has ended when it is dropped. `leave` is called just before that report.
    pub(crate) fn execute(
        &self,
        run: RunRequest,
        done: Completion,
        leave: impl FnOnce() + Send + 'static,
    ) -> Result<(RunReport, Completion), Arc<End>> {
        let Some(limit) = run.time_limit else { return Ok((run.execute(), done)) };
        let run = Arc::new(run);
        let end = Arc::new(End {
            done: Mutex::new(Some(done)),
            leave: Mutex::new(Some(Box::new(leave))),
            left: Mutex::default(),
        });
        let watched = Watched {
            run: run.clone(),
            limit,
            end: end.clone(),
            has_had_its_chance: false,
            is_cancelled: false,
        };
        let place = self.watch(watched);
        let report = run.execute();
        let done = end.take();
        if let Some(place) = place {
            // One that was told to stop, or that was noticed late, has moved, and is dropped when its turn comes.
            self.shared.lock().watched.remove(&place);
        }
        drop_caught(run);
        done.map(|done| (report, done)).ok_or(end)
    }

    /// Watches a run. Returns its place in the order, or `None` where its limit lies beyond what the system's clock can hold.
    fn watch(&self, watched: Watched) -> Option<(Instant, u64)> {
        let at = Instant::now().checked_add(watched.limit)?;
        let mut state = self.shared.lock();
        let number = state.next_number;
        state.next_number += 1;
        let is_first = state.watched.first_key_value().is_none_or(|((first, _), _)| at < *first);
        state.watched.insert((at, number), watched);
        if !state.is_watched {
            state.is_watched = true;
            let (shared, grace) = (self.shared.clone(), self.grace);
            let started =
                thread::Builder::new().name("matins-limits".to_owned()).spawn(move || shared.watch(grace));
            match started {
                Ok(thread) => {
                    *self.watcher.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
                }
                // The next run tries again; until then limits are not kept, and work goes on.
                Err(_) => state.is_watched = false,
            }
        } else if is_first {
            self.shared.changed.notify_one();
        }
        Some((at, number))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the watching thread does.
    fn watch(&self, grace: Duration) {
        let mut state = self.lock();
        while !state.closed {
            let first = state.watched.keys().next().copied();
            let wait = first.map_or(LINGER, |(at, _)| at.saturating_duration_since(Instant::now()));
            if let Some(key) = first.filter(|_| wait.is_zero()) {
                let Some(watched) = state.watched.remove(&key) else { continue };
                drop(state);
                // Its clock, and what its task drops, are others' code: what they do must not end this thread.
                let again = catch_unwind(AssertUnwindSafe(|| watched.come(key.0.elapsed(), grace)));
                state = self.lock();
                match again {
                    Ok(Some((at, watched))) => drop(state.watched.insert((at, key.1), watched)),
                    Ok(None) => {}
                    Err(panic) => {
                        drop(state);
                        drop_caught(panic);
                        state = self.lock();
                    }
                }
                continue;
            }
            let (guard, timeout) =
                self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner);
            state = guard;
            if timeout.timed_out() && state.watched.is_empty() {
                break;
            }
        }
        state.is_watched = false;
    }
}

impl Watched {
    /// Its time has come, so long ago: it is told to stop, or left behind. When to come again.
    fn come(mut self, late: Duration, grace: Duration) -> Option<(Instant, Self)> {
        if self.end.is_over() {
            return None;
        }
        if !self.is_cancelled {
            if late >= NOTICED_LATE && !self.has_had_its_chance {
                self.has_had_its_chance = true;
                return Some((Instant::now().checked_add(CHANCE_TO_REPORT)?, self));
            }
            self.is_cancelled = true;
            // What the task has registered may take its time, or wait for other runs.
            self.run.cancel.set(CancelReason::TimeLimit(self.limit)).call_in_background();
            return Some((Instant::now().checked_add(grace)?, self));
        }
        let done = {
            // The run's thread, should it end just now, hears of both or of neither.
            let mut done = self.end.done.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = done.take()?;
            if let Some(leave) = self.end.leave.lock().unwrap_or_else(PoisonError::into_inner).take() {
                leave();
            }
            taken
        };
        let message = format!(
            "it ran longer than its limit of {:?}, and did not stop when it was told to: its thread is busy until it does",
            self.limit
        );
        // With what its program has printed: the task, which would say so at its end, is not waited for.
        let mut report = self.run.ended(None, Outcome::TimedOut, Some(message));
        report.output = self.run.log.text();
        let left = done.leave_behind(report);
        *self.end.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(left);
        None
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("End").field("is_over", &self.is_over()).finish_non_exhaustive()
    }
}

impl Drop for TimeLimits {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        if let Some(watcher) = self.watcher.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // The last one to hold this may be the watcher itself.
            if watcher.thread().id() != thread::current().id() {
                let _ = watcher.join();
            }
        }
    }
}

impl fmt::Debug for TimeLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let watched = self.shared.lock().watched.len();
        f.debug_struct("TimeLimits")
            .field("grace", &self.grace)
            .field("watched", &watched)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use matins_core::{
        Clock, CompletionSink, JobId, RunId, TaskContext, TaskName, TaskOutput, TaskResult, Value,
    };

    use super::*;

    struct Nothing;

    impl matins_core::Task for Nothing {
        fn run(&self, _arguments: &Value, _context: &TaskContext) -> TaskResult {
            Ok(TaskOutput::default())
        }
    }

    #[derive(Debug)]
    struct Epoch;

    impl Clock for Epoch {
        fn now(&self) -> chrono::DateTime<chrono::Utc> {
            chrono::DateTime::UNIX_EPOCH
        }

        fn sleep_until(&self, _until: chrono::DateTime<chrono::Utc>) -> Option<Duration> {
            None
        }
    }

    #[derive(Default)]
    struct Reports(Mutex<Vec<(Outcome, Option<String>)>>);

    impl CompletionSink for Reports {
        fn completed(&self, report: RunReport) {
            self.0.lock().unwrap().push((report.outcome, report.output));
        }
    }

    fn watched() -> (Watched, Arc<Reports>) {
        let reports = Arc::<Reports>::default();
        let (job, name) = (JobId::new("job").unwrap(), TaskName::new("task").unwrap());
        let run = RunRequest::new(RunId(1), job, name, Arc::new(Nothing), Arc::new(Epoch));
        let done = Completion::new(RunId(1), Arc::new(Epoch), reports.clone());
        let end =
            Arc::new(End { done: Mutex::new(Some(done)), leave: Mutex::default(), left: Mutex::default() });
        let limit = Duration::from_secs(1);
        (Watched { run: Arc::new(run), limit, end, has_had_its_chance: false, is_cancelled: false }, reports)
    }

    /// A process that was stopped for longer than a limit does not know yet whether its runs have ended.
    #[test]
    fn a_limit_that_is_noticed_late_is_not_judged_at_once() {
        let (late, grace) = (Duration::from_secs(10), Duration::from_secs(5));
        let (first, reports) = watched();
        let (_, second) = first.come(late, grace).expect("it has a chance to report");
        assert!(!second.run.cancel.is_cancelled());
        // It has reported meanwhile: that stands.
        let done = second.end.take().unwrap();
        done.finish(second.run.execute());
        let run = second.run.clone();
        assert!(second.come(late, grace).is_none());
        assert!(!run.cancel.is_cancelled());
        assert_eq!(*reports.0.lock().unwrap(), [(Outcome::Succeeded, None)]);

        // It has not: it is told to stop, and then left behind.
        let (first, reports) = watched();
        first.run.log.live_tail(100).push(b"what it printed");
        let (_, second) = first.come(late, grace).unwrap();
        let (_, third) = second.come(late, grace).unwrap();
        assert!(matches!(third.run.cancel.reason(), Some(CancelReason::TimeLimit(_))));
        assert!(third.come(late, grace).is_none());
        assert_eq!(*reports.0.lock().unwrap(), [(Outcome::TimedOut, Some("what it printed".to_owned()))]);

        // One that is noticed in time is told at once, also where its thread has not come to the work yet.
        let (first, _) = watched();
        let (_, second) = first.come(Duration::from_millis(3), grace).unwrap();
        assert!(second.run.cancel.is_cancelled());
        let report = second.run.execute();
        assert_eq!((report.outcome, report.started), (Outcome::TimedOut, None));
        assert_eq!(report.message.as_deref(), Some("its limit of 1s passed before its work began"));
    }
}
