//! Works that need a process of their own: what idles, and what is counted by valgrind.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::process::{self, Command};
use std::thread;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use matins::{Executor, MemoryStore, RayonExecutor, ThreadExecutor, TokioExecutor, Trigger};
use matins_benches::contest::seconds;
use matins_benches::schedulers::{
    self, Apalis, Clokwerk, Holder, Inline, Late, Matins, TokioCronScheduler, sustained,
};
use matins_benches::triggers::{self, instants};
use matins_benches::{elsewhere, shared};
use rustix::time::{ClockId, clock_gettime};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::families::{self, Measured};

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Child {
    /// Holds jobs and does nothing.
    #[command(hide = true)]
    Idle { who: Who, jobs: usize, seconds: f64 },
    /// Measures a family.
    #[command(hide = true)]
    Family {
        name: String,
        #[arg(long)]
        quick: bool,
    },
    /// Adds jobs.
    #[command(hide = true)]
    Add { who: Who, jobs: usize },
    /// Has jobs fire at one instant.
    #[command(hide = true)]
    Burst { who: Fires, jobs: usize },
    /// Has jobs fire evenly spread over time.
    #[command(hide = true)]
    SpreadOut { who: Fires, a_second: usize, seconds: usize },
    /// Runs a scheduler on a shared database.
    #[command(hide = true)]
    Shared { url: String, before: u64, seconds: u64 },
    /// Runs a scheduler on a shared database whose runs do not end.
    #[command(hide = true)]
    Hold { url: String },
    /// Does the runs that a NATS server has.
    #[command(hide = true)]
    NatsWorker { url: String, namespace: String },
    /// Does the tasks that a Redis server has.
    #[command(hide = true)]
    RedisWorker { url: String },
    /// Does something so many times.
    #[command(hide = true)]
    Calls { what: What, times: u32 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Who {
    Nobody,
    Matins,
    TokioCronScheduler,
    ApalisCron,
    Clokwerk,
}

/// Who fires jobs: one of our executors, or a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fires {
    Thread,
    Rayon,
    Tokio,
    TokioCronScheduler,
    /// With its default channels.
    TokioCronSchedulerAsItComes,
    ApalisCron,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    NextFire,
    NextFireInBerlin,
    NextFireOfSaffron,
    NextFireOfCron,
    NextFireOfCroner,
    Parse,
    ParseOfCron,
    ParseOfCroner,
    Fire,
}

/// What one that idles cost.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Idled {
    pub(crate) cpu_millis: f64,
    /// How often a thread of it woke up.
    pub(crate) wake_ups: f64,
    pub(crate) bytes_a_job: f64,
}

impl Child {
    pub(crate) fn work(self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Idle { who, jobs, seconds } => {
                let idled = idle(who, jobs, Duration::from_secs_f64(seconds));
                println!("{}", serde_json::to_string(&idled)?);
            }
            Self::Family { name, quick } => {
                println!("{}", serde_json::to_string(&families::measured(&name, quick)?)?);
            }
            Self::Add { who, jobs } => println!("{}", add(who, jobs)),
            Self::Burst { who, jobs } => println!("{}", serde_json::to_string(&burst(who, jobs).millis)?),
            Self::SpreadOut { who, a_second, seconds } => {
                let late = on(who, |executor, is_async| {
                    schedulers::spread_out(executor, is_async, a_second, seconds)
                });
                println!("{}", serde_json::to_string(&late.millis)?);
            }
            Self::Shared { url, before, seconds } => {
                let (before, time) = (Duration::from_secs(before), Duration::from_secs(seconds));
                println!("{}", shared::run(&url, before, time));
            }
            Self::Hold { url } => shared::hold(&url),
            Self::NatsWorker { url, namespace } => elsewhere::work_for_ours(&url, &namespace),
            Self::RedisWorker { url } => elsewhere::work_for_theirs(&url),
            Self::Calls { what, times } => call(what, times),
        }
        Ok(())
    }
}

