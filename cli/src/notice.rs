//! What is said beside an answer, on standard error, and what a daemon says on standard output. Whoever read it may have gone, or the
//! disk that it goes to be full: that stops nothing.

use std::fmt::Display;
use std::io::Write;

use anstyle::AnsiColor;

/// Says a line on standard error.
pub(crate) fn tell(text: impl Display) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

pub(crate) fn warn(text: impl Display) {
    let style = AnsiColor::Yellow.on_default().bold();
    tell(format_args!("{style}warning{style:#}: {text}"));
}

pub(crate) fn error(text: impl Display) {
    let style = AnsiColor::Red.on_default().bold();
    tell(format_args!("{style}error{style:#}: {text}"));
}

/// Says a line on standard output.
pub(crate) fn log(text: impl Display) {
    let mut out = anstream::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
