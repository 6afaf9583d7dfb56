//! What happens can be seen from outside: as events of `tracing`, as metrics, and in numbers.

use std::io;
use std::sync::{Arc, Mutex};

use matins_core::{Completion, Executor, Refused, RunId, RunRequest, Shutdown};
use matins_scheduler::{BlockingScheduler, Schedule, SchedulerBuilder, VirtualClock};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, every};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

/// Runs everything where it is handed over.
struct Inline;

impl Executor for Inline {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        done.finish(run.execute());
        Ok(())
    }

    fn shutdown(&mut self, _how: Shutdown) -> Vec<RunId> {
        Vec::new()
    }
}

/// Three runs, of which the last fails and shuts the scheduler down.
fn scheduler() -> BlockingScheduler {
    let scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", Inline)
        .clock(VirtualClock::leaping("2026-01-01T00:00:00Z".parse().unwrap()))
        .blocking()
        .unwrap();
    let handle = scheduler.handle();
    let count = Mutex::new(0);
    let work = move || {
        let mut count = count.lock().unwrap();
        *count += 1;
        if *count < 3 {
            return Ok(());
        }
        handle.shutdown(Shutdown::Wait);
        Err("no luck")
    };
    scheduler.add(every(10.seconds()).run(work).id("count")).unwrap();
    scheduler
}

/// Lines that are written, for looking at.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn tracing_tells_of_each_run() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let scheduler = scheduler();
    tracing::subscriber::with_default(subscriber, || scheduler.run());
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let of =
        |what: &str| text.lines().filter(|line| line.contains(what)).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(of("run started").len(), 3, "{text}");
    let finished = of("run finished");
    assert!(finished[0].contains("INFO") && finished[0].contains("outcome=\"succeeded\""), "{}", finished[0]);
    let last = finished.last().unwrap();
    assert!(
        last.contains("WARN") && last.contains("reason=\"no luck\"") && last.contains("job=count"),
        "{last}"
    );
}

#[test]
fn metrics_count_runs_and_measure_them() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let scheduler = scheduler();
    metrics::with_local_recorder(&recorder, || scheduler.run());
    let mut found = Vec::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels: Vec<String> = key.key().labels().map(|label| label.value().to_owned()).collect();
        let value = match value {
            DebugValue::Counter(count) => count.to_string(),
            DebugValue::Histogram(values) => format!("{} values", values.len()),
            DebugValue::Gauge(value) => value.to_string(),
        };
        found.push(format!("{} {} {value}", key.key().name(), labels.join(" ")));
    }
    found.sort();
    let expected = [
        "matins_duration_seconds default 3 values",
        "matins_lateness_seconds default 3 values",
        "matins_runs_finished_total default failed 1",
        "matins_runs_finished_total default succeeded 2",
        "matins_runs_started_total default 3",
    ];
    assert_eq!(found, expected);
}

#[test]
fn stats_say_what_was_done() {
    let mut scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", Inline)
        .background()
        .unwrap();
    scheduler.add(every(1.hours()).run(|| Err::<(), _>("no luck")).id("fails")).unwrap();
    scheduler.start().unwrap();
    for _ in 0..2 {
        scheduler.run_now("fails").unwrap().wait().unwrap();
    }
    let stats = scheduler.stats();
    assert_eq!((stats.started, stats.running, stats.waiting), (2, 0, 0));
    assert_eq!(stats.finished, [("failed", 2)].into());
    scheduler.add_executor("other", Inline, Shutdown::Wait).unwrap();
    scheduler.add(every(1.hours()).run(|| ()).id("elsewhere").executor("other")).unwrap();
    scheduler.run_now("elsewhere").unwrap().wait().unwrap();
    scheduler.remove_executor("other", Shutdown::Wait).unwrap();
    let message = scheduler.run_now("elsewhere").unwrap().wait().unwrap().message.unwrap();
    assert!(message.contains("there is no executor \"other\""), "{message}");
    assert!(scheduler.remove_executor("other", Shutdown::Wait).is_err());
}
