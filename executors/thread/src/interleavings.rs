//! The pool under thousands of interleavings of its threads, chosen at random and by priorities that change (PCT:
//! S. Burckhardt et al., *A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs*, ASPLOS 2010), with shuttle.

use std::collections::BTreeMap;
use std::sync::Arc as StdArc;

use chrono::{DateTime, Utc};
use matins_core::{
    Clock, Completion, CompletionSink, Executor, JobId, Outcome, Refusal, RunId, RunReport, RunRequest,
    Shutdown, TaskName,
};
use matins_task_function::IntoTask;
use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::thread;

use crate::ThreadExecutor;

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn sleep_until(&self, _until: DateTime<Utc>) -> Option<std::time::Duration> {
        None
    }
}

/// How often each run has reported, and how.
#[derive(Default)]
struct Reports {
    reports: Mutex<BTreeMap<RunId, Vec<Outcome>>>,
    came: Condvar,
}

impl CompletionSink for Reports {
    fn completed(&self, report: RunReport) {
        self.reports.lock().unwrap().entry(report.run).or_default().push(report.outcome);
        self.came.notify_all();
    }
}

impl Reports {
    fn wait_for(&self, count: usize) {
        let mut reports = self.reports.lock().unwrap();
        while reports.len() < count {
            reports = self.came.wait(reports).unwrap();
        }
    }

    /// The outcomes, each once.
    fn single(&self) -> Vec<Outcome> {
        let reports = self.reports.lock().unwrap();
        assert!(
            reports.values().all(|outcomes| outcomes.len() == 1),
            "each completes exactly once: {reports:?}"
        );
        reports.values().map(|outcomes| outcomes[0]).collect()
    }
}

fn submit(executor: &mut ThreadExecutor, run: u64, reports: &StdArc<Reports>) -> Result<(), Refusal> {
    let (job, task) = (JobId::new("job").unwrap(), TaskName::new("task").unwrap());
    let clock: StdArc<dyn Clock> = StdArc::new(Stopped);
    let request =
        RunRequest::new(RunId(run), job, task, thread::yield_now.into_task().unwrap(), clock.clone());
    let done = Completion::new(RunId(run), clock, reports.clone());
    executor.submit(request, done).map_err(|refused| {
        refused.done.forget();
        refused.reason
    })
}

/// In some thousand interleavings.
fn check(scene: impl Fn() + Send + Sync + Clone + 'static) {
    shuttle::check_random(scene.clone(), 2_000);
    shuttle::check_pct(scene, 2_000, 3);
}

#[test]
fn all_that_is_taken_completes_once_and_shutdown_waits_for_it() {
    check(|| {
        let reports = StdArc::<Reports>::default();
        let mut executor = ThreadExecutor::builder().workers(2).queue(2).build();
        let taken = (1..=4).filter(|run| submit(&mut executor, *run, &reports).is_ok()).count();
        assert!(taken >= 2, "two threads and two places: {taken}");
        assert!(executor.shutdown(Shutdown::Wait).is_empty());
        assert_eq!(reports.single().len(), taken);
        assert_eq!(submit(&mut executor, 9, &reports), Err(Refusal::ShutDown));
    });
}

#[test]
fn an_idle_thread_is_woken_for_the_next_run() {
    check(|| {
        let reports = StdArc::<Reports>::default();
        let mut executor = ThreadExecutor::builder().workers(2).queue(0).build();
        for run in 1..=3 {
            submit(&mut executor, run, &reports).unwrap();
            // Were a wake-up lost, this would wait for ever, which shuttle calls a deadlock.
            reports.wait_for(run as usize);
        }
    });
}

#[test]
fn a_shutdown_in_the_middle_ends_each_run_once() {
    check(|| {
        let reports = StdArc::<Reports>::default();
        let executor = Arc::new(Mutex::new(ThreadExecutor::builder().workers(1).queue(9).build()));
        let submitter = {
            let (executor, reports) = (executor.clone(), reports.clone());
            thread::spawn(move || {
                (1..=3).filter(|run| submit(&mut executor.lock().unwrap(), *run, &reports).is_ok()).count()
            })
        };
        let other = {
            let executor = executor.clone();
            thread::spawn(move || executor.lock().unwrap().shutdown(Shutdown::Now))
        };
        let taken = submitter.join().unwrap();
        assert!(other.join().unwrap().is_empty());
        executor.lock().unwrap().shutdown(Shutdown::Wait);
        assert_eq!(reports.single().len(), taken);
    });
}
