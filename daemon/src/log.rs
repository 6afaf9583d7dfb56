//! What the daemon says while it runs: a line for each fire.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use chrono::TimeDelta;
use matins::control::EventView;
use matins::control::display as show;
use matins::prelude::*;
use matins::triggers::Zone;
use matins::{Clock, MissedReason, Run, SystemClock};
use matins_terminal::{self as terminal, Text, notice};
use serde_json::json;

/// How many lines of a failed run's output are shown.
const OUTPUT_LINES: usize = 5;

/// Prints events for people as they come, until there are no more.
pub(crate) fn print(events: impl Iterator<Item = Event>, zone: Zone) {
    for event in events.filter_map(EventView::of) {
        if let Some(text) = event_text(&event, zone) {
            // Whoever read this may have gone; the jobs go on.
            notice::log(text);
        }
    }
}

/// Prints each event as a line of JSON. `node` is the label of this scheduler among those that share its store: their logs may be
/// brought together.
pub(crate) fn print_json(events: impl Iterator<Item = Event>, node: Option<&str>) {
    for event in events.filter_map(EventView::of) {
        let mut line = json!(event.at(SystemClock.now()));
        if let Some(node) = node {
            line["node"] = json!(node);
        }
        notice::log_json(line);
    }
}

/// A line for people, or a few; nothing for what they did themselves.
pub fn event_text(event: &EventView, zone: Zone) -> Option<Text> {
    match event {
        EventView::RunFinished { run } => Some(finished(run, zone)),
        EventView::RunMissed { run } => Some(missed(run, zone)),
        EventView::RunPostponed { run, until } => Some(postponed(run, *until, zone)),
        EventView::RunLeftBehind { run } => {
            let rest = "it did not stop at its time limit; until its work ends, it counts as running";
            Some(line(run, zone, AnsiColor::Yellow.on_default(), "left behind", rest))
        }
        EventView::WorkEnded { job, run_id } => {
            let job = terminal::one_line(job);
            Some(format!("{job}: the work of run {run_id}, which was left behind, has ended").into())
        }
        EventView::StoreFailed { store, error } => {
            Some(format!("store {store} failed, and is tried again: {error}").into())
        }
        EventView::JobQuarantined { store, what } => {
            Some(format!("store {store}: {what}; all other jobs keep firing").into())
        }
        EventView::TriggerFailed { job, error } => {
            Some(format!("{job} is paused: {error}; reschedule it, then resume it").into())
        }
        EventView::JobDisabled { job, failures } => {
            let failures = show::failures_in_a_row(*failures);
            Some(format!("{job} is paused after {failures}; resume it when the cause is gone").into())
        }
        EventView::JobNotServed { job } => {
            let job = terminal::one_line(job);
            Some(format!("{job} is due, and no scheduler of its store has its task and its executor").into())
        }
        EventView::ClockCorrected { by_seconds, jobs, .. } => {
            Some(clock_corrected(*by_seconds, *jobs).into())
        }
        EventView::StoreLostHistory { store } => Some(
            format!("store {store} has lost what was committed (a failover?); fires of that time run again")
                .into(),
        ),
        EventView::StoreRecovered { store } => Some(format!("store {store} works again").into()),
        EventView::Lost { count } => Some(format!("({count} lines left out: too many at once)").into()),
        _ => None,
    }
}

fn clock_corrected(by_seconds: i64, jobs: u64) -> String {
    let by = show::span(TimeDelta::try_seconds(by_seconds).unwrap_or(TimeDelta::MAX));
    let jobs = match jobs {
        0 => "no job has another next fire time".to_owned(),
        1 => "the next fire time of 1 job was computed again".to_owned(),
        jobs => format!("the next fire times of {jobs} jobs were computed again"),
    };
    format!("warning: the system's clock was ahead by {by} or more, and was set back; {jobs}")
}

/// How an outcome looks.
pub fn outcome_style(outcome: Option<Outcome>) -> Style {
    match outcome {
        Some(Outcome::Succeeded) => AnsiColor::Green.on_default(),
        Some(Outcome::Interrupted | Outcome::Cancelled | Outcome::Missed(_)) => {
            AnsiColor::Yellow.on_default()
        }
        None => Style::new(),
        Some(_) => AnsiColor::Red.on_default().bold(),
    }
}

fn time(instant: chrono::DateTime<chrono::Utc>, zone: Zone) -> String {
    let format = if instant.timestamp_subsec_micros() == 0 { "%H:%M:%S" } else { "%H:%M:%S%.3f" };
    zone.with_offset(instant).format(format).to_string()
}

fn line(run: &Run, zone: Zone, style: Style, outcome: &str, rest: &str) -> Text {
    let at = run.finished.map(|at| zone.with_offset(at).format("%H:%M:%S%.3f").to_string());
    let at = at.unwrap_or_else(|| " ".repeat("HH:MM:SS.mmm".len()));
    let dim = Style::new().dimmed();
    let text =
        Text::new().styled(dim, at).and(format_args!("  {:<16} ", terminal::one_line(run.job.as_str())));
    text.styled(style, format_args!("{outcome:<11}")).and(" ").and(rest)
}

fn finished(run: &Run, zone: Zone) -> Text {
    let outcome = run.outcome.unwrap_or(Outcome::Interrupted);
    let style = outcome_style(Some(outcome));
    let word = if matches!(outcome, Outcome::Missed(_)) { "missed" } else { outcome.as_str() };
    let mut rest = format!("due {}", time(run.scheduled(), zone));
    if let Some(started) = run.started {
        let late = (started - run.scheduled()).max(TimeDelta::zero());
        let _ = write!(rest, ", {} late", show::span(late));
        if let (Some(finished), true) = (run.finished, outcome != Outcome::Interrupted) {
            let _ = write!(rest, ", took {}", show::span((finished - started).max(TimeDelta::zero())));
        }
    }
    if let Some(cause) = run.cause {
        let _ = write!(rest, ", after run {cause}");
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
            text = text.end_line().and("              | ").lines(line);
        }
    }
    text
}

fn postponed(run: &Run, until: chrono::DateTime<chrono::Utc>, zone: Zone) -> Text {
    let (due, until) = (time(run.scheduled(), zone), time(until, zone));
    let reason = run.message.as_deref().unwrap_or("the system has no room for it");
    let rest = format!("due {due}, tried again at {until}: {reason}");
    line(run, zone, AnsiColor::Yellow.on_default(), "not started", &rest)
}

fn missed(run: &Run, zone: Zone) -> Text {
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
