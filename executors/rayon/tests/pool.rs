//! A task runs within the executor's pool, so that its own parallel work is shared among that pool's threads.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use matins_core::{
    Clock, Completion, CompletionSink, Executor, JobId, Outcome, RunId, RunReport, RunRequest, Shutdown,
    TaskName,
};
use matins_executor_rayon::RayonExecutor;
use matins_scheduler::SystemClock;
use matins_task_function::IntoTask;
use rayon::prelude::*;

struct Sink(mpsc::Sender<RunReport>);

impl CompletionSink for Sink {
    fn completed(&self, report: RunReport) {
        self.0.send(report).expect("the test listens");
    }
}

/// Squares summed in parallel, and the number of threads that were at hand.
fn sum() -> Result<(u64, usize), &'static str> {
    let sum = (0..1_000_u64).into_par_iter().map(|n| n * n).sum();
    rayon::current_thread_index().map(|_| (sum, rayon::current_num_threads())).ok_or("on no thread of a pool")
}

fn run_on(mut executor: RayonExecutor) -> RunReport {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (sender, reports) = mpsc::channel();
    let done = Completion::new(RunId(1), clock.clone(), Arc::new(Sink(sender)));
    let (job, name) = (JobId::new("sum").unwrap(), TaskName::new("sum").unwrap());
    let run = RunRequest::new(RunId(1), job, name, sum.into_task().unwrap(), clock);
    executor.submit(run, done).unwrap();
    let report = reports.recv_timeout(Duration::from_secs(60)).expect("a report");
    executor.shutdown(Shutdown::Wait);
    report
}

#[test]
fn parallel_work_within_a_task_shares_the_pool() {
    let own = run_on(RayonExecutor::builder().threads(3).build().unwrap());
    assert_eq!(
        (own.outcome, own.result),
        (Outcome::Succeeded, Some(serde_json::json!([332_833_500_u64, 3])))
    );
    let global = run_on(RayonExecutor::global());
    let threads = rayon::current_num_threads();
    assert_eq!(global.result, Some(serde_json::json!([332_833_500_u64, threads])));
}
