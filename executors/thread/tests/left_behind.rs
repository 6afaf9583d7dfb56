//! Runs that do not respond to their time limit keep their threads, and take them from nobody.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use matins_core::{
    Clock, Completion, CompletionSink, Executor, JobId, Outcome, Refusal, RunId, RunReport, RunRequest,
    Shutdown, TaskName,
};
use matins_executor_thread::{ThreadExecutor, ThreadExecutorBuilder};
use matins_task_function::IntoTask;

const GENEROUS: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn sleep_until(&self, _until: DateTime<Utc>) -> Option<Duration> {
        None
    }
}

#[derive(Debug, PartialEq)]
enum Notice {
    Completed(u64, Outcome),
    LeftBehind(u64, Outcome),
    WorkEnded(u64),
}

struct Notices(Mutex<mpsc::Sender<Notice>>);

impl Notices {
    fn send(&self, notice: Notice) {
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(notice);
    }
}

impl CompletionSink for Notices {
    fn completed(&self, report: RunReport) {
        self.send(Notice::Completed(report.run.0, report.outcome));
    }

    fn left_behind(&self, report: RunReport) {
        self.send(Notice::LeftBehind(report.run.0, report.outcome));
    }

    fn work_ended(&self, run: RunId) {
        self.send(Notice::WorkEnded(run.0));
    }
}

struct Bench {
    executor: ThreadExecutor,
    sink: Arc<Notices>,
    notices: mpsc::Receiver<Notice>,
    runs: u64,
}

impl Bench {
    fn new(builder: ThreadExecutorBuilder) -> Self {
        let (sender, notices) = mpsc::channel();
        let executor = builder.cancel_grace(Duration::from_millis(1)).build();
        Self { executor, sink: Arc::new(Notices(Mutex::new(sender))), notices, runs: 0 }
    }

    fn submit(
        &mut self,
        limit: Option<Duration>,
        work: impl Fn() + Send + Sync + 'static,
    ) -> Result<(), Refusal> {
        self.runs += 1;
        let (job, name) = (JobId::new("job").unwrap(), TaskName::new("task").unwrap());
        let mut request =
            RunRequest::new(RunId(self.runs), job, name, work.into_task().unwrap(), Arc::new(Stopped));
        let done = Completion::new(request.run, Arc::new(Stopped), self.sink.clone());
        request.time_limit = limit;
        self.executor.submit(request, done).map_err(|refused| {
            refused.done.forget();
            refused.reason
        })
    }

    /// Submits a run that hangs until the returned end is dropped, and waits until it is left behind.
    fn hang(&mut self) -> mpsc::Sender<()> {
        let (go, let_go) = mpsc::channel::<()>();
        let let_go = Mutex::new(let_go);
        let hang = move || {
            let _ = let_go.lock().unwrap().recv_timeout(GENEROUS);
        };
        self.submit(Some(Duration::from_millis(1)), hang).unwrap();
        assert_eq!(self.next(), Notice::LeftBehind(self.runs, Outcome::TimedOut));
        go
    }

    fn next(&self) -> Notice {
        self.notices.recv_timeout(GENEROUS).expect("a notice comes")
    }
}

#[test]
fn another_thread_takes_the_place_of_one_that_hangs() {
    let mut bench = Bench::new(ThreadExecutor::builder().workers(1).queue(0).replacements(3));
    let hanging: Vec<_> = (0..3).map(|_| bench.hang()).collect();
    bench.submit(None, || ()).unwrap();
    assert_eq!(bench.next(), Notice::Completed(4, Outcome::Succeeded));
    drop(hanging);
    let mut ended: Vec<u64> = (0..3)
        .map(|_| match bench.next() {
            Notice::WorkEnded(run) => run,
            other => panic!("{other:?}"),
        })
        .collect();
    ended.sort_unstable();
    assert_eq!(ended, [1, 2, 3]);
    // Its one thread and its room are as they were.
    bench.submit(None, || ()).unwrap();
    assert_eq!(bench.next(), Notice::Completed(5, Outcome::Succeeded));
    assert_eq!(bench.executor.shutdown(Shutdown::Wait), []);
}

/// Once, the two were taken for one: the executor was full from then on.
#[test]
fn runs_of_two_stores_with_one_number_are_left_behind_each_for_itself() {
    let mut bench = Bench::new(ThreadExecutor::builder().workers(1).queue(0).replacements(3));
    let hanging: Vec<_> = (0..2)
        .map(|_| {
            bench.runs = 0;
            bench.hang()
        })
        .collect();
    for go in hanging {
        drop(go);
        assert_eq!(bench.next(), Notice::WorkEnded(1));
    }
    for _ in 0..3 {
        bench.runs = 6;
        bench.submit(None, || ()).unwrap();
        assert_eq!(bench.next(), Notice::Completed(7, Outcome::Succeeded));
    }
    assert_eq!(bench.executor.shutdown(Shutdown::Wait), []);
}

/// What waits when a thread begins to hang is started by the thread that takes its place.
#[test]
fn a_run_that_waits_for_a_thread_that_hangs_gets_another() {
    let mut bench = Bench::new(ThreadExecutor::builder().workers(1).queue(1));
    let (go, let_go) = mpsc::channel::<()>();
    let let_go = Mutex::new(let_go);
    let hang = move || {
        let _ = let_go.lock().unwrap().recv_timeout(GENEROUS);
    };
    bench.submit(Some(Duration::from_millis(50)), hang).unwrap();
    bench.submit(None, || ()).unwrap();
    assert_eq!(bench.next(), Notice::LeftBehind(1, Outcome::TimedOut));
    assert_eq!(bench.next(), Notice::Completed(2, Outcome::Succeeded));
    drop(go);
    assert_eq!(bench.next(), Notice::WorkEnded(1));
}

#[test]
fn beyond_the_limit_of_replacements_a_run_that_hangs_keeps_its_place() {
    let mut bench = Bench::new(ThreadExecutor::builder().workers(1).queue(0).replacements(1));
    let (first, second) = (bench.hang(), bench.hang());
    assert_eq!(bench.submit(None, || ()), Err(Refusal::Full));
    drop(second);
    assert_eq!(bench.next(), Notice::WorkEnded(2));
    bench.submit(None, || ()).unwrap();
    assert_eq!(bench.next(), Notice::Completed(4, Outcome::Succeeded));
    drop(first);
    assert_eq!(bench.next(), Notice::WorkEnded(1));
}

/// A panic of what a task has captured, when it is dropped, does not concern the thread.
#[test]
fn a_task_whose_drop_panics_takes_no_thread() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let mut bench = Bench::new(ThreadExecutor::builder().workers(1).queue(0));
    for (run, limit) in [(1, None), (2, Some(GENEROUS)), (3, None)] {
        let panics = Panics;
        let work = move || {
            let _captured = &panics;
        };
        bench.submit(limit, work).unwrap();
        assert_eq!(bench.next(), Notice::Completed(run, Outcome::Succeeded));
    }
}
