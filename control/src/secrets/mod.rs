//! Hides secrets in everything that is shown: one rule for listings, explanations, logs and error messages.
//!
//! [`hide`] is for values with a structure (an answer of the scheduler, a command and its arguments), [`hide_in_text`] for
//! text. What is written to be read back (`export`), and the answers to requests with `show_secrets`, stay exact.

mod names;
mod programs;
mod text;

use std::borrow::Cow;

use serde_json::Value;

pub use names::is_secret;
pub use text::hide_in_text;

/// What is shown in place of a secret.
pub const HIDDEN: &str = "(hidden)";

/// Hides texts under secret names, secret arguments in lists of words, and secrets within texts, at any depth.
///
/// ```
/// use matins_control::secrets;
///
/// let mut value = serde_json::json!({"environment": {"DB_PASSWORD": "hunter2", "HOME": "/root"}});
/// secrets::hide(&mut value);
/// assert_eq!(value["environment"]["DB_PASSWORD"], secrets::HIDDEN);
/// assert_eq!(value["environment"]["HOME"], "/root");
/// ```
pub fn hide(value: &mut Value) {
    match value {
        Value::String(text) => hide_string(text),
        Value::Array(words) => {
            let program = words.first().and_then(Value::as_str).map(str::to_owned);
            hide_words(program.as_deref(), words);
        }
        Value::Object(fields) => {
            let program = fields.get("program").and_then(Value::as_str).map(str::to_owned);
            for (name, value) in fields {
                match value {
                    Value::String(text) if is_secret(name) && !text.is_empty() => HIDDEN.clone_into(text),
                    Value::Array(words) if program.is_some() && name == "arguments" => {
                        hide_words(program.as_deref(), words);
                    }
                    value => hide(value),
                }
            }
        }
        _ => {}
    }
}

fn hide_string(text: &mut String) {
    if let Cow::Owned(hidden) = hide_in_text(text) {
        *text = hidden;
    }
}

/// Hides the secret ones of a program's arguments. Each is one word, whatever spaces and quotes are in it.
fn hide_words(program: Option<&str>, words: &mut [Value]) {
    let mut is_secret_next = false;
    let mut has_shell = program.is_some_and(programs::is_shell);
    let mut is_line_next = false;
    for word in words {
        let Value::String(word) = word else {
            hide(word);
            is_secret_next = false;
            continue;
        };
        let is_line = std::mem::replace(&mut is_line_next, has_shell && programs::takes_line(word));
        has_shell |= programs::is_shell(word);
        if std::mem::take(&mut is_secret_next) && !word.starts_with("--") {
            HIDDEN.clone_into(word);
            continue;
        }
        let is_option = word.starts_with('-');
        let glued = || if is_option { programs::glued(program, word) } else { None };
        let length = text::secret_name_before_value(word).or_else(glued);
        // A line for a shell has more in it than the value: `PGPASSWORD=x psql`.
        if let Some(length) = length.filter(|_| !is_line) {
            word.truncate(length);
            word.push_str(HIDDEN);
            continue;
        }
        is_secret_next =
            is_option && !is_line && (text::is_secret_flag(word) || programs::takes_secret(program, word));
        hide_string(word);
    }
}

#[cfg(test)]
mod tests;
