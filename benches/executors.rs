//! What executors cost, beside the bare means that each stands on, in the same run.
//!
//! `cargo bench -p matins-benches --bench executors`
//!
//! | group | ours | raw |
//! | --- | --- | --- |
//! | `overhead_10k` | 10,000 runs of an empty task handed over, and as many reports seen. Each run may be cancelled, its panic is caught, it is counted in and out, and shutting down would wait for it | `raw`: the same runs done and reported by the bare means: `thread`: a crossbeam channel and two threads. `rayon`: `spawn` in a pool of two. `tokio`: `spawn` on a runtime of two threads. `process`: two threads that each send a child process the bytes that ours sends, wait for the bytes that ours answers, and say so |
//! | `overhead_10k` | | `bare`: as `raw`, but closures that only send a number: no run, no clock, no report |
//! | `process_each` | | one process started for each run, that does nothing, and waited for |
//! | `matrix` | 200 runs of each kind of task on each executor with its default limits: nothing; 1 ms of processor; a short sum by `par_iter`, which the rayon executor does in its own pool, and the others in rayon's global one; 10 ms of sleep; 1 KiB of arguments, read and given back | |

use std::hint::black_box;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group};
use crossbeam_channel::{Receiver, Sender, unbounded};
use matins::{
    Clock, Completion, CompletionSink, Executor, JobId, NameError, Outcome, ProcessExecutor, RayonExecutor,
    RunId, RunReport, RunRequest, SystemClock, TaskName, TaskRegistry, ThreadExecutor, TokioExecutor, Value,
};
use rayon::prelude::*;
use tokio::runtime::{Builder, Runtime};

const RUNS: usize = 10_000;
const THREADS: usize = 2;
/// Processes started one after the other.
const STARTS: usize = 100;

struct Sink(Sender<RunReport>);

impl CompletionSink for Sink {
    fn completed(&self, report: RunReport) {
        self.0.send(report).expect("the bench listens");
    }
}

/// An executor and the reports of its runs.
struct Ours {
    executor: Box<dyn Executor>,
    tasks: TaskRegistry,
    clock: Arc<dyn Clock>,
    sink: Arc<Sink>,
    reports: Receiver<RunReport>,
}

type Runs = Vec<(RunRequest, Completion)>;

impl Ours {
    fn new(executor: impl Executor + 'static) -> Self {
        let (sender, reports) = unbounded();
        let tasks = TaskRegistry::default();
        register(&tasks).expect("names");
        let clock = Arc::new(SystemClock);
        Self { executor: Box::new(executor), tasks, clock, sink: Arc::new(Sink(sender)), reports }
    }

    fn runs(&self, count: usize, task: &str, arguments: &Value) -> Runs {
        let (job, name) = (JobId::new("job").expect("an id"), TaskName::new(task).expect("a name"));
        let task = self.tasks.get(task).expect("a task");
        let run = |number| {
            let (run, clock) = (RunId(number), self.clock.clone());
            let request = RunRequest::new(run, job.clone(), name.clone(), task.clone(), clock.clone());
            let request = RunRequest { arguments: arguments.clone(), ..request };
            (request, Completion::new(run, clock, self.sink.clone()))
        };
        (1..=count as u64).map(run).collect()
    }

    fn run(&mut self, runs: Runs) {
        let count = runs.len();
        for (run, done) in runs {
            self.executor.submit(run, done).expect("there is room");
        }
        for report in self.reports.iter().take(count) {
            assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
        }
    }
}

