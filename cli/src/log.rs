//! What the daemon says while it runs: a line for each fire.

use std::fmt::Write as _;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use chrono::TimeDelta;
use matins::prelude::*;
use matins::triggers::Zone;
use matins::{MissedReason, Run};

use crate::show;

/// How many lines of a failed run's output are shown.
const OUTPUT_LINES: usize = 5;

/// Prints events as they come, until there are no more.
pub(crate) fn print(events: impl Iterator<Item = Event>, zone: Zone) {
    let mut out = anstream::stdout().lock();
    for event in events {
        if let Some(text) = describe(&event, zone) {
            // Whoever read this may have gone; the jobs go on.
            let _ = writeln!(out, "{text}").and_then(|()| out.flush());
        }
    }
}

fn describe(event: &Event, zone: Zone) -> Option<String> {
    match event {
        Event::RunFinished { run, .. } => Some(finished(run, zone)),
        Event::RunMissed { run, .. } => Some(missed(run, zone)),
        Event::StoreFailed { store, error } => {
            Some(format!("store {store} failed, and is tried again: {error}"))
        }
        Event::JobSetAside { store, job } => Some(format!("store {store}: {job}; all others go on")),
        Event::StoreRecovered { store } => Some(format!("store {store} works again")),
        Event::Lost { count } => Some(format!("({count} lines left out: too many at once)")),
        _ => None,
    }
}

fn time(instant: chrono::DateTime<chrono::Utc>, zone: Zone) -> String {
    let format = if instant.timestamp_subsec_micros() == 0 { "%H:%M:%S" } else { "%H:%M:%S%.3f" };
    zone.with_offset(instant).format(format).to_string()
}

fn line(run: &Run, zone: Zone, style: Style, outcome: &str, rest: &str) -> String {
    let at =
        run.finished.map(|at| zone.with_offset(at).format("%H:%M:%S%.3f").to_string()).unwrap_or_default();
    let dim = Style::new().dimmed();
    format!("{dim}{at}{dim:#}  {:<16} {style}{outcome:<11}{style:#} {rest}", run.job.to_string())
}

fn finished(run: &Run, zone: Zone) -> String {
    let outcome = run.outcome.unwrap_or(Outcome::Interrupted);
    let (style, word) = match outcome {
        Outcome::Succeeded => (AnsiColor::Green.on_default(), "succeeded"),
        Outcome::Interrupted => (AnsiColor::Yellow.on_default(), "interrupted"),
        Outcome::Cancelled => (AnsiColor::Yellow.on_default(), "cancelled"),
        Outcome::TimedOut => (AnsiColor::Red.on_default().bold(), "timed out"),
        Outcome::Missed(_) => (AnsiColor::Yellow.on_default(), "missed"),
        _ => (AnsiColor::Red.on_default().bold(), "failed"),
    };
    let mut rest = format!("due {}", time(run.scheduled(), zone));
    if let Some(started) = run.started {
        let late = (started - run.scheduled()).max(TimeDelta::zero());
        let _ = write!(rest, ", {} late", show::span(late));
        if let (Some(finished), true) = (run.finished, outcome != Outcome::Interrupted) {
            let _ = write!(rest, ", took {}", show::span((finished - started).max(TimeDelta::zero())));
        }
    }
    if run.attempt > 1 {
        let _ = write!(rest, ", attempt {}", run.attempt);
    }
    if let Some(message) = &run.message {
        let _ = write!(rest, ": {message}");
    }
    let mut text = line(run, zone, style, word, &rest);
    if !matches!(outcome, Outcome::Succeeded)
        && let Some(output) = &run.output
    {
        let lines: Vec<&str> = output.lines().collect();
        for line in &lines[lines.len().saturating_sub(OUTPUT_LINES)..] {
            let _ = write!(text, "\n              | {line}");
        }
    }
    text
}

fn missed(run: &Run, zone: Zone) -> String {
    let fires = match run.fires.count {
        1 => format!("due {}", time(run.fires.first, zone)),
        count => format!("{count} fires, {} to {}", time(run.fires.first, zone), time(run.fires.last, zone)),
    };
    let reason = match run.outcome {
        Some(Outcome::Missed(reason)) => MissedReason::describe(reason),
        _ => "not known",
    };
    line(run, zone, AnsiColor::Yellow.on_default(), "missed", &format!("{fires}: {reason}"))
}
