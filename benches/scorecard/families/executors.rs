//! Executors: what a run costs, and which task suits which.

use std::error::Error;
use std::hint::black_box;
use std::thread;

use crossbeam_channel::unbounded;
use matins::{ProcessExecutor, RayonExecutor, ThreadExecutor, TokioExecutor, Value};
use matins_benches::contest::{Contest, Spread, seconds};
use matins_benches::executors::{
    Bare, Ours, PingPong, RUNS, STARTS, THREADS, frame_sizes, numbers_as_closures, runs_as_closures, runtime,
    start_processes,
};

use super::Measuring;
use crate::card::{Family, MICROS, NANOS};

pub(crate) fn overhead(measuring: &mut Measuring, name: &'static str) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[
            (
                "matins",
                "10,000 runs of an empty task handed over, and as many reports seen, by two threads; each may be cancelled, its panic is caught, it is counted in and out",
            ),
            (
                "bare means",
                "the same runs done and reported by a channel and two threads, rayon's spawn, tokio's spawn",
            ),
            (
                "bare closures",
                "as the bare means, but closures that only send a number: no run, no clock, no report",
            ),
            (
                "ping-pong",
                "two threads that each send a child process the bytes that ours sends, and wait for the bytes that ours answers",
            ),
            ("a process each", "a process started for each run, that does nothing, and waited for"),
        ],
    );
    let rounds = measuring.either(7, 15);
    let runtime = runtime();
    let bare = Bare::new(&runtime);
    let (sender, numbers) = unbounded::<usize>();
    let a_run = |seconds: f64| seconds * 1e9 / RUNS as f64;
    for means in ["thread", "rayon", "tokio"] {
        let (mut executor, task) = match means {
            "thread" => (Ours::new(ThreadExecutor::builder().workers(THREADS).build()), "empty"),
            "rayon" => (Ours::new(RayonExecutor::builder().threads(THREADS).build()?), "empty"),
            _ => (Ours::new(TokioExecutor::builder(runtime.handle().clone()).build()), "empty async"),
        };
        let template = Ours::new(ThreadExecutor::new());
        let measured = Contest::new()
            .with("matins", || {
                let runs = executor.runs(RUNS, task, &Value::Null);
                a_run(seconds(|| executor.run(runs)))
            })
            .with("bare means", || {
                let closures = runs_as_closures(&template);
                a_run(seconds(|| {
                    bare.hand_over(means, closures);
                    template.see(RUNS);
                }))
            })
            .with("bare closures", || {
                let closures = numbers_as_closures(&sender);
                a_run(seconds(|| {
                    bare.hand_over(means, closures);
                    black_box(numbers.iter().take(RUNS).count());
                }))
            })
            .run(rounds);
        let goals = [("bare means", 1.0 / 1.5)];
        family.contest(&format!("{means}: an empty run"), NANOS, &measured, &goals);
    }

    let few = measuring.either(RUNS / 8, RUNS / 2);
    let mut executor = Ours::new(ProcessExecutor::builder().workers(THREADS).build()?);
    let (send, receive) = frame_sizes();
    let mut players: Vec<PingPong> = (0..THREADS).map(|_| PingPong::start(send, receive)).collect();
    let measured = Contest::new()
        .with("matins", || {
            let runs = executor.runs(few, "empty", &Value::Null);
            seconds(|| executor.run(runs)) * 1e6 / few as f64
        })
        .with("ping-pong", || {
            let taken = seconds(|| {
                thread::scope(|scope| {
                    for player in &mut players {
                        scope.spawn(|| player.play(few / THREADS, &sender));
                    }
                    black_box(numbers.iter().take(few / THREADS * THREADS).count());
                });
            });
            taken * 1e6 / few as f64
        })
        .with("a process each", || seconds(start_processes) * 1e6 / STARTS as f64)
        .run(15);
    let goals = [("ping-pong", 1.0 / 1.5), ("a process each", 10.0)];
    family.contest("process: an empty run", MICROS, &measured, &goals);
    for row in &mut family.rows {
        if row.peer.as_ref().is_some_and(|(peer, _)| peer == "ping-pong") {
            row.because = Some("a run crosses three threads here (scheduler, worker's writer, worker's reader) and is JSON both ways; a ping-pong crosses none".into());
        } else {
            row.because = Some("its share of a bare run is two clock reads and the report; on two processors the threads also wake each other".into());
        }
    }
    Ok(family)
}

/// The tasks of the matrix, with the words for them.
const TASKS: [(&str, &str); 5] = [
    ("empty", "nothing"),
    ("echo", "1 KiB of arguments, given back"),
    ("parallel", "a short sum by par_iter"),
    ("compute", "1 ms of processor"),
    ("sleep", "10 ms of waiting"),
];

pub(crate) fn matrix(measuring: &mut Measuring, name: &'static str) -> Result<Family, Box<dyn Error>> {
    const COUNT: usize = 200;
    let mut family = Family::new(
        name,
        &[(
            "matins",
            "200 runs of a task handed over at once to an executor with its default limits, until all are reported; per run",
        )],
    );
    let runtime = runtime();
    let text = Value::from("x".repeat(1024));
    for (task, words) in TASKS {
        let arguments = if task == "echo" { &text } else { &Value::Null };
        let mut executors = vec![
            ("thread", Ours::new(ThreadExecutor::new())),
            ("rayon", Ours::new(RayonExecutor::builder().build()?)),
            ("tokio", Ours::new(TokioExecutor::builder(runtime.handle().clone()).build())),
            ("process", Ours::new(ProcessExecutor::new()?)),
        ];
        let mut contest = Contest::new();
        for (executor, ours) in &mut executors {
            let is_async = *executor == "tokio" && matches!(task, "empty" | "sleep");
            let task = if is_async { format!("{task} async") } else { task.to_owned() };
            contest = contest.with(executor, move || {
                let runs = ours.runs(COUNT, &task, arguments);
                seconds(|| ours.run(runs)) * 1e6 / COUNT as f64
            });
        }
        for (executor, spread) in contest.run(measuring.either(3, 9)) {
            family.alone(format!("{words}: {executor}"), MICROS, spread);
        }
    }
    Ok(family)
}

/// What a contest measured of one.
pub(crate) fn of(measured: &[(&'static str, Spread)], name: &str) -> Option<Spread> {
    measured.iter().find(|(other, _)| *other == name).map(|(_, spread)| *spread)
}
