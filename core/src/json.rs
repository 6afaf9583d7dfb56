//! JSON text that a store has to read back: how deep it nests, and what readers do not take.
//!
//! serde's JSON reader refuses text that nests more than 127 levels deep, while its writer takes any depth. A store that
//! writes such a value cannot be opened again. These functions are for those who write a store: [`check_job`] or
//! [`write_job`], [`check_run`] and [`check_batch`] before anything is written, and [`shallow`] for what was written without that
//! check.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cell::Cell;
use std::io;
use std::sync::Arc;

use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::ser::Formatter;

use crate::{Job, JobId, Limits, Run, Transition, Trigger, ValueError};

/// How deep the text of a job, or a run's result, may nest in a store. It leaves room for what a store writes around it.
pub const STORED_DEPTH: usize = 120;

/// How deep a trigger may nest as JSON: a trigger within a trigger takes two levels. serde needs more of the stack for each
/// level of a trigger than for one of a value.
pub const TRIGGER_DEPTH: usize = 64;

/// How deep a value may nest that is turned into a [`Value`]: far more than any store takes, and little for a stack.
const CONVERTED_DEPTH: usize = 500;

/// Keys that begin so have a meaning of their own to serde's JSON reader: an object with one may be read as something else.
const RESERVED: &str = "$serde_json::private::";

/// Turns a value into JSON, as `serde_json::to_value` does, except that very deep values are refused before they
/// exhaust the stack.
///
/// # Errors
/// If the value cannot be written as JSON, or nests more than 500 levels deep.
///
/// ```
/// #[derive(serde::Serialize)]
/// struct List { next: Option<Box<List>> }
///
/// let short = List { next: None };
/// assert_eq!(matins_core::json::to_value("the list", &short).unwrap().to_string(), r#"{"next":null}"#);
/// let long = (0..600).fold(short, |list, _| List { next: Some(Box::new(list)) });
/// let error = matins_core::json::to_value("the list", &long).unwrap_err();
/// assert!(error.to_string().starts_with("the list: nested more than 500 levels deep"));
/// ```
pub fn to_value<T: Serialize + ?Sized>(what: &str, value: &T) -> Result<Value, ValueError> {
    measure(what, value, CONVERTED_DEPTH)?;
    serde_json::to_value(value).map_err(|error| not_json(what, &error))
}

/// Checks that the text of a job, as JSON, can be read back. `what` names it in the error.
///
/// # Errors
/// [`ValueError::TooDeep`] and [`ValueError::ReservedKey`].
///
/// ```
/// use matins_core::json::check_text;
///
/// let what = || "job \"a\"".to_owned();
/// assert!(check_text(what, br#"{"arguments":[["]"]]}"#).is_ok());
/// let deep = "[".repeat(121) + &"]".repeat(121);
/// assert!(check_text(what, deep.as_bytes()).is_err());
/// ```
pub fn check_text(what: impl FnOnce() -> String, text: &[u8]) -> Result<(), ValueError> {
    // Nearly all texts have too few brackets to nest too deep, and nothing that looks like a reserved key.
    let opened = text.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if opened <= STORED_DEPTH && !text.contains(&b'$') {
        return Ok(());
    }
    let mut scan = Scan::new(text);
    while let Some(token) = scan.token() {
        match token {
            Token::String { start, end }
                if text[start + 1..].starts_with(RESERVED.as_bytes())
                    && text[end..].trim_ascii_start().starts_with(b":") =>
            {
                let key = String::from_utf8_lossy(&text[start + 1..end - 1]).into_owned();
                return Err(ValueError::ReservedKey { what: what(), key });
            }
            _ => {}
        }
        if scan.depth > STORED_DEPTH {
            return Err(ValueError::TooDeep { what: what(), limit: STORED_DEPTH });
        }
    }
    Ok(())
}

/// Checks that a job can be read back: see [`check_text`]. A store that writes the job as JSON calls [`write_job`] instead.
///
/// # Errors
/// As [`check_text`], and if the job cannot be written as JSON.
pub fn check_job(job: &Job) -> Result<(), ValueError> {
    write_job(&job.id, job, &mut Vec::new())
}

/// Appends a job, or what a store keeps of it, as JSON that can be read back: see [`check_text`]. After an error, what was
/// appended is no whole JSON text.
///
/// # Errors
/// As [`check_job`].
///
/// ```
/// use matins_core::json::write_job;
///
/// let mut text = Vec::new();
/// write_job(&matins_core::JobId::new("a")?, &("say hello", [1, 2]), &mut text)?;
/// assert_eq!(text, br#"["say hello",[1,2]]"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_job<T: Serialize + ?Sized>(id: &JobId, job: &T, into: &mut Vec<u8>) -> Result<(), ValueError> {
    let what = || format!("job {id:?}");
    let before = into.len();
    serde_json::to_writer(&mut *into, job).map_err(|error| not_json(&what(), &error))?;
    check_text(what, &into[before..])
}

