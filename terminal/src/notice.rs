//! What is said beside an answer, on standard error, and what a daemon says on standard output. Whoever read it may have gone, or the
//! disk that it goes to be full: that stops nothing.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Display;
use std::panic::PanicHookInfo;

use anstyle::AnsiColor;
use serde_json::Value;

use crate::Text;
use crate::secrets;

/// Says a line on standard error; further lines of the text are indented.
pub fn tell(text: impl Display) {
    say(&Text::new().indented(text));
}

/// Says a warning on standard error.
pub fn warn(text: impl Display) {
    let style = AnsiColor::Yellow.on_default().bold();
    say(&Text::new().styled(style, "warning").and(": ").indented(text));
}

/// Says an error on standard error.
pub fn error(text: impl Display) {
    let style = AnsiColor::Red.on_default().bold();
    say(&Text::new().styled(style, "error").and(": ").indented(text));
}

fn say(text: &Text) {
    let _ = text.clone().end_line().print_to_stderr();
}

/// Says that a thread has panicked: its message may hold what others wrote.
pub fn panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    error(format_args!("thread {:?} {panic}", thread.name().unwrap_or_default()));
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tell(backtrace);
    }
}

/// Says a line on standard output.
pub fn log(text: impl Into<Text>) {
    let _ = text.into().end_line().print();
}

/// Says a line of JSON on standard output.
pub fn log_json(mut value: Value) {
    secrets::hide_unless_shown(&mut value);
    log(Text::json(&value));
}
