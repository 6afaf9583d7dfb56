//! What a function may return that serves as a task.

use std::error::Error;

use matins_core::{TaskError, TaskOutput, TaskResult, json};
use serde::Serialize;
use serde_json::Value;

/// What a function that serves as a task may return:
///
/// * nothing;
/// * a text, a number, a `bool`, a [`Value`], an `Option` or a `Vec` of what serde can save: the result of the run in the ledger;
/// * a `Result` of what serde can save, whose error converts into `Box<dyn Error + Send + Sync>`: each `std::error::Error`,
///   `anyhow::Error`, `&str` and `String`. The ledger gets its text with those of its causes, as
///   [`TaskError`] says;
/// * a [`TaskOutput`], which has a result and printed text.
///
/// A type of your own is returned as `Ok::<_, TaskError>(value)`.
///
/// ```
/// use matins_core::TaskError;
/// use matins_task_function::IntoTaskResult;
///
/// assert_eq!("42 rows".into_task_result()?.result, Some("42 rows".into()));
/// assert_eq!(Ok::<_, TaskError>([1, 2]).into_task_result()?.result, Some(vec![1, 2].into()));
/// assert_eq!(().into_task_result()?.result, None);
/// let error = Err::<(), _>("disk full").into_task_result().unwrap_err();
/// assert_eq!(error.to_string(), "disk full");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a task cannot return `{Self}`",
    label = "this is what the task returns",
    note = "return nothing, a text, a number, an `Option`, a `Vec`, or a `Result<T, E>`",
    note = "a closure that never returns says so: `|| -> () {{ loop {{ work() }} }}`",
    note = "a type of your own: derive `serde::Serialize` and return `Ok::<_, matins::TaskError>(value)`",
    note = "the error of a `Result` must convert into `Box<dyn std::error::Error + Send + Sync>`: implement `std::error::Error` for it, or return `error.to_string()`"
)]
pub trait IntoTaskResult {
    /// The result in the ledger's form.
    ///
    /// # Errors
    /// The function's own error, or that its value cannot be saved as JSON.
    fn into_task_result(self) -> TaskResult;
}

fn saved(value: &impl Serialize) -> TaskResult {
    match json::to_value("the task's result", value) {
        Ok(Value::Null) => Ok(TaskOutput::default()),
        Ok(value) => Ok(TaskOutput::default().with_result(value)),
        Err(error) => Err(TaskError::from_error(error)),
    }
}

impl<T: Serialize, E: Into<Box<dyn Error + Send + Sync>>> IntoTaskResult for Result<T, E> {
    fn into_task_result(self) -> TaskResult {
        saved(&self.map_err(TaskError::from_error)?)
    }
}

impl IntoTaskResult for () {
    fn into_task_result(self) -> TaskResult {
        Ok(TaskOutput::default())
    }
}

impl IntoTaskResult for TaskOutput {
    fn into_task_result(self) -> TaskResult {
        Ok(self)
    }
}

impl<T: Serialize> IntoTaskResult for Option<T> {
    fn into_task_result(self) -> TaskResult {
        saved(&self)
    }
}

impl<T: Serialize> IntoTaskResult for Vec<T> {
    fn into_task_result(self) -> TaskResult {
        saved(&self)
    }
}

macro_rules! values {
    ($($value:ty),*) => {
        $(impl IntoTaskResult for $value {
            fn into_task_result(self) -> TaskResult {
                saved(&self)
            }
        })*
    };
}

values!(String, &'static str, Value, bool, char, f32, f64);
values!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