/// Checks that a trigger nests at most [`TRIGGER_DEPTH`] levels deep as JSON. `what` names it in the error.
///
/// # Errors
/// If it nests deeper, or cannot be written as JSON.
pub fn check_trigger(what: &str, trigger: &dyn Trigger) -> Result<(), ValueError> {
    measure(what, trigger, TRIGGER_DEPTH).map(drop)
}

/// Writes the trigger of a job, unless it nests more than [`TRIGGER_DEPTH`] levels deep: for
/// `#[serde(serialize_with = "matins_core::json::trigger")]`.
///
/// # Errors
/// If the trigger nests deeper, or cannot be written.
pub fn trigger<S: Serializer>(trigger: &Arc<dyn Trigger>, to: S) -> Result<S::Ok, S::Error> {
    check_trigger("the trigger", &**trigger).map_err(S::Error::custom)?;
    trigger.serialize(to)
}

/// Checks that a row of the ledger can be read back by every store: its result, and its numbers.
///
/// # Errors
/// If the result nests more than [`STORED_DEPTH`] levels deep or has a reserved key, and if the run's number or its count of
/// fire times is larger than 2⁶³ - 1.
pub fn check_run(run: &Run) -> Result<(), ValueError> {
    let too_large = |what: &str, number: u64| {
        let why = format!("{what} {number} is larger than 2^63 - 1");
        Err(ValueError::OutOfRange { what: format!("run {} of job {:?}", run.id, run.job), why })
    };
    // At least one number must be left for the next run.
    if run.id.0 >= i64::MAX as u64 {
        return too_large("the number", run.id.0);
    }
    if let Some(cause) = run.cause.filter(|cause| cause.0 > i64::MAX as u64) {
        return too_large("the number of its cause", cause.0);
    }
    if run.fires.count > i64::MAX as u64 {
        return too_large("the count of fire times", run.fires.count);
    }
    match &run.result {
        Some(result) => {
            check_value(|| format!("the result of run {} of job {:?}", run.id, run.job), result, STORED_DEPTH)
        }
        None => Ok(()),
    }
}

/// Checks that the rows of a batch, and the jobs that it updates, can be read back: see [`check_run`] and [`check_job`].
///
/// # Errors
/// As [`check_run`].
pub fn check_batch(batch: &[Transition]) -> Result<(), ValueError> {
    batch.iter().try_for_each(|transition| match transition {
        Transition::Record(run) | Transition::Finish(run) => check_run(run),
        Transition::Update(job) => check_job(job),
        _ => Ok(()),
    })
}

/// Returns how deep JSON text nests: 0 for a number, 1 for a list of numbers. It does not check that the text is JSON.
///
/// ```
/// assert_eq!(matins_core::json::depth(br#"{"list": ["[[[", {"a": 1}]}"#), 3);
/// ```
pub fn depth(text: &[u8]) -> usize {
    let mut scan = Scan::new(text);
    let mut deepest = 0;
    while scan.token().is_some() {
        deepest = deepest.max(scan.depth);
    }
    deepest
}

