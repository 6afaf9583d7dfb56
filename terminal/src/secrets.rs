//! Whether this process shows secrets: `--show-secrets`. The rule for what a secret is, is in the library.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

pub use matins_control::secrets::HIDDEN;
use matins_control::secrets::{hide, hide_in_text, is_secret};
use serde_json::Value;

/// Whether this process was started with `--show-secrets`.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Shows secrets from now on, in all that this process prints.
pub fn show() {
    SHOWN.store(true, Ordering::Relaxed);
}

/// Returns whether `--show-secrets` was given.
pub fn are_shown() -> bool {
    SHOWN.load(Ordering::Relaxed)
}

/// Hides the secrets of a text, unless `--show-secrets` was given.
pub fn hidden_in_text(text: &str) -> Cow<'_, str> {
    if are_shown() { Cow::Borrowed(text) } else { hide_in_text(text) }
}

/// Hides the secrets of a value unless `--show-secrets` was given.
pub fn hide_unless_shown(value: &mut Value) {
    if !are_shown() {
        hide(value);
    }
}

/// Returns `NAME=value` as it is shown.
pub fn variable(name: &str, value: &str) -> String {
    let value = if is_secret(name) && !are_shown() && !value.is_empty() { HIDDEN } else { value };
    format!("{name}={value}")
}
