//! The errors that a task function may return, and what the ledger keeps of them.

use std::error::Error;
use std::sync::Arc;

use anyhow::Context;
use chrono::DateTime;
use matins_core::{Clock, JobId, Outcome, RunId, RunReport, RunRequest, TaskError, TaskName};
use matins_task_function::IntoTask;

#[derive(Debug, thiserror::Error)]
#[error("cannot send the report")]
struct SendError {
    #[source]
    connect: ConnectError,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot connect to mail.example")]
struct ConnectError(#[source] std::io::Error);

fn refused() -> std::io::Error {
    std::io::Error::other("connection refused")
}

const CHAIN: &str = "cannot send the report: cannot connect to mail.example: connection refused";

#[derive(Debug)]
struct AtEpoch;

impl Clock for AtEpoch {
    fn now(&self) -> DateTime<chrono::Utc> {
        DateTime::UNIX_EPOCH
    }

    fn sleep_until(&self, _: DateTime<chrono::Utc>) -> Option<std::time::Duration> {
        None
    }
}

fn report<Form>(task: impl IntoTask<Form>) -> RunReport {
    let job = JobId::new("job").unwrap();
    let name = TaskName::new("task").unwrap();
    RunRequest::new(RunId(1), job, name, task.into_task().unwrap(), Arc::new(AtEpoch)).execute()
}

fn message<Form>(task: impl IntoTask<Form>) -> String {
    let report = report(task);
    assert_eq!(report.outcome, Outcome::Failed);
    report.message.expect("a message")
}

#[test]
fn the_ledger_has_each_cause_of_a_thiserror_type_once() {
    fn send() -> Result<(), SendError> {
        Err(SendError { connect: ConnectError(refused()) })
    }
    assert_eq!(message(send), CHAIN);
    assert_eq!(message(async || send()), CHAIN);
}

#[test]
fn the_ledger_has_each_context_of_an_anyhow_error_once() {
    let send = || -> anyhow::Result<()> {
        Err(refused()).context("cannot connect to mail.example").context("cannot send the report")
    };
    assert_eq!(message(send), CHAIN);
}

#[test]
fn text_and_boxed_errors_are_errors_of_tasks() {
    assert_eq!(message(|| Err::<(), _>("no customers")), "no customers");
    assert_eq!(message(|| Err::<(), _>("no customers".to_owned())), "no customers");
    let boxed = || -> Result<(), Box<dyn Error + Send + Sync>> { Err(refused().into()) };
    assert_eq!(message(boxed), "connection refused");
}

#[test]
fn a_task_error_keeps_its_output_and_that_the_work_has_not_begun() {
    let task = || {
        Err::<(), _>(TaskError::not_started("no process left").with_output("3 of 7").with_source(refused()))
    };
    let report = report(task);
    assert_eq!(report.message.as_deref(), Some("no process left: connection refused"));
    assert_eq!(report.output.as_deref(), Some("3 of 7"));
    assert!(report.not_started);
}

#[test]
fn anyhow_shows_each_cause_of_a_task_error_once() {
    let task = (|| Err::<(), _>(SendError { connect: ConnectError(refused()) })).into_task().unwrap();
    let context = matins_core::TaskContext::new(JobId::new("job").unwrap(), RunId(1), DateTime::UNIX_EPOCH);
    let error = task.run(&serde_json::Value::Null, &context).unwrap_err();
    assert_eq!(format!("{:#}", anyhow::Error::new(error)), CHAIN);
}
