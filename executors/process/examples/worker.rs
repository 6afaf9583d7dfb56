//! The program that this crate's tests start as a worker. It does what no task should do.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{self, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use matins_core::{
    Clock, Completion, CompletionSink, Executor, JobId, RunId, RunReport, RunRequest, TaskContext, TaskError,
    TaskName, layer_fn,
};
use matins_executor_process::{ProcessExecutor, serve_if_worker};
use matins_scheduler::SystemClock;
use matins_task_function::{IntoTask, RegisterError, State, TaskRegistry};
use rustix::process::{Signal, getpid, kill_process};

fn main() {
    if std::env::args().nth(1).as_deref() == Some("deaf") {
        println!("this program knows nothing of workers");
        return;
    }
    serve_if_worker(register);
    if let Some(socket) = std::env::args().nth(2) {
        return be_master(socket);
    }
    eprintln!("this is no worker");
    process::exit(3);
}

/// Has a worker hang, and waits to be killed.
fn be_master(socket: String) {
    let mut executor = ProcessExecutor::new().expect("an executor");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let name = "hang with a grandchild";
    let (job, task) = (JobId::new(name).expect("an id"), TaskName::new(name).expect("a name"));
    let mut request = RunRequest::new(RunId(1), job, task, (|| ()).into_task().unwrap(), clock.clone());
    request.arguments = socket.into();
    executor.submit(request, Completion::new(RunId(1), clock, Arc::new(Nowhere))).expect("room");
    loop {
        thread::park();
    }
}

struct Nowhere;

impl CompletionSink for Nowhere {
    fn completed(&self, _report: RunReport) {}
}

fn register(tasks: &TaskRegistry) -> Result<(), RegisterError> {
    matins_conformance::executor_suite::register(tasks)?;
    tasks.register("fail with causes", || {
        let refused = TaskError::new("cannot connect").with_source("connection refused");
        Err::<(), _>(TaskError::new("cannot send the report").with_source(refused))
    })?;
    // Around the runs of one job only, so that others are as they are in other executors.
    tasks.layer(layer_fn(|context| {
        let log = (context.job.as_str() == "layered").then(|| context.log.clone());
        let say = move |what| {
            if let Some(log) = &log {
                log.line(format_args!("the layer of worker {} {what}", process::id()));
            }
        };
        say("begins");
        move |result| {
            say("ends");
            result
        }
    }));
    tasks.register("layered", || Ok::<_, String>(process::id()))?;
    tasks.state(Arc::new(AtomicU64::new(0)));
    tasks.register("count", |State(runs): State<Arc<AtomicU64>>| runs.fetch_add(1, Ordering::Relaxed) + 1)?;
    tasks.register("pid", || Ok::<_, String>(process::id()))?;
    tasks.register("exit", exit)?;
    tasks.register("abort", abort)?;
    tasks.register("kill itself", || {
        kill_process(getpid(), Signal::KILL).map_err(|error| error.to_string())
    })?;
    tasks.register("write garbage", write_garbage)?;
    tasks.register("close its pipes", close_pipes)?;
    tasks.register("print", print)?;
    tasks.register("hang with a grandchild", hang_with_a_grandchild)?;
    tasks.register("need memory", |bytes: usize| {
        let memory = vec![1_u8; bytes];
        Ok::<_, String>(memory.iter().map(|byte| u64::from(*byte)).sum::<u64>())
    })?;
    tasks.register("burn", burn)?;
    tasks.register("log without a pause", log_without_a_pause)?;
    tasks.register("wait for the shutdown", wait_for_the_shutdown)?;
    tasks.register("wait for the cancellation", wait_for_the_cancellation)?;
    tasks.register("read", || {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    })
}

fn exit(status: i32) {
    process::exit(status)
}

fn abort() {
    process::abort()
}

/// Runs until it is told that its scheduler shuts down, as a task that comes to a good place would.
fn wait_for_the_shutdown(socket: String, context: &TaskContext) -> io::Result<String> {
    let before = context.is_shutting_down();
    UnixStream::connect(socket)?.write_all(b"!")?;
    while !context.is_shutting_down() {
        thread::sleep(Duration::from_millis(1));
    }
    Ok(format!("before: {before}, cancelled: {}", context.is_cancelled()))
}

/// Runs until it is cancelled, and prints why.
async fn wait_for_the_cancellation(socket: String, context: TaskContext) -> io::Result<()> {
    UnixStream::connect(socket)?.write_all(b"!")?;
    context.cancelled().await;
    let reason = context.cancel.reason();
    context.log(format_args!("{reason:?}, shutting down: {}", context.is_shutting_down()));
    Ok(())
}

fn burn() {
    loop {
        std::hint::black_box(0);
    }
}

/// Into every pipe that this process has.
fn write_garbage() {
    for descriptor in 3..64 {
        let path = format!("/proc/self/fd/{descriptor}");
        if let Ok(mut file) = OpenOptions::new().write(true).open(path) {
            let _ = file.write_all(b"what is this?");
        }
    }
    thread::park();
}

fn close_pipes() {
    for descriptor in 0..64 {
        let _ = nix::unistd::close(descriptor);
    }
    loop {
        thread::park();
    }
}

fn print(bytes: usize) {
    let line = "x".repeat(99);
    let mut out = std::io::stdout().lock();
    for _ in 0..bytes / 100 {
        let _ = writeln!(out, "{line}");
    }
    eprintln!("the end");
}

/// Starts a process that ignores SIGTERM and holds the socket as this one does, and waits forever.
fn hang_with_a_grandchild(socket: String) -> Result<(), std::io::Error> {
    let stream = UnixStream::connect(socket)?;
    let held = stream.try_clone()?;
    Command::new("sh")
        .args(["-c", "trap '' TERM; exec sleep 3600"])
        .stdin(std::os::fd::OwnedFd::from(held))
        .spawn()?;
    (&stream).write_all(b"!")?;
    loop {
        thread::park();
    }
}

fn log_without_a_pause(context: &TaskContext) {
    loop {
        context.log("x".repeat(10_000));
    }
}
