//! Workers that die or stand still, a server that is killed, messages that are lost, copied or have no room: each run has one outcome.

mod rig;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use chrono::Utc;
use matins_conformance::nats::Nats;
use matins_core::{Executor, MissedReason, Outcome, Shutdown};
use matins_executor_nats::{NatsExecutor, NatsExecutorBuilder, NatsServer};
use serde_json::json;

use rig::{Process, Reports, run};

/// Workers count as lost after twice this.
const ACK_WAIT: Duration = Duration::from_secs(2);

fn executor(server: &Nats) -> NatsExecutorBuilder {
    NatsExecutor::builder(NatsServer::new(server.url()).namespace("faults").ack_wait(ACK_WAIT))
}

fn worker(server: &Nats) -> Process {
    // It learns with each run how often it has to give signs of life.
    Process::start(&server.url(), "faults", 2, ACK_WAIT * 15)
}

fn submit(executor: &mut NatsExecutor, reports: &Reports, number: u64, file: &Path, milliseconds: u64) {
    let run = run(number, "note", json!([file, milliseconds]));
    let done = reports.completion(run.run);
    executor.submit(run, done).expect("there is room");
}

/// How often each run has begun.
fn begun(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + rig::GENEROUS;
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        std::thread::yield_now();
    }
}

/// Talks to the server beside the executor and the workers.
fn with_server<T>(server: &Nats, work: impl AsyncFnOnce(jetstream::Context) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = async_nats::connect(server.url()).await.expect("a connection");
        work(jetstream::new(client)).await
    })
}

#[test]
fn a_run_whose_worker_was_killed_is_interrupted_and_never_begun_again() {
    let Some(server) = Nats::start("") else { return };
    let (mut executor, reports) = (executor(&server).build().unwrap(), Reports::new());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("begun");
    // With no other worker, and with one that is given its message.
    for (number, has_other) in [(1, false), (2, true)] {
        let mut first = worker(&server);
        submit(&mut executor, &reports, number, &file, 600_000);
        wait_until("it begins", || begun(&file).len() == number as usize);
        let _other = has_other.then(|| worker(&server));
        first.kill();
        let report = reports.next();
        assert_eq!((report.run.0, report.outcome), (number, Outcome::Interrupted), "{report:?}");
        let message = report.message.unwrap_or_default();
        assert!(message.contains("is lost"), "{message}");
    }
    let _third = worker(&server);
    submit(&mut executor, &reports, 3, &file, 0);
    assert_eq!(reports.next().outcome, Outcome::Succeeded);
    assert_eq!(begun(&file), ["job 1 1", "job 2 1", "job 3 1"]);
}

#[test]
fn a_worker_that_stood_still_stops_its_run_and_its_report_comes_too_late() {
    let Some(server) = Nats::start("") else { return };
    let (mut executor, reports) = (executor(&server).build().unwrap(), Reports::new());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("begun");
    let stopped = worker(&server);
    submit(&mut executor, &reports, 1, &file, 3_000);
    wait_until("it begins", || begun(&file).len() == 1);
    stopped.signal("-STOP");
    let report = reports.next();
    assert_eq!(report.outcome, Outcome::Interrupted, "{report:?}");
    stopped.signal("-CONT");
    // It works on, and what it has begun is reported once.
    submit(&mut executor, &reports, 2, &file, 0);
    let report = reports.next();
    assert_eq!((report.run.0, report.outcome), (2, Outcome::Succeeded), "{report:?}");
    assert!(reports.is_empty());
    assert_eq!(begun(&file), ["job 1 1", "job 2 1"]);
}

#[test]
fn runs_outlast_a_server_that_is_killed_and_started_again() {
    let Some(mut server) = Nats::start("") else { return };
    let (mut executor, reports) = (executor(&server).build().unwrap(), Reports::new());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("begun");
    let _worker = worker(&server);
    // Two in progress, and two that wait.
    for number in 1..=4 {
        submit(&mut executor, &reports, number, &file, 1_000);
    }
    wait_until("they begin", || begun(&file).len() == 2);
    server.kill();
    // One that comes while it is away.
    submit(&mut executor, &reports, 5, &file, 0);
    server.run();
    let reports = reports.of(5);
    let outcomes: Vec<Outcome> = reports.values().map(|report| report.outcome).collect();
    assert_eq!(outcomes, [Outcome::Succeeded; 5], "{reports:?}");
    let mut begun = begun(&file);
    begun.sort_unstable();
    assert_eq!(begun, ["job 1 1", "job 2 1", "job 3 1", "job 4 1", "job 5 1"]);
}

#[test]
fn a_server_without_room_refuses_runs_and_takes_them_again() {
    let Some(server) = Nats::start("") else { return };
    let (mut executor, reports) = (executor(&server).max_stored_runs(2).build().unwrap(), Reports::new());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("begun");
    for number in 1..=3 {
        submit(&mut executor, &reports, number, &file, 0);
    }
    let report = reports.next();
    assert_eq!(report.outcome, Outcome::Missed(MissedReason::ExecutorFull), "{report:?}");
    let _worker = worker(&server);
    assert_eq!(reports.next().outcome, Outcome::Succeeded);
    assert_eq!(reports.next().outcome, Outcome::Succeeded);
    submit(&mut executor, &reports, 4, &file, 0);
    assert_eq!(reports.next().outcome, Outcome::Succeeded);
}

