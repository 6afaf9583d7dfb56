//! Pictures that the book draws from the triggers themselves: fires on both sides of a change of the clocks.
//!
//! `cargo run -p matins-book -- pictures` draws them again; a test sees to it that those in `src/` are up to date.

use std::fmt::Write;

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use matins::Trigger;
use matins::triggers::{CronTrigger, IntervalTrigger, Zone};

const WIDTH: i64 = 760;
const LEFT: i64 = 170;
const ROW: i64 = 34;
const TOP: i64 = 86;
/// How much of real time is shown.
const HOURS: i64 = 5;
/// Legible on white and on near-black.
const INK: &str = "#7d7d7d";
const FIRE: &str = "#4285c8";
const CHANGE: &str = "#d67c26";

/// All pictures: file below `src/`, and what it holds.
pub fn all() -> Vec<(&'static str, String)> {
    vec![
        ("start/first-minute.svg", terminal(include_str!("src/start/first-minute.txt"))),
        (
            "explanation/gap.svg",
            berlin("2026-03-28T23:00:00Z", "Sunday, 29 March 2026 in Berlin: 02:00 to 03:00 does not exist"),
        ),
        (
            "explanation/overlap.svg",
            berlin("2026-10-24T22:30:00Z", "Sunday, 25 October 2026 in Berlin: 02:00 to 03:00 comes twice"),
        ),
    ]
}

/// The fires of four jobs in five hours of a night in Berlin.
fn berlin(start: &str, title: &str) -> String {
    let start: DateTime<Utc> = start.parse().unwrap_or_default();
    let zone = Zone::named("Europe/Berlin").unwrap_or_else(|_| Zone::utc());
    let cron = |text: &str| -> Box<dyn Trigger> {
        Box::new(CronTrigger::parse(text, "Europe/Berlin").unwrap_or_else(|error| panic!("{text}: {error}")))
    };
    // At full hours, also where the picture begins at half past.
    let full = start - TimeDelta::minutes(start.minute().into());
    let hourly = IntervalTrigger::new(full, TimeDelta::hours(1));
    let jobs: [(&str, Box<dyn Trigger>); 4] = [
        ("30 2 * * *", cron("30 2 * * *")),
        ("0 3 * * *", cron("0 3 * * *")),
        ("*/30 * * * *", cron("*/30 * * * *")),
        ("every hour", Box::new(hourly.unwrap_or_else(|error| panic!("{error}")))),
    ];
    timeline(title, zone, start, &jobs)
}

/// Real time from left to right, what the clocks show above it, and a row of fires for each job.
fn timeline(title: &str, zone: Zone, start: DateTime<Utc>, jobs: &[(&str, Box<dyn Trigger>)]) -> String {
    let end = start + TimeDelta::hours(HOURS);
    let x = |instant: DateTime<Utc>| {
        LEFT + (instant - start).num_seconds() * (WIDTH - LEFT - 24) / (HOURS * 3600)
    };
    let height = TOP + ROW * jobs.len() as i64 + 16;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\" fill=\"{INK}\">\n<title>{title}</title>\n"
    );
    let mut text = |x: i64, y: i64, anchor: &str, what: &str| {
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{what}</text>");
    };
    text(LEFT, 18, "start", title);
    text(LEFT - 34, 50, "end", "UTC");
    text(LEFT - 34, 70, "end", "the clocks show");
    for half in 0..=HOURS * 2 {
        let instant = start + TimeDelta::minutes(30 * half);
        if instant.minute() == 0 {
            text(x(instant), 50, "middle", &instant.format("%H:%M").to_string());
        }
        text(x(instant), 70, "middle", &zone.local(instant).format("%H:%M").to_string());
    }
    for (row, (name, _)) in (0..).zip(jobs) {
        text(LEFT - 34, TOP + ROW * row + 18, "end", name);
    }
    if let Some(change) = change_between(zone, start, end) {
        let (before, after) = (zone.local(change - TimeDelta::seconds(1)), zone.local(change));
        let (bottom, at) = (height - 8, x(change));
        // Both passes last as long as the clocks were set back.
        let again = (before + TimeDelta::seconds(1) - after).max(TimeDelta::zero());
        if !again.is_zero() {
            for (from, opacity) in [(change - again, "0.1"), (change, "0.25")] {
                let (left, width) = (x(from), x(from + again) - x(from));
                let _ = writeln!(
                    svg,
                    "<rect x=\"{left}\" y=\"78\" width=\"{width}\" height=\"{}\" fill=\"{CHANGE}\" opacity=\"{opacity}\"/>",
                    bottom - 78
                );
            }
        }
        let _ = writeln!(
            svg,
            "<line x1=\"{at}\" y1=\"78\" x2=\"{at}\" y2=\"{bottom}\" stroke=\"{CHANGE}\" stroke-width=\"2\" stroke-dasharray=\"5 3\"/>"
        );
    }
    for (row, (_, trigger)) in (0..).zip(jobs) {
        let y = TOP + ROW * row + 14;
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{INK}\" stroke-opacity=\"0.5\"/>",
            WIDTH - 24
        );
        let first = trigger.next_after(start - TimeDelta::seconds(1));
        let fires = std::iter::successors(first, |last| trigger.next_after(*last));
        for fire in fires.take_while(|fire| *fire <= end) {
            let _ = writeln!(svg, "<circle cx=\"{}\" cy=\"{y}\" r=\"6\" fill=\"{FIRE}\"/>", x(fire));
        }
    }
    svg + "</svg>\n"
}

/// The first instant after `start` at which the clocks of the zone do not move from minute to minute.
fn change_between(zone: Zone, start: DateTime<Utc>, end: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let minutes = (end - start).num_minutes();
    (1..=minutes).map(|minute| start + TimeDelta::minutes(minute)).find(|instant| {
        zone.local(*instant) - zone.local(*instant - TimeDelta::minutes(1)) != TimeDelta::minutes(1)
    })
}

/// A terminal in which each line appears at its second. What does not move shows all of them.
fn terminal(recording: &str) -> String {
    const LINE: usize = 18;
    let lines: Vec<(&str, &str)> = recording.lines().filter_map(|line| line.split_once(' ')).collect();
    let height = lines.len() * LINE + 44;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 940 {height}\" width=\"940\" height=\"{height}\" \
         font-family=\"ui-monospace, monospace\" font-size=\"13\" fill=\"#d7dae0\" xml:space=\"preserve\">\n\
         <title>The first twenty seconds of the example: jobs that succeed, fail, are tried again, and are missed</title>\n\
         <rect width=\"940\" height=\"{height}\" rx=\"8\" fill=\"#161923\"/>\n"
    );
    for (row, (second, text)) in lines.iter().enumerate() {
        let colour = match text {
            _ if text.contains("  failed  ") => "#f28b82",
            _ if text.contains("  missed  ") => "#f0c060",
            _ if text.contains("  succeeded  ") => "#8fd19e",
            _ if text.starts_with('$') => "#8ab4f8",
            _ => "#d7dae0",
        };
        let y = 34 + row * LINE;
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            svg,
            "<text x=\"18\" y=\"{y}\" fill=\"{colour}\">{text}<set attributeName=\"opacity\" to=\"0\" begin=\"0s\" \
             dur=\"{second}s\"/></text>"
        );
    }
    svg + "</svg>\n"
}
