//! How a task fails: the error with its causes, and arguments that a task cannot take.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Returns the text of an error and of all its causes: `outer: inner: innermost`.
///
/// Some errors already show their cause in their own text. A cause is left out if the text before it ends with it.
///
/// ```
/// use matins_core::{TaskError, error_chain};
///
/// let error = TaskError::new("cannot send the report").with_source(std::io::Error::other("connection refused"));
/// assert_eq!(error_chain(&error), "cannot send the report: connection refused");
/// ```
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        let is_shown =
            text.strip_suffix(&cause_text).is_some_and(|before| before.is_empty() || before.ends_with(": "));
        if !is_shown && !cause_text.is_empty() {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

/// The error of a task that failed.
///
/// Its `Display` shows the [`message`](Self::message) alone; [`source`](Error::source) returns the next cause. The ledger keeps the
/// message with all causes, as [`error_chain`] returns it.
///
/// ```
/// use std::error::Error;
///
/// use matins_core::TaskError;
///
/// fn read() -> Result<String, TaskError> {
///     std::fs::read_to_string("no such file").map_err(|error| TaskError::new("cannot read the list").with_source(error))
/// }
/// let error = read().unwrap_err();
/// assert_eq!(error.to_string(), "cannot read the list");
/// assert!(error.source().unwrap().is::<std::io::Error>());
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TaskError {
    /// What went wrong, without the causes.
    pub message: String,
    /// The tail of what the task printed.
    pub output: Option<String>,
    /// The work has not begun, because the system had no process, thread, descriptor or memory left for it. Such a run has not
    /// failed: the scheduler tries it again.
    pub not_started: bool,
    cause: Option<Cause>,
}

#[derive(Debug, Clone)]
enum Cause {
    /// The error whose text is the message: its source is the next cause.
    Origin(Arc<dyn Error + Send + Sync>),
    /// The next cause itself.
    Source(Arc<dyn Error + Send + Sync>),
}

impl TaskError {
    /// Returns an error with a message and no cause.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), output: None, not_started: false, cause: None }
    }

    /// Returns the error of a task that failed with `error`: any error type, `anyhow::Error`, a `String` or a `&str`.
    ///
    /// The causes are kept. A `TaskError` is returned as it is.
    ///
    /// ```
    /// use matins_core::TaskError;
    ///
    /// assert_eq!(TaskError::from_error("no such customer").message, "no such customer");
    /// let inner = TaskError::new("disk full").with_output("3 of 7 files");
    /// assert_eq!(TaskError::from_error(inner.clone()), inner);
    /// ```
    pub fn from_error(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => {
                let message = error.to_string();
                Self { cause: Some(Cause::Origin(error.into())), ..Self::new(message) }
            }
        }
    }

    /// Returns an error for work that has not begun because the system had nothing left for it, as
    /// [`is_out_of_resources`](crate::is_out_of_resources) finds out: the scheduler tries the run again.
    ///
    /// ```
    /// use matins_core::{TaskError, is_out_of_resources};
    ///
    /// let start = |program: &str| {
    ///     std::process::Command::new(program).spawn().map_err(|error| {
    ///         let message = format!("cannot start {program}");
    ///         let is_temporary = is_out_of_resources(&error);
    ///         let failed = if is_temporary { TaskError::not_started(message) } else { TaskError::new(message) };
    ///         failed.with_source(error)
    ///     })
    /// };
    /// assert!(!start("no such program").unwrap_err().not_started);
    /// ```
    pub fn not_started(message: impl Into<String>) -> Self {
        Self { not_started: true, ..Self::new(message) }
    }

    /// Sets the cause, which [`source`](Error::source) returns.
    ///
    /// ```
    /// use matins_core::TaskError;
    ///
    /// use std::error::Error;
    ///
    /// let refused = std::io::Error::other("connection refused");
    /// let error = TaskError::new("cannot send the report").with_source(refused);
    /// assert_eq!(error.to_string(), "cannot send the report");
    /// assert_eq!(error.source().unwrap().to_string(), "connection refused");
    /// ```
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: Some(Cause::Source(source.into().into())), ..self }
    }

    /// Adds the tail of what the task printed.
    ///
    /// ```
    /// use matins_core::TaskError;
    ///
    /// let error = TaskError::new("disk full").with_output("copied 3 of 7 files");
    /// assert_eq!(error.output.as_deref(), Some("copied 3 of 7 files"));
    /// ```
    #[must_use]
    pub fn with_output(self, output: impl Into<String>) -> Self {
        Self { output: Some(output.into()), ..self }
    }

    /// Returns the error that the task itself returned, if it is an `E`: for a layer that treats some errors in its own way.
    ///
    /// ```
    /// use matins_core::TaskError;
    ///
    /// let error = TaskError::from_error(std::io::Error::other("disk full"));
    /// assert!(error.downcast_ref::<std::io::Error>().is_some());
    /// ```
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        match &self.cause {
            Some(Cause::Origin(error)) => error.downcast_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for TaskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.cause.as_ref()? {
            Cause::Origin(error) => error.source(),
            Cause::Source(error) => Some(&**error),
        }
    }
}

/// Two errors are equal if they show the same: the message, the causes and the output.
impl PartialEq for TaskError {
    fn eq(&self, other: &Self) -> bool {
        (&self.message, &self.output, self.not_started) == (&other.message, &other.output, other.not_started)
            && error_chain(self) == error_chain(other)
    }
}

/// Why a task cannot take the arguments of a job: see [`Task::check`](crate::Task::check).
///
/// ```
/// use matins_core::ArgumentsError;
///
/// assert_eq!(ArgumentsError::new("missing field `to`").to_string(), "missing field `to`");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentsError {
    what: String,
}

impl fmt::Display for ArgumentsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for ArgumentsError {}

impl ArgumentsError {
    /// Returns an error that says what is wrong with the arguments.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot send the report")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("cannot connect to mail.example")]
    struct Middle(#[source] std::io::Error);

    fn outer() -> Outer {
        Outer(Middle(std::io::Error::other("connection refused")))
    }

    #[test]
    fn every_cause_is_in_the_chain_once() {
        let error = TaskError::from_error(outer());
        assert_eq!(error.to_string(), "cannot send the report");
        let expected = "cannot send the report: cannot connect to mail.example: connection refused";
        assert_eq!(error_chain(&error), expected);
        assert_eq!(error_chain(&TaskError::new("cannot send the report").with_source(outer().0)), expected);
        assert!(error.downcast_ref::<Outer>().is_some());
    }

    #[test]
    fn a_cause_that_is_shown_already_is_not_repeated() {
        let shows_its_cause = TaskError::new("cannot send: refused").with_source("refused");
        assert_eq!(error_chain(&shows_its_cause), "cannot send: refused");
        // Only a whole cause is left out.
        let ends_alike = TaskError::new("connection refused").with_source("refused");
        assert_eq!(error_chain(&ends_alike), "connection refused: refused");
    }

    #[test]
    fn a_task_error_inside_a_box_keeps_its_output() {
        let error = TaskError::not_started("no process left").with_output("tail");
        let boxed: Box<dyn Error + Send + Sync> = Box::new(error.clone());
        assert_eq!(TaskError::from_error(boxed), error);
    }
}
