//! Executors, and the bare means that each stands on.

use std::hint::black_box;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use matins::{
    Clock, Completion, CompletionSink, Executor, IntoTask, JobId, Outcome, RegisterError, RunId, RunReport,
    RunRequest, SystemClock, TaskName, TaskRegistry, ThreadExecutor, Value,
};
use rayon::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};

/// Runs in a batch.
pub const RUNS: usize = 10_000;
/// Threads, or worker processes, of each executor and of each bare means.
pub const THREADS: usize = 2;
/// Processes started one after the other.
pub const STARTS: usize = 100;

struct Sink(Sender<RunReport>);

impl CompletionSink for Sink {
    fn completed(&self, report: RunReport) {
        self.0.send(report).expect("the bench listens");
    }
}

/// An executor and the reports of its runs.
pub struct Ours {
    executor: Box<dyn Executor>,
    tasks: TaskRegistry,
    clock: Arc<dyn Clock>,
    sink: Arc<Sink>,
    reports: Receiver<RunReport>,
    /// An executor whose runs outlast a process tells them by their numbers.
    last_run: AtomicU64,
}

/// Runs that an executor may be handed.
pub type Runs = Vec<(RunRequest, Completion)>;

impl Ours {
    /// Around an executor, with the tasks of [`register`].
    ///
    /// # Panics
    /// Never: the names are right.
    pub fn new(executor: impl Executor + 'static) -> Self {
        let (sender, reports) = unbounded();
        let tasks = TaskRegistry::default();
        register(&tasks).expect("names");
        let clock = Arc::new(SystemClock);
        Self {
            executor: Box::new(executor),
            tasks,
            clock,
            sink: Arc::new(Sink(sender)),
            reports,
            last_run: AtomicU64::new(0),
        }
    }

    /// With another task.
    ///
    /// # Panics
    /// If its name is taken.
    #[must_use]
    pub fn with_task<M>(self, name: &str, task: impl IntoTask<M>) -> Self {
        self.tasks.register(name, task).expect("a name that is free");
        self
    }

    /// So many runs of a task, made beforehand as the scheduler has them anyhow.
    ///
    /// # Panics
    /// When there is no such task.
    pub fn runs(&self, count: usize, task: &str, arguments: &Value) -> Runs {
        let (job, name) = (JobId::new("job").expect("an id"), TaskName::new(task).expect("a name"));
        let task = self.tasks.get(task).expect("a task");
        let run = |number| {
            let (run, clock) = (RunId(number), self.clock.clone());
            let mut request = RunRequest::new(run, job.clone(), name.clone(), task.clone(), clock.clone());
            request.arguments = arguments.clone();
            (request, Completion::new(run, clock, self.sink.clone()))
        };
        let before = self.last_run.fetch_add(count as u64, Ordering::Relaxed);
        (before + 1..=before + count as u64).map(run).collect()
    }

    /// Another that makes runs which report to this one, while this one is busy.
    #[must_use]
    pub fn template(&self) -> Self {
        Self {
            executor: Box::new(ThreadExecutor::new()),
            tasks: self.tasks.clone(),
            clock: self.clock.clone(),
            sink: self.sink.clone(),
            reports: self.reports.clone(),
            last_run: AtomicU64::new(0),
        }
    }

    /// Waits for so many reports.
    pub fn see(&self, count: usize) {
        black_box(self.reports.iter().take(count).count());
    }

    /// What came of the runs.
    pub fn reports(&self) -> &Receiver<RunReport> {
        &self.reports
    }

    /// Hands them over.
    ///
    /// # Panics
    /// When one is refused.
    pub fn submit(&mut self, runs: Runs) {
        for (run, done) in runs {
            self.executor.submit(run, done).expect("there is room");
        }
    }

    /// Hands them over, and waits for all reports.
    ///
    /// # Panics
    /// When one is refused or fails.
    pub fn run(&mut self, runs: Runs) {
        let count = runs.len();
        self.submit(runs);
        for report in self.reports.iter().take(count) {
            assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
        }
    }
}

/// The tasks of the matrix.
///
/// # Errors
/// Never: the names are right.
pub fn register(tasks: &TaskRegistry) -> Result<(), RegisterError> {
    tasks.register("empty", || ())?;
    tasks.register("empty async", async || ())?;
    tasks.register("compute", || {
        let until = Instant::now() + Duration::from_millis(1);
        while Instant::now() < until {
            black_box((0..1_000_u64).sum::<u64>());
        }
    })?;
    tasks.register("parallel", || {
        let sum: u64 = (0..20_000_u64).into_par_iter().map(|n| n.wrapping_mul(n).rotate_left(7)).sum();
        black_box(sum);
    })?;
    tasks.register("sleep", || thread::sleep(Duration::from_millis(10)))?;
    tasks.register("sleep async", async || tokio::time::sleep(Duration::from_millis(10)).await)?;
    tasks.register("echo", |text: String| Ok::<_, String>(text))
}

/// The bytes of a run there and back, by a child that does nothing else. Sends `send` to it as often as said, and waits each time for `receive` bytes.
#[derive(Debug)]
pub struct PingPong {
    child: Child,
    send: Vec<u8>,
    receive: Vec<u8>,
}

