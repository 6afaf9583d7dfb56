//! The tasks of the suite.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;

use matins_core::{TaskContext, TaskError, TaskOutput, TaskResult};
use matins_task_function::{IntoTaskResult, RegisterError, TaskRegistry};
use serde_json::{Value, json};

use super::GENEROUS;

/// Registers the tasks of the suite, for executors that find tasks by name in other processes.
///
/// # Errors
/// None; it is what registering answers.
pub fn register(tasks: &TaskRegistry) -> Result<(), RegisterError> {
    tasks.register(BEHAVE, |arguments: Value, context: &TaskContext| behave(&arguments, context))?;
    tasks.register(TWICE, async |n: u32| {
        yield_once().await;
        assert!(n < 10, "{n} is too much");
        Ok::<_, String>(n * 2)
    })
}

/// A task whose argument says what it does.
pub(crate) const BEHAVE: &str = "behave";
/// An async task.
pub(super) const TWICE: &str = "twice";

fn behave(arguments: &Value, context: &TaskContext) -> Behaved {
    match arguments["do"].as_str() {
        Some("fail") => {
            return Behaved(Err(TaskError::new("no luck").with_output("tail")));
        }
        Some("fail with causes") => {
            let refused = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "connection refused");
            let connect = TaskError::new("cannot connect to mail.example").with_source(refused);
            return Behaved(Err(TaskError::new("cannot send the report").with_source(connect)));
        }
        Some("panic") => panic!("out of luck"),
        Some("log") => {
            context.log("first");
            context.log("second");
            context.progress(3, 10);
            return Behaved(Ok(TaskOutput::default().with_output("printed")));
        }
        Some("until cancelled") => {
            let (stop, stopped) = mpsc::channel();
            context.cancel.on_cancel(move || {
                let _ = stop.send(());
            });
            stopped.recv_timeout(GENEROUS).expect("it is cancelled");
            return Behaved(Err(TaskError::new("cancelled")));
        }
        Some("panic when cancelled") => {
            let (stop, stopped) = mpsc::channel();
            context.cancel.on_cancel(|| panic!("no way to stop"));
            context.cancel.on_cancel(move || {
                let _ = stop.send(());
            });
            stopped.recv_timeout(GENEROUS).expect("it is cancelled");
        }
        Some("wait when cancelled") => {
            let gate = arguments["gate"].as_str().unwrap_or_default().to_owned();
            let (stop, stopped) = mpsc::channel();
            context.cancel.on_cancel(move || {
                let _ = stop.send(());
                pass(&gate);
            });
            stopped.recv_timeout(GENEROUS).expect("it is cancelled");
        }
        Some("tell cause") => {
            return Behaved(Ok(TaskOutput::default().with_result(json!(context.cause))));
        }
        Some("pass") => pass(arguments["gate"].as_str().unwrap_or_default()),
        _ => {}
    }
    Behaved(Ok(TaskOutput::default().with_result(arguments.clone())))
}

/// Waits until a gate is opened.
fn pass(gate: &str) {
    let mut stream = UnixStream::connect(gate).expect("there is a gate");
    stream.set_read_timeout(Some(GENEROUS)).expect("a timeout");
    assert_eq!(stream.read(&mut [0]).expect("the gate was opened"), 0);
}

/// A result that has its output with it.
struct Behaved(TaskResult);

impl IntoTaskResult for Behaved {
    fn into_task_result(self) -> TaskResult {
        self.0
    }
}

async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
