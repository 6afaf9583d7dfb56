//! Why a trigger is invalid.

use std::error::Error;
use std::fmt;

use crate::NameError;

/// The error of something that could not become a trigger: it shows what is wrong and what to do.
///
/// It shows the error that it is made of, and has the causes of that error. It converts with `?` into `Box<dyn Error>` and
/// `anyhow::Error`.
///
/// ```
/// use std::error::Error;
///
/// use matins_core::TriggerError;
///
/// fn parse(text: &str) -> Result<u32, TriggerError> {
///     text.parse().map_err(|error: std::num::ParseIntError| TriggerError::new(error))
/// }
/// fn program() -> Result<u32, Box<dyn Error>> {
///     Ok(parse("noon")?)
/// }
/// assert_eq!(program().unwrap_err().to_string(), "invalid digit found in string");
/// ```
#[derive(Debug)]
pub struct TriggerError(Box<dyn Error + Send + Sync>);

impl fmt::Display for TriggerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for TriggerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl TriggerError {
    /// Returns an error that shows `error`: any error type, a `String` or a `&str`.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(error.into())
    }

    /// Returns the error that this one is made of, if it is an `E`.
    ///
    /// ```
    /// use matins_core::TriggerError;
    ///
    /// let error = TriggerError::new(std::io::Error::other("the calendar is offline"));
    /// assert!(error.downcast_ref::<std::io::Error>().is_some());
    /// assert!(error.downcast_ref::<std::fmt::Error>().is_none());
    /// ```
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl From<NameError> for TriggerError {
    fn from(error: NameError) -> Self {
        Self::new(error)
    }
}
