//! Showing what a run prints while it prints it.

use std::thread;
use std::time::Duration;

use matins::control::{OutputNews, OutputSoFar, Request, RunView};
use matins_terminal::{Text, answer};

use crate::failure::Failure;
use crate::read_answer;
use crate::target::Target;

/// How often it is asked for what is new.
const PAUSE: Duration = Duration::from_millis(200);

/// Asks for a run until it has ended, and prints what it has printed since: whole lines, and at the end the rest; raw, or so that it is
/// harmless to a terminal. Returns the run without its output.
///
/// # Errors
/// If there is no such run, or nobody who runs jobs.
pub fn follow(target: &Target, request: &Request, is_raw: bool) -> Result<RunView, Failure> {
    let (mut so_far, mut line) = (OutputSoFar::default(), String::new());
    // One that has ended is in the store, whether or not there is a daemon.
    let mut asked = target.client()?.ask(request.clone())?;
    loop {
        let mut view: RunView = read_answer(asked)?;
        let output = view.run.output.take().unwrap_or_default();
        if let Some(OutputNews::Appended(new) | OutputNews::Replaced { new, .. }) = so_far.take_up(output) {
            line += new;
        }
        let whole =
            if view.run.outcome.is_some() { line.len() } else { line.rfind('\n').map_or(0, |end| end + 1) };
        if whole > 0 {
            if is_raw {
                answer::raw(&line.as_bytes()[..whole]);
            } else {
                // What follows it begins a line of its own.
                answer::print(&Text::new().lines(line[..whole].trim_end_matches('\n')).end_line());
            }
            line.drain(..whole);
        }
        if view.run.outcome.is_some() {
            return Ok(view);
        }
        thread::sleep(PAUSE);
        asked = target.daemon_or_shared_store()?.ask(request.clone())?;
    }
}
