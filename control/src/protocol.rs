//! How requests and answers are written, line by line.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::request::COMMANDS;
use crate::{Problem, ProblemKind, Request};

/// The version of the protocol.
pub const VERSION: u64 = 1;

/// The field of a request that asks for secrets as they are, in place of `(hidden)`.
const SHOW_SECRETS: &str = "show_secrets";

/// Returns a request as a line. With `show_secrets` its answer shows secrets as they are.
///
/// ```
/// use matins_control::{Request, protocol};
///
/// let line = protocol::write(&Request::Status, false);
/// assert_eq!(line, "{\"command\":\"status\",\"matins\":1}\n");
/// ```
pub fn write(request: &Request, show_secrets: bool) -> String {
    let mut value = json!(request);
    value["matins"] = json!(VERSION);
    if show_secrets {
        value[SHOW_SECRETS] = json!(true);
    }
    format!("{value}\n")
}

/// A request as it was received.
#[derive(Debug, Clone)]
pub struct Received {
    /// The request.
    pub request: Request,
    /// Whether its answer shows secrets as they are.
    pub shows_secrets: bool,
}

/// Reads a line as a request.
///
/// ```
/// use matins_control::{ProblemKind, protocol};
///
/// let received = protocol::read(br#"{"matins":1,"command":"status"}"#)?;
/// assert!(!received.shows_secrets);
/// let unknown = protocol::read(br#"{"matins":1,"command":"paint"}"#).unwrap_err();
/// assert_eq!(unknown.kind, ProblemKind::UnknownCommand);
/// # Ok::<(), matins_control::Problem>(())
/// ```
///
/// # Errors
/// If it is not a request that this version knows.
pub fn read(line: &[u8]) -> Result<Received, Problem> {
    let value: Value = serde_json::from_slice(line)
        .map_err(|error| Problem::bad(format!("this is no line of JSON: {error}")))?;
    match value.get("matins").and_then(Value::as_u64) {
        Some(VERSION) => {}
        Some(other) => {
            let message = format!("version {other} is not spoken here; this server speaks version {VERSION}");
            return Err(Problem::new(ProblemKind::UnknownVersion, message));
        }
        None => return Err(Problem::bad("a request has its version in the field \"matins\", as 1")),
    }
    let command = value.get("command").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !COMMANDS.contains(&command.as_str()) {
        let message = format!("there is no command {command:?}; there are {}", COMMANDS.join(", "));
        return Err(Problem::new(ProblemKind::UnknownCommand, message));
    }
    let shows_secrets = value.get(SHOW_SECRETS).and_then(Value::as_bool).unwrap_or(false);
    let request =
        serde_json::from_value(value).map_err(|error| Problem::bad(format!("{command}: {error}")))?;
    Ok(Received { request, shows_secrets })
}

/// A line of an answer: any number of items, then one that ends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A part of the answer. `null` says only that the server is still there.
    Item(Value),
    /// The end of the answer.
    Done(Value),
    /// The end of the answer: the request was not done.
    Error(Problem),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(line: &str) -> ProblemKind {
        read(line.as_bytes()).unwrap_err().kind
    }

    #[test]
    fn requests_are_read_as_they_are_written() {
        let request = Request::Pause { job: "a \"b\"\n".into() };
        let line = write(&request, false);
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(
            matches!(read(line.as_bytes()).map(|received| received.request), Ok(Request::Pause { job }) if job == "a \"b\"\n")
        );
        let later = br#"{"matins":1,"command":"now","job":"a","priority":7}"#;
        assert!(matches!(
            read(later),
            Ok(Received { request: Request::Now { wait: false, .. }, shows_secrets: false })
        ));
        let with_secrets = br#"{"matins":1,"command":"job","job":"a","show_secrets":true}"#;
        assert!(read(with_secrets).is_ok_and(|received| received.shows_secrets));
    }

    #[test]
    fn what_is_no_request_is_told_apart() {
        assert_eq!(kind("nonsense"), ProblemKind::BadRequest);
        assert_eq!(kind("[1]"), ProblemKind::BadRequest);
        assert_eq!(kind(r#"{"command":"status"}"#), ProblemKind::BadRequest);
        assert_eq!(kind(r#"{"matins":2,"command":"status"}"#), ProblemKind::UnknownVersion);
        assert_eq!(kind(r#"{"matins":1,"command":"paint"}"#), ProblemKind::UnknownCommand);
        assert_eq!(kind(r#"{"matins":1,"command":"pause"}"#), ProblemKind::BadRequest);
        assert_eq!(kind(r#"{"matins":1,"command":"pause","job":7}"#), ProblemKind::BadRequest);
    }

    #[test]
    fn every_command_is_known_by_its_name() {
        for command in COMMANDS {
            let line = json!({"matins": 1, "command": command, "job": "a", "run": 1, "keys": {}, "at": "", "bytes": 0});
            assert!(read(line.to_string().as_bytes()).is_ok(), "{command}");
        }
    }
}