/// Returns JSON text in which what nests deeper than `levels` is replaced by strings with its text: nothing is lost, and any
/// reader takes it. Text that is not JSON is returned in some form that is not JSON either.
///
/// ```
/// use matins_core::json::shallow;
///
/// assert_eq!(shallow(r#"[1, [2, ["x"]]]"#, 2), r#"[1, [2, "[\"x\"]"]]"#);
/// assert_eq!(shallow("[1, [2]]", 2), "[1, [2]]");
/// ```
pub fn shallow(text: &str, levels: usize) -> Cow<'_, str> {
    let mut scan = Scan::new(text.as_bytes());
    let mut out = String::new();
    // What is before this place was copied.
    let mut copied = 0;
    while let Some(token) = scan.token() {
        let Token::Open { start } = token else { continue };
        if scan.depth <= levels {
            continue;
        }
        while scan.depth > levels && scan.token().is_some() {}
        out.push_str(&text[copied..start]);
        out.push_str(&Value::from(&text[start..scan.at]).to_string());
        copied = scan.at;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// Reads the result of a run from its text, whatever that is: what nests deeper than [`STORED_DEPTH`] levels stays as text,
/// and so does text that is not JSON.
///
/// ```
/// use matins_core::json::{check_text, read_result};
///
/// assert_eq!(read_result("[1.5]"), serde_json::json!([1.5]));
/// assert_eq!(read_result("[1.5"), "[1.5");
/// let deep = "[".repeat(300) + &"]".repeat(300);
/// let result = read_result(&deep).to_string();
/// assert!(check_text(String::new, result.as_bytes()).is_ok() && result.len() > 600);
/// ```
pub fn read_result(text: &str) -> Value {
    let is_too_deep = text.len() > STORED_DEPTH && depth(text.as_bytes()) > STORED_DEPTH;
    let text = if is_too_deep { shallow(text, Limits::DEFAULT.depth) } else { text.into() };
    serde_json::from_str(&text).unwrap_or_else(|_| text.into())
}

/// Reads a field that is left out where it is `None`, so that a `null` that was written stays one: for
/// `#[serde(deserialize_with = "matins_core::json::some")]`.
///
/// # Errors
/// If the field cannot be read.
pub fn some<'a, D: Deserializer<'a>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// Checks the depth and the keys of a value, without recursion.
pub(crate) fn check_value(what: impl Fn() -> String, value: &Value, limit: usize) -> Result<(), ValueError> {
    if !is_nested(value) {
        return Ok(());
    }
    let mut open = vec![(value, 1)];
    while let Some((value, depth)) = open.pop() {
        if depth > limit {
            return Err(ValueError::TooDeep { what: what(), limit });
        }
        match value {
            Value::Array(values) => {
                open.extend(values.iter().filter(|value| is_nested(value)).map(|value| (value, depth + 1)));
            }
            Value::Object(fields) => {
                if let Some(key) = fields.keys().find(|key| key.starts_with(RESERVED)) {
                    return Err(ValueError::ReservedKey { what: what(), key: key.clone() });
                }
                open.extend(fields.values().filter(|value| is_nested(value)).map(|value| (value, depth + 1)));
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_nested(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Object(_))
}

/// Drops a value without recursion, however deep it is.
pub(crate) fn dismantle(value: Value) {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(values) => open.extend(values.into_iter().filter(is_nested)),
            Value::Object(fields) => open.extend(fields.into_iter().map(|field| field.1).filter(is_nested)),
            _ => {}
        }
    }
}

/// Returns how long a value is as JSON, in bytes.
pub(crate) fn measure<T: Serialize + ?Sized>(
    what: &str,
    value: &T,
    limit: usize,
) -> Result<usize, ValueError> {
    let is_too_deep = Cell::new(false);
    let mut length = Length(0);
    let levels = Levels { depth: 0, limit, is_too_deep: &is_too_deep };
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut length, levels));
    match written {
        _ if is_too_deep.get() => Err(ValueError::TooDeep { what: what.to_owned(), limit }),
        Ok(()) => Ok(length.0),
        Err(error) => Err(not_json(what, &error)),
    }
}

fn not_json(what: &str, error: &serde_json::Error) -> ValueError {
    ValueError::NotJson { what: what.to_owned(), why: error.to_string() }
}

/// Counts bytes.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Stops the writer where a value nests too deep.
struct Levels<'a> {
    depth: usize,
    limit: usize,
    is_too_deep: &'a Cell<bool>,
}

impl Levels<'_> {
    fn open(&mut self) -> io::Result<()> {
        self.depth += 1;
        if self.depth > self.limit {
            self.is_too_deep.set(true);
            return Err(io::Error::other("too deep"));
        }
        Ok(())
    }
}

impl Formatter for Levels<'_> {
    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open()?;
        writer.write_all(b"[")
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"]")
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open()?;
        writer.write_all(b"{")
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"}")
    }
}

/// The brackets and strings of a JSON text, one after the other.
struct Scan<'a> {
    text: &'a [u8],
    /// Behind the last token.
    at: usize,
    depth: usize,
}

enum Token {
    Open {
        start: usize,
    },
    Close,
    /// With its quotes.
    String {
        start: usize,
        end: usize,
    },
}

impl<'a> Scan<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    fn token(&mut self) -> Option<Token> {
        let is_token = |byte: &u8| matches!(byte, b'"' | b'[' | b'{' | b']' | b'}');
        let start = self.at + self.text.get(self.at..)?.iter().position(is_token)?;
        self.at = start + 1;
        match self.text[start] {
            b'"' => {
                while let Some(step) =
                    self.text[self.at..].iter().position(|byte| matches!(byte, b'"' | b'\\'))
                {
                    self.at += step + 1;
                    if self.text[self.at - 1] == b'"' {
                        return Some(Token::String { start, end: self.at });
                    }
                    // Whatever follows a backslash.
                    self.at = (self.at + 1).min(self.text.len());
                }
                self.at = self.text.len();
                None
            }
            b'[' | b'{' => {
                self.depth += 1;
                Some(Token::Open { start })
            }
            _ => {
                self.depth = self.depth.saturating_sub(1);
                Some(Token::Close)
            }
        }
    }
}