fn holder(who: Who) -> Option<Box<dyn Holder>> {
    match who {
        Who::Nobody => None,
        Who::Matins => Some(Box::new(Matins::start())),
        Who::TokioCronScheduler => Some(Box::new(TokioCronScheduler::start())),
        Who::ApalisCron => Some(Box::new(Apalis::start())),
        Who::Clokwerk => Some(Box::new(Clokwerk::default())),
    }
}

/// Microseconds a job.
fn add(who: Who, jobs: usize) -> f64 {
    let mut holder = holder(who);
    seconds(|| {
        if let Some(holder) = &mut holder {
            holder.add(jobs);
        }
    }) * 1e6
        / jobs.max(1) as f64
}

fn burst(who: Fires, jobs: usize) -> Late {
    match who {
        Fires::TokioCronScheduler => schedulers::burst_of_tokio_cron_scheduler(jobs, Some(4 * jobs)),
        Fires::TokioCronSchedulerAsItComes => schedulers::burst_of_tokio_cron_scheduler(jobs, None),
        Fires::ApalisCron => schedulers::burst_of_apalis(jobs),
        ours => on(ours, |executor, is_async| schedulers::burst(executor, is_async, jobs)),
    }
}

/// Has `work` work with one of our executors; `true` where tasks are to be async.
fn on(who: Fires, work: impl FnOnce(Box<dyn Executor>, bool) -> Late) -> Late {
    match who {
        Fires::Rayon => work(Box::new(RayonExecutor::builder().build().expect("a pool")), false),
        Fires::Tokio => {
            let runtime = schedulers::runtime();
            work(Box::new(TokioExecutor::builder(runtime.handle().clone()).build()), true)
        }
        _ => work(Box::new(ThreadExecutor::new()), false),
    }
}

fn idle(who: Who, jobs: usize, time: Duration) -> Idled {
    let before = resident();
    let mut clokwerk = Clokwerk::default();
    let mut holder = if who == Who::Clokwerk { None } else { holder(who) };
    match &mut holder {
        Some(holder) => holder.add(jobs),
        None if who == Who::Clokwerk => clokwerk.add(jobs),
        None => {}
    }
    let bytes = resident().saturating_sub(before);
    // What adding has set off comes to its end.
    thread::sleep(Duration::from_secs(1));
    // The time is taken last before and first after, so that counting is not in it.
    let before = switches();
    let cpu = cpu_time();
    if who == Who::Clokwerk {
        for _ in 0..(time.as_secs_f64() * 10.0) as u32 {
            clokwerk.poll();
            thread::sleep(Duration::from_millis(100));
        }
    } else {
        thread::sleep(time);
    }
    let cpu = cpu_time().saturating_sub(cpu);
    let idled = Idled {
        cpu_millis: cpu.as_secs_f64() * 1e3,
        // The one of this thread is not theirs.
        wake_ups: switches().saturating_sub(before).saturating_sub(1) as f64,
        bytes_a_job: bytes as f64 / jobs.max(1) as f64,
    };
    drop(holder);
    idled
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Memory of this process that is in use, in bytes; 0 where the system does not tell.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size()
}

/// How often threads of this process have waited so far.
fn switches() -> usize {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of_task = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"))?;
        line.split_whitespace().nth(1)?.parse::<usize>().ok()
    };
    tasks.filter_map(of_task).sum()
}

fn call(what: What, times: u32) {
    let text = "0 9 * * MON-FRI";
    let instants = instants();
    let mut turn = instants.iter().cycle();
    let mut next = || *turn.next().expect("a cycle has no end");
    match what {
        What::NextFire | What::NextFireInBerlin => {
            let zone = if what == What::NextFire { "UTC" } else { "Europe/Berlin" };
            let trigger = triggers::matins(text, zone);
            repeat(times, || trigger.next_after(next()));
        }
        What::NextFireOfSaffron => {
            let cron = triggers::saffron(text);
            repeat(times, || cron.next_after(next()));
        }
        What::NextFireOfCron => {
            let cron = triggers::cron(text);
            repeat(times, || cron.after(&next()).next());
        }
        What::NextFireOfCroner => {
            let cron = triggers::croner(text);
            repeat(times, || cron.find_next_occurrence(&next(), false).ok());
        }
        What::Parse => {
            repeat(times, || matins::triggers::CronExpression::parse(black_box(text)));
        }
        What::ParseOfCron => repeat(times, || triggers::cron(black_box(text))),
        What::ParseOfCroner => repeat(times, || triggers::croner(black_box(text))),
        What::Fire => {
            sustained(Box::new(MemoryStore::new()), Box::new(Inline), times);
        }
    }
}