#[test]
fn a_message_that_the_server_has_lost_is_sent_again_and_a_copy_begins_nothing() {
    let Some(server) = Nats::start("") else { return };
    let (mut executor, reports) = (executor(&server).build().unwrap(), Reports::new());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("begun");
    submit(&mut executor, &reports, 1, &file, 0);
    let message = with_server(&server, async |jetstream| {
        let mut stream = jetstream.get_stream("matins_faults_runs").await.unwrap();
        while stream.info().await.unwrap().state.messages == 0 {}
        let message = stream.get_raw_message(1).await.unwrap();
        stream.delete_message(1).await.unwrap();
        message
    });
    let _worker = worker(&server);
    let report = reports.next();
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    with_server(&server, async |jetstream| {
        let subject = message.subject.clone();
        jetstream.publish(subject, message.payload.clone()).await.unwrap().await.unwrap();
        let mut stream = jetstream.get_stream("matins_faults_runs").await.unwrap();
        while stream.info().await.unwrap().state.messages > 0 {}
    });
    assert_eq!(begun(&file), ["job 1 1"]);
    assert!(reports.is_empty());
}

#[test]
fn a_run_that_no_worker_has_begun_is_cancelled_or_missed_and_never_begins() {
    let Some(server) = Nats::start("") else { return };
    let (mut executor, reports) = (executor(&server).build().unwrap(), Reports::new());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("begun");
    let cancelled = run(1, "note", json!([file, 0]));
    let token = cancelled.cancel.clone();
    executor.submit(cancelled, reports.completion(matins_core::RunId(1))).unwrap();
    let mut late = run(2, "note", json!([file, 0]));
    late.begin_by = Some(Utc::now() + Duration::from_millis(500));
    executor.submit(late, reports.completion(matins_core::RunId(2))).unwrap();
    let report = reports.next();
    assert_eq!((report.run.0, report.outcome), (2, Outcome::Missed(MissedReason::TooLate)), "{report:?}");
    token.cancel();
    let report = reports.next();
    assert_eq!((report.outcome, report.started), (Outcome::Cancelled, None), "{report:?}");
    let _worker = worker(&server);
    submit(&mut executor, &reports, 3, &file, 0);
    assert_eq!(reports.next().outcome, Outcome::Succeeded);
    assert_eq!(begun(&file), ["job 3 1"]);
}

#[test]
fn another_executor_takes_up_what_the_first_has_left_in_each_state() {
    let Some(server) = Nats::start("") else { return };
    let (mut first, reports) = (executor(&server).keep_runs(true).build().unwrap(), Reports::new());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("begun");
    let mut worker = worker(&server);
    submit(&mut first, &reports, 1, &file, 0);
    assert_eq!(reports.next().outcome, Outcome::Succeeded);
    submit(&mut first, &reports, 2, &file, 3_000);
    submit(&mut first, &reports, 3, &file, 600_000);
    wait_until("they begin", || begun(&file).len() == 3);
    // The worker has no place for it.
    submit(&mut first, &reports, 4, &file, 0);
    assert_eq!(first.shutdown(Shutdown::Now), []);
    drop(first);
    assert!(reports.is_empty(), "it has left them");

    let mut second = executor(&server).keep_runs(true).build().unwrap();
    // One that has ended, one in progress, one whose worker dies, one that waits, and one that was never handed over.
    for number in 1..=5 {
        let run = run(number, "note", json!([file, 0]));
        let done = reports.completion(run.run);
        second.reattach(run, done).expect("it takes it up");
    }
    let (ended, waited) = (reports.next(), reports.next());
    assert_eq!((ended.run.0, ended.outcome), (1, Outcome::Succeeded), "{ended:?}");
    assert_eq!(waited.outcome, Outcome::Succeeded, "{waited:?}");
    assert_eq!(reports.next().outcome, Outcome::Succeeded);
    assert_eq!(reports.next().outcome, Outcome::Succeeded);
    worker.kill();
    let lost = reports.next();
    assert_eq!((lost.run.0, lost.outcome), (3, Outcome::Interrupted), "{lost:?}");
    let mut begun = begun(&file);
    begun.sort_unstable();
    assert_eq!(begun, ["job 1 1", "job 2 1", "job 3 1", "job 4 1", "job 5 1"]);
}

#[test]
fn an_executor_that_keeps_no_runs_takes_none_up() {
    let Some(server) = Nats::start("") else { return };
    let (mut executor, reports) = (executor(&server).keep_runs(false).build().unwrap(), Reports::new());
    assert!(!executor.survives());
    let run = run(1, "note", json!(null));
    let done = reports.completion(run.run);
    let refused = executor.reattach(run, done).unwrap_err();
    assert_eq!(refused.reason, matins_core::Refusal::NotAttachable);
    refused.done.forget();
}
