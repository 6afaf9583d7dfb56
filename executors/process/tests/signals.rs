//! What a task in a worker process sees of its scheduler: that it shuts down, and that and why the run is cancelled.

mod program;

use std::io::Read;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use matins_core::{Outcome, Run, Shutdown};
use matins_scheduler::{BackgroundScheduler, PendingOutcome, Schedule, SchedulerBuilder};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, every};

/// Longer than anything here takes on a machine that is busy with other things.
const GENEROUS: Duration = Duration::from_secs(60);

/// A scheduler whose one run has begun in a worker.
struct Running {
    scheduler: BackgroundScheduler,
    outcome: PendingOutcome,
}

impl Running {
    fn new(task: &str, time_limit: Option<Duration>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("begun");
        let listener = UnixListener::bind(&path).unwrap();
        let executor = program::builder().kill_grace(GENEROUS).build().unwrap();
        let builder =
            SchedulerBuilder::new().store("default", MemoryStore::new()).executor("default", executor);
        let mut scheduler = builder.background().unwrap();
        scheduler.start().unwrap();
        // The worker has a task of that name; this one is only here to be known.
        scheduler.register(task, |_socket: String| ()).unwrap();
        let job = every(1.hours()).task(task).arguments(&path).time_limit(time_limit);
        let outcome = scheduler.add(job).unwrap().run_now().unwrap();
        listener.accept().unwrap().0.read_exact(&mut [0]).unwrap();
        Self { scheduler, outcome }
    }

    fn ends(self) -> Run {
        self.outcome.wait_within(GENEROUS).unwrap().unwrap()
    }
}

#[test]
fn a_task_in_a_worker_sees_that_its_scheduler_shuts_down() {
    let running = Running::new("wait for the shutdown", None);
    running.scheduler.request_shutdown(Shutdown::Wait);
    let run = running.ends();
    assert_eq!(run.outcome, Some(Outcome::Succeeded), "{run:?}");
    assert_eq!(run.result, Some("before: false, cancelled: false".into()));
}

#[test]
fn a_task_in_a_worker_is_cancelled_at_the_deadline_of_a_shutdown() {
    let running = Running::new("wait for the cancellation", None);
    running.scheduler.request_shutdown(Shutdown::Deadline(Duration::from_millis(1)));
    let run = running.ends();
    // It ended by itself, as a task that was cancelled may.
    assert_eq!(run.outcome, Some(Outcome::Succeeded), "{run:?}");
    assert_eq!(run.output.as_deref(), Some("Some(Asked), shutting down: true"));
}

#[test]
fn a_task_in_a_worker_sees_that_its_time_is_over() {
    let run = Running::new("wait for the cancellation", Some(Duration::from_millis(200))).ends();
    assert_eq!(run.outcome, Some(Outcome::TimedOut), "{run:?}");
    assert_eq!(run.output.as_deref(), Some("Some(TimeLimit(200ms)), shutting down: false"));
}