fn register(tasks: &TaskRegistry) -> Result<(), NameError> {
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

/// Sends `send` to a child as often as said, and waits each time for `receive` bytes.
struct PingPong {
    child: Child,
    send: Vec<u8>,
    receive: Vec<u8>,
}

impl PingPong {
    fn start(send: usize, receive: usize) -> Self {
        let program = std::env::current_exe().expect("this program");
        let child = Command::new(program)
            .args(["ping-pong", &send.to_string(), &receive.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        Self { child, send: vec![b'x'; send], receive: vec![0; receive] }
    }

    fn play(&mut self, times: usize, seen: &Sender<usize>) {
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
fn pong(receive: usize, send: usize) {
    let (mut from, mut to) = (std::io::stdin().lock(), std::io::stdout().lock());
    let (mut received, answer) = (vec![0; receive], vec![b'x'; send]);
    while from.read_exact(&mut received).is_ok() {
        to.write_all(&answer).and_then(|()| to.flush()).expect("an answer");
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().expect("a runtime")
}

type Closure = Box<dyn FnOnce() + Send>;

/// The same closures through each of the bare means.
fn bare(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    runtime: &Runtime,
    closures: impl Fn() -> Vec<Closure>,
    all_seen: impl Fn(),
) {
    let (work, queue) = unbounded::<Closure>();
    let start = |_| {
        let queue = queue.clone();
        thread::spawn(move || queue.iter().for_each(|closure| closure()))
    };
    let workers: Vec<_> = (0..THREADS).map(start).collect();
    let mut measure = |means: &str, hand_over: &dyn Fn(Closure)| {
        group.bench_function(format!("{means}/{name}"), |bencher| {
            let batch = |closures: Vec<Closure>| {
                closures.into_iter().for_each(hand_over);
                all_seen();
            };
            bencher.iter_batched(&closures, batch, BatchSize::PerIteration);
        });
    };
    measure("thread", &|closure| work.send(closure).expect("workers"));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS).build().expect("a pool");
    measure("rayon", &|closure| pool.spawn(closure));
    measure("tokio", &|closure| drop(runtime.spawn(async move { closure() })));
    drop((work, queue));
    for worker in workers {
        worker.join().expect("an end");
    }
}

fn overhead(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("overhead_10k");
    group.throughput(Throughput::Elements(RUNS as u64)).sample_size(20);
    let runtime = runtime();
    let on_runtime = TokioExecutor::builder(runtime.handle().clone()).build();
    let on_rayon = RayonExecutor::builder().threads(THREADS).build().expect("a pool");
    let in_processes = ProcessExecutor::builder().workers(THREADS).build().expect("an executor");
    let ours: [(&str, Ours, &str); 4] = [
        ("thread/matins", Ours::new(ThreadExecutor::builder().workers(THREADS).build()), "empty"),
        ("rayon/matins", Ours::new(on_rayon), "empty"),
        ("tokio/matins", Ours::new(on_runtime), "empty async"),
        ("process/matins", Ours::new(in_processes), "empty"),
    ];
    for (name, mut ours, task) in ours {
        // Made beforehand: the scheduler has them anyhow.
        let runs = ours.runs(1, task, &Value::Null);
        ours.run(runs);
        let template = Ours {
            executor: Box::new(ThreadExecutor::new()),
            tasks: ours.tasks.clone(),
            clock: ours.clock.clone(),
            sink: ours.sink.clone(),
            reports: ours.reports.clone(),
        };
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || template.runs(RUNS, task, &Value::Null),
                |runs| ours.run(runs),
                BatchSize::PerIteration,
            );
        });
    }

    let template = Ours::new(ThreadExecutor::new());
    let runs = || -> Vec<Closure> {
        let runs = template.runs(RUNS, "empty", &Value::Null).into_iter();
        runs.map(|(run, done)| Box::new(move || done.finish(run.execute())) as Closure).collect()
    };
    let runs_seen = || {
        black_box(template.reports.iter().take(RUNS).count());
    };
    bare(&mut group, "raw", &runtime, runs, runs_seen);
    let (sender, numbers) = unbounded::<usize>();
    let closures = || -> Vec<Closure> {
        let closure = |number| {
            let sender = sender.clone();
            Box::new(move || sender.send(number).expect("a listener")) as Closure
        };
        (0..RUNS).map(closure).collect()
    };
    let numbers_seen = || {
        black_box(numbers.iter().take(RUNS).count());
    };
    bare(&mut group, "bare", &runtime, closures, numbers_seen);

    let (send, receive) = frame_sizes();
    let mut players: Vec<PingPong> = (0..THREADS).map(|_| PingPong::start(send, receive)).collect();
    group.bench_function("process/raw", |bencher| {
        bencher.iter(|| {
            thread::scope(|scope| {
                for player in &mut players {
                    scope.spawn(|| player.play(RUNS / THREADS, &sender));
                }
                numbers_seen();
            });
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("process_each");
    group.throughput(Throughput::Elements(STARTS as u64)).sample_size(10);
    let program = std::env::current_exe().expect("this program");
    let start_in_turn = || {
        for _ in 0..STARTS / THREADS {
            assert!(Command::new(&program).arg("nothing").status().expect("a process").success());
        }
    };
    group.bench_function("raw", |bencher| {
        bencher.iter(|| {
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(start_in_turn);
                }
            });
        });
    });
    group.finish();
}

/// How many bytes a run of the empty task takes there and back.
fn frame_sizes() -> (usize, usize) {
    let there = r#"{"run":5000,"job":"job","task":"empty","arguments":null,"scheduled":1700000000000000,"started":1700000000000000,"attempt":1}"#;
    let back = r#"{"done":{"outcome":"succeeded"}}"#;
    (4 + there.len(), 4 + back.len())
}

fn matrix(criterion: &mut Criterion) {
    const COUNT: usize = 200;
    let mut group = criterion.benchmark_group("matrix");
    group.throughput(Throughput::Elements(COUNT as u64)).sample_size(10);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    let runtime = runtime();
    let on_runtime = || TokioExecutor::builder(runtime.handle().clone()).build();
    let executors: [(&str, &dyn Fn() -> Ours); 4] = [
        ("thread", &|| Ours::new(ThreadExecutor::new())),
        ("rayon", &|| Ours::new(RayonExecutor::builder().build().expect("a pool"))),
        ("tokio", &|| Ours::new(on_runtime())),
        ("process", &|| Ours::new(ProcessExecutor::new().expect("an executor"))),
    ];
    let text = Value::from("x".repeat(1024));
    for (task, arguments) in [
        ("empty", &Value::Null),
        ("echo", &text),
        ("parallel", &Value::Null),
        ("compute", &Value::Null),
        ("sleep", &Value::Null),
    ] {
        for (name, make) in executors {
            let mut ours = make();
            let is_async = name == "tokio" && matches!(task, "empty" | "sleep");
            let as_registered = if is_async { format!("{task} async") } else { task.to_owned() };
            let mut batch = |count| {
                let runs = ours.runs(count, &as_registered, arguments);
                ours.run(runs);
            };
            batch(50);
            group.bench_function(BenchmarkId::new(task, name), |bencher| bencher.iter(|| batch(COUNT)));
        }
    }
    group.finish();
}

criterion_group!(benches, overhead, matrix);

fn main() {
    matins::process::serve_if_worker(register);
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("nothing") => {}
        Some("ping-pong") => {
            let size =
                |place: usize| arguments.get(place).and_then(|size| size.parse().ok()).expect("a size");
            pong(size(2), size(3));
        }
        _ => {
            benches();
            Criterion::default().configure_from_args().final_summary();
        }
    }
}