impl PingPong {
    /// A child, which is this program called with `ping-pong`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(send: usize, receive: usize) -> Self {
        let program = std::env::current_exe().expect("this program");
        let child = Command::new(program)
            .args(["ping-pong", &send.to_string(), &receive.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        Self { child, send: vec![b'x'; send], receive: vec![0; receive] }
    }

    /// Sends and receives so often, and says so each time.
    ///
    /// # Panics
    /// When the child ends.
    pub fn play(&mut self, times: usize, seen: &Sender<usize>) {
        let (Some(to), Some(from)) = (&mut self.child.stdin, &mut self.child.stdout) else { return };
        for number in 0..times {
            to.write_all(&self.send).expect("a write");
            from.read_exact(&mut self.receive).expect("an answer");
            seen.send(number).expect("a listener");
        }
    }
}

impl Drop for PingPong {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().expect("an end");
    }
}

/// What the child of [`PingPong`] does.
///
/// # Panics
/// When nobody reads its answers.
pub fn pong(receive: usize, send: usize) {
    let (mut from, mut to) = (std::io::stdin().lock(), std::io::stdout().lock());
    let (mut received, answer) = (vec![0; receive], vec![b'x'; send]);
    while from.read_exact(&mut received).is_ok() {
        to.write_all(&answer).and_then(|()| to.flush()).expect("an answer");
    }
}

/// A runtime of two threads.
///
/// # Panics
/// When the system starts no thread.
pub fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().expect("a runtime")
}

/// What the bare means are handed.
pub type Closure = Box<dyn FnOnce() + Send>;

/// The means that executors stand on: a channel and threads, a rayon pool, a tokio runtime.
pub struct Bare {
    work: Option<Sender<Closure>>,
    workers: Vec<thread::JoinHandle<()>>,
    pool: rayon::ThreadPool,
    runtime: Handle,
}

impl Bare {
    /// With [`THREADS`] threads each.
    ///
    /// # Panics
    /// When the system starts no thread.
    pub fn new(runtime: &Runtime) -> Self {
        let (work, queue) = unbounded::<Closure>();
        let start = |_| {
            let queue = queue.clone();
            thread::spawn(move || queue.iter().for_each(|closure| closure()))
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS).build().expect("a pool");
        Self {
            work: Some(work),
            workers: (0..THREADS).map(start).collect(),
            pool,
            runtime: runtime.handle().clone(),
        }
    }

    /// Hands all of them to one of the means, by its executor's name.
    ///
    /// # Panics
    /// When the threads have ended.
    pub fn hand_over(&self, means: &str, closures: Vec<Closure>) {
        for closure in closures {
            match (means, &self.work) {
                ("thread", Some(work)) => work.send(closure).expect("workers"),
                ("rayon", _) => self.pool.spawn(closure),
                _ => drop(self.runtime.spawn(async move { closure() })),
            }
        }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.work = None;
        for worker in self.workers.drain(..) {
            // A closure that panicked has said so.
            let _ = worker.join();
        }
    }
}

/// The runs of [`RUNS`] empty tasks as closures that do and report them.
pub fn runs_as_closures(template: &Ours) -> Vec<Closure> {
    let runs = template.runs(RUNS, "empty", &Value::Null).into_iter();
    runs.map(|(run, done)| Box::new(move || done.finish(run.execute())) as Closure).collect()
}

/// Closures that only send a number: no run, no clock, no report.
pub fn numbers_as_closures(sender: &Sender<usize>) -> Vec<Closure> {
    let closure = |number| {
        let sender = sender.clone();
        // Who counts them may be gone when the last one comes.
        let send = move || {
            let _ = sender.send(number);
        };
        Box::new(send) as Closure
    };
    (0..RUNS).map(closure).collect()
}

/// [`STARTS`] processes that do nothing, each started and waited for, by [`THREADS`] threads.
///
/// # Panics
/// When one fails.
pub fn start_processes() {
    let program = std::env::current_exe().expect("this program");
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..STARTS / THREADS {
                    assert!(Command::new(&program).arg("nothing").status().expect("a process").success());
                }
            });
        }
    });
}

/// What a program of benches does first: it is a worker, or a child of [`PingPong`] or [`start_processes`], and never comes back
/// from here, or none of these.
///
/// # Panics
/// When the child's arguments are no sizes.
pub fn be_a_child_if_asked() {
    matins::process::serve_if_worker(register);
    let arguments: Vec<String> = std::env::args().collect();
    let size = |place: usize| arguments.get(place).and_then(|size| size.parse().ok()).expect("a size");
    match arguments.get(1).map(String::as_str) {
        Some("nothing") => {}
        Some("ping-pong") => pong(size(2), size(3)),
        _ => return,
    }
    std::process::exit(0)
}

/// How many bytes a run of the empty task takes there and back.
pub fn frame_sizes() -> (usize, usize) {
    let there = r#"{"run":5000,"job":"job","task":"empty","arguments":null,"scheduled":1700000000000000,"started":1700000000000000,"attempt":1}"#;
    let back = r#"{"done":{"outcome":"succeeded"}}"#;
    (4 + there.len(), 4 + back.len())
}

impl std::fmt::Debug for Bare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bare").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Ours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ours").field("tasks", &self.tasks).finish_non_exhaustive()
    }
}
