//! What is wrong with an expression, and where.

use std::error::Error;
use std::fmt;
use std::ops::Range;

/// Why a text is no cron expression: shows the text, marks the place, and says what may stand there.
///
/// ```
/// use matins_triggers::CronExpression;
///
/// let text = "0 25 * * *";
/// let error = CronExpression::parse(text).unwrap_err();
/// assert_eq!(error.field(), Some("hour"));
/// assert_eq!(&text[error.place()], "25");
/// println!("{}", error.message());
/// // Its `Display` shows all of it, with a mark under the place.
/// assert!(error.to_string().ends_with("0 25 * * *\n      ^^"));
///
/// // A text that can be read, and has no fire time.
/// assert!(CronExpression::parse("0 0 30 2 *").unwrap_err().never_fires());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronError {
    text: String,
    place: Range<usize>,
    field: Option<&'static str>,
    message: String,
    never_fires: bool,
}

impl CronError {
    /// `piece` is a part of `text`, so that its address tells its place.
    pub(super) fn new(text: &str, piece: &str, field: Option<&'static str>, message: String) -> Self {
        let start = (piece.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len());
        let end = (start + piece.len()).min(text.len());
        Self { text: text.to_owned(), place: start..end, field, message, never_fires: false }
    }

    /// That of an expression that is sound and has no fires.
    pub(super) fn never(text: &str) -> Self {
        let message = "no day of the calendar matches these days, months and years, so it would never fire";
        Self { never_fires: true, ..Self::new(text, text.trim(), None, message.to_owned()) }
    }

    /// Whether it can be read, and no day of the calendar matches it.
    pub fn never_fires(&self) -> bool {
        self.never_fires
    }

    /// The same, with more at the end of its message.
    pub(super) fn with_hint(self, hint: &str) -> Self {
        Self { message: format!("{}; {hint}", self.message), ..self }
    }

    /// The same, where the text read is a part of a larger one that begins so many bytes before it.
    pub(super) fn within(self, text: &str, offset: usize) -> Self {
        let place = self.place.start + offset..self.place.end + offset;
        Self { text: text.to_owned(), place, ..self }
    }

    /// The bytes of the text that could not be read, from 0; empty where something is missing.
    pub fn place(&self) -> Range<usize> {
        self.place.clone()
    }

    /// The field that they are in, where they are in one.
    pub fn field(&self) -> Option<&'static str> {
        self.field
    }

    /// What is wrong, without the text and the mark.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for CronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = self.field {
            write!(f, "{field}: ")?;
        }
        writeln!(f, "{}", self.message)?;
        // Control characters are shown as spaces, so that the text stays on its line and the mark under its place.
        let shown: String = self.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        writeln!(f, "    {shown}")?;
        let before = self.text[..self.place.start].chars().count();
        let marked = self.text[self.place.clone()].chars().count().max(1);
        write!(f, "    {:before$}{}", "", "^".repeat(marked))
    }
}

impl Error for CronError {}

/// A refused piece of the text, before it is made an error.
pub(super) struct Fault<'a> {
    pub(super) piece: &'a str,
    pub(super) message: String,
}

pub(super) fn fault<T>(piece: &str, message: impl Into<String>) -> Result<T, Fault<'_>> {
    Err(Fault { piece, message: message.into() })
}
