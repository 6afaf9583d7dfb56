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
use std::thread;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group};
use crossbeam_channel::unbounded;
use matins::{ProcessExecutor, RayonExecutor, ThreadExecutor, TokioExecutor, Value};
use matins_benches::executors::{
    Bare, Ours, PingPong, RUNS, STARTS, THREADS, be_a_child_if_asked, frame_sizes, numbers_as_closures,
    runs_as_closures, runtime, start_processes,
};

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
        let template = ours.template();
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || template.runs(RUNS, task, &Value::Null),
                |runs| ours.run(runs),
                BatchSize::PerIteration,
            );
        });
    }

    let template = Ours::new(ThreadExecutor::new());
    let bare = Bare::new(&runtime);
    let (sender, numbers) = unbounded::<usize>();
    let numbers_seen = || {
        black_box(numbers.iter().take(RUNS).count());
    };
    for means in ["thread", "rayon", "tokio"] {
        group.bench_function(format!("{means}/raw"), |bencher| {
            let batch = |closures| {
                bare.hand_over(means, closures);
                template.see(RUNS);
            };
            bencher.iter_batched(|| runs_as_closures(&template), batch, BatchSize::PerIteration);
        });
        group.bench_function(format!("{means}/bare"), |bencher| {
            let batch = |closures| {
                bare.hand_over(means, closures);
                numbers_seen();
            };
            bencher.iter_batched(|| numbers_as_closures(&sender), batch, BatchSize::PerIteration);
        });
    }

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
    group.bench_function("raw", |bencher| bencher.iter(start_processes));
    group.finish();
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
    be_a_child_if_asked();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
