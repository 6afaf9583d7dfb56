//! What happens can be seen from outside: as metrics, and in numbers.

mod counting;

use std::collections::BTreeSet;

use matins_conformance::inline::InlineExecutor;
use matins_core::Shutdown;
use matins_scheduler::{Schedule, SchedulerBuilder};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, every};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

#[test]
fn metrics_count_runs_and_measure_them() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let scheduler = counting::scheduler();
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
    // How often the store was asked depends on when runs end.
    found.retain_mut(|line| {
        if let Some(call) = line.strip_prefix("matins_store_seconds default ") {
            let (call, values) = call.split_once(' ').unwrap();
            assert_ne!(values, "0 values");
            *line = format!("matins_store_seconds default {call}");
        }
        true
    });
    let expected = [
        "matins_duration_seconds default 3 values",
        "matins_lateness_seconds default 3 values",
        "matins_reports_uncommitted default 0",
        "matins_runs_finished_total default failed 1",
        "matins_runs_finished_total default succeeded 2",
        "matins_runs_running default 0",
        "matins_runs_started_total default 3",
        "matins_runs_waiting default 0",
        "matins_store_seconds default claim",
        "matins_store_seconds default settle",
    ];
    assert_eq!(found, expected);
}

#[test]
fn stats_say_what_was_done() {
    let mut scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", InlineExecutor)
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
    scheduler.add_executor("other", InlineExecutor, Shutdown::Wait).unwrap();
    scheduler.add(every(1.hours()).run(|| ()).id("elsewhere").executor("other")).unwrap();
    scheduler.run_now("elsewhere").unwrap().wait().unwrap();
    scheduler.remove_executor("other", Shutdown::Wait).unwrap();
    let message = scheduler.run_now("elsewhere").unwrap().wait().unwrap().message.unwrap();
    assert!(message.contains("there is no executor \"other\""), "{message}");
    assert!(scheduler.remove_executor("other", Shutdown::Wait).is_err());
}

#[test]
fn each_job_is_measured_where_that_is_asked_for() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    metrics::with_local_recorder(&recorder, || {
        let builder = SchedulerBuilder::new().store("default", MemoryStore::new()).metrics_by_job();
        let mut scheduler = builder.testing(start).unwrap();
        scheduler.add(every(1.hours()).run(|| ()).id("works")).unwrap();
        scheduler.add(every(1.hours()).run(|| Err::<(), _>("no luck")).id("fails")).unwrap();
        scheduler.advance(2.hours());
    });
    let mut found: Vec<String> = Vec::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        if let Some(name) = key.key().name().strip_prefix("matins_job_") {
            let labels: Vec<&str> = key.key().labels().map(metrics::Label::value).collect();
            found.push(format!("{name} {} {value:?}", labels.join(" ")));
        }
    }
    found.sort();
    let expected = [
        "last_duration_seconds default fails Gauge(0.0)",
        "last_duration_seconds default works Gauge(0.0)",
        "last_success_timestamp_seconds default works Gauge(1767232800.0)",
        "runs_total default fails failed Counter(2)",
        "runs_total default works succeeded Counter(2)",
    ];
    assert_eq!(found, expected);
}

/// Reported as alerts that fire forever: the last success of a job that was removed grows older and older.
#[test]
fn the_gauges_of_a_job_that_is_removed_are_not_numbers() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    metrics::with_local_recorder(&recorder, || {
        let builder = SchedulerBuilder::new().store("default", MemoryStore::new()).metrics_by_job();
        let mut scheduler = builder.testing(start).unwrap();
        let handle = scheduler.handle();
        scheduler.add(every(1.hours()).run(|| ()).id("removed")).unwrap();
        scheduler.add(every(1.hours()).run(|| ()).id("stays")).unwrap();
        // It ends after it was removed.
        let remove = move || handle.remove("removes itself").map(drop);
        scheduler.add(every(1.hours()).run(remove).id("removes itself")).unwrap();
        scheduler.add(every(3.hours()).run(|| ()).id("never run")).unwrap();
        scheduler.add(every(1.hours()).run(|| ()).id("comes back")).unwrap();
        scheduler.advance(1.hours());
        for job in ["removed", "never run", "comes back"] {
            scheduler.remove(job).unwrap();
        }
        scheduler.add(every(1.hours()).run(|| ()).id("comes back")).unwrap();
        scheduler.advance(1.hours());
    });
    let mut found: Vec<String> = Vec::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        if let Some(name) = key.key().name().strip_prefix("matins_job_last_") {
            let job = key.key().labels().find(|label| label.key() == "job").unwrap().value();
            found.push(format!("{name} {job} {value:?}"));
        }
    }
    found.sort();
    let expected = [
        "duration_seconds comes back Gauge(0.0)",
        "duration_seconds removed Gauge(NaN)",
        "duration_seconds stays Gauge(0.0)",
        "success_timestamp_seconds comes back Gauge(1767232800.0)",
        "success_timestamp_seconds removed Gauge(NaN)",
        "success_timestamp_seconds stays Gauge(1767232800.0)",
    ];
    assert_eq!(found, expected);
}

/// The table in the documentation and the code have the same names, those too that no test brings about (`observation.rs` has what
/// is told).
#[test]
fn the_table_has_every_name_and_no_other() {
    let (table, code) = (include_str!("../src/observation.md"), include_str!("../src/observe.rs"));
    let metrics_of = |text: &str, quote: char| -> BTreeSet<String> {
        let quoted = text.split(quote).filter(|part| part.starts_with("matins_"));
        quoted
            .filter(|part| part.chars().all(|c| c == '_' || c.is_ascii_lowercase()))
            .map(str::to_owned)
            .collect()
    };
    let mut in_code = metrics_of(code, '"');
    in_code.extend(metrics_of(include_str!("../src/job_meters.rs"), '"'));
    assert_eq!(metrics_of(table, '`'), in_code);
    let rows = table.split("| metric |").next().unwrap().lines().filter_map(|line| line.strip_prefix("| `"));
    let told: BTreeSet<&str> =
        rows.filter_map(|row| row.split('`').next()).filter(|name| *name != "run").collect();
    let trace = code.split("fn trace(").nth(1).and_then(|rest| rest.split("/// ").next()).unwrap();
    let macros = trace.split("target: \"matins\"").skip(1).filter_map(|part| part.split(");").next());
    let literals = macros.filter_map(|part| part.rsplit('"').nth(1).filter(|_| part.contains('"')));
    assert_eq!(told, literals.collect::<BTreeSet<&str>>());
}