fn repeat<T>(times: u32, mut work: impl FnMut() -> T) {
    for _ in 0..times {
        black_box(work());
    }
}

/// Has a process of this program idle.
pub(crate) fn idled(who: Who, jobs: usize, seconds: f64) -> Idled {
    ask(&["idle", &name(who), &jobs.to_string(), &seconds.to_string()])
}

/// Has a process of this program measure a family.
pub(crate) fn family_again(name: &str, is_quick: bool) -> Vec<Measured> {
    let quick: &[&str] = if is_quick { &["--quick"] } else { &[] };
    ask(&[&["family", name], quick].concat())
}

/// Microseconds a job, added in a process of its own.
pub(crate) fn added(who: Who, jobs: usize) -> f64 {
    ask(&["add", &name(who), &jobs.to_string()])
}

/// How late runs were that were due at one instant, in a process of its own.
pub(crate) fn late_at_once(who: Fires, jobs: usize) -> Late {
    Late::of(ask(&["burst", &name(who), &jobs.to_string()]), jobs)
}

/// How late runs were that were spread over time, in a process of its own.
pub(crate) fn late_over_time(who: Fires, a_second: usize, seconds: usize) -> Late {
    let late = ask(&["spread-out", &name(who), &a_second.to_string(), &seconds.to_string()]);
    Late::of(late, a_second * seconds)
}

/// How many runs so many schedulers on a database did in `seconds`, each in a process of its own.
pub(crate) fn shared_runs(url: &str, schedulers: usize, before: u64, seconds: u64) -> f64 {
    let (before, seconds) = (before.to_string(), seconds.to_string());
    thread::scope(|scope| {
        let arguments = ["shared", url, &before, &seconds];
        let started: Vec<_> = (0..schedulers).map(|_| scope.spawn(move || ask::<f64>(&arguments))).collect();
        started.into_iter().map(|scheduler| scheduler.join().expect("its runs")).sum()
    })
}

/// A process with a scheduler on a shared database, whose runs do not end.
#[derive(Debug)]
pub(crate) struct Holding(process::Child);

impl Holding {
    pub(crate) fn start(url: &str) -> Self {
        let program = std::env::current_exe().expect("this program");
        let child = Command::new(program).args(["hold", url]).spawn();
        Self(child.expect("a child of this program"))
    }

    /// As `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("ended");
    }
}

fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Has a process of this program do something, and reads its answer.
fn ask<T: DeserializeOwned>(arguments: &[&str]) -> T {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).args(arguments).output().expect("a child of this program");
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.trim())
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// What valgrind counts of one call, from how much more many calls take than few. `None` where there is no valgrind.
pub(crate) fn counted(what: What, counter: Counter, few: u32, many: u32) -> Option<f64> {
    let (few_count, many_count) = (count(what, counter, few)?, count(what, counter, many)?);
    Some((many_count - few_count) / f64::from(many - few))
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Counter {
    Instructions,
    Allocations,
}

fn count(what: What, counter: Counter, times: u32) -> Option<f64> {
    let what = name(what);
    let (tool, before, after) = match counter {
        Counter::Instructions => ("--tool=callgrind", "Collected :", None),
        Counter::Allocations => ("--tool=memcheck", "total heap usage:", Some("allocs")),
    };
    let mut valgrind = Command::new("valgrind");
    valgrind.arg(tool);
    if after.is_none() {
        valgrind.arg("--callgrind-out-file=/dev/null");
    }
    let output = valgrind
        .arg(std::env::current_exe().ok()?)
        .args(["calls", &what, &times.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().find(|line| line.contains(before))?;
    let rest = line.split_once(before)?.1;
    let number = after.map_or(rest, |after| rest.split_once(after).map_or(rest, |(number, _)| number));
    number.replace(',', "").trim().parse().ok()
}
