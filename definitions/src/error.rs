//! Why a definition is not one.

use std::error::Error;
use std::fmt;

/// Why no job can be made of a definition, or changed by keys: a sentence that says what is wrong and what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionError(String);

impl DefinitionError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    /// With all causes of an error.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        Self(matins_core::error_chain(error))
    }
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for DefinitionError {}

impl From<DefinitionError> for String {
    fn from(error: DefinitionError) -> Self {
        error.0
    }
}
