//! Pictures: the next fires on a timeline, and how the last runs of a job went.

use chrono::{DateTime, TimeDelta, Utc};
use matins_control::{JobView, RunView, display};
use matins_triggers::Zone;
use maud::{Markup, html};

use super::layout::{Frame, job_path, kind, run_path, took};

/// How far a timeline may reach: the first of these in which every job that is shown has a fire.
const REACHES: [TimeDelta; 8] = [
    TimeDelta::minutes(1),
    TimeDelta::minutes(5),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
    TimeDelta::hours(12),
    TimeDelta::days(2),
    TimeDelta::days(14),
    TimeDelta::days(60),
];

/// How many fires of a job are drawn as points. If there are more, a line stands for them.
const MOST: usize = 60;

/// How many times the axis has names for.
const TICKS: i32 = 4;

/// The next fires of jobs, those that fire first on top.
pub(super) fn next_fires(frame: &Frame, jobs: &[JobView]) -> Markup {
    let (now, zone) = (frame.now, frame.zone);
    let last = jobs.iter().filter_map(|view| view.job.next_fire).max().unwrap_or(now);
    let reach = REACHES.into_iter().find(|reach| now + *reach >= last).unwrap_or(TimeDelta::days(365));
    let place = |at: DateTime<Utc>| {
        let part = (at - now).as_seconds_f64() / reach.as_seconds_f64();
        format!("{:.2}%", part.clamp(0.0, 1.0) * 100.0)
    };
    html! {
        div.axis aria-hidden="true" {
            span { "the next " (display::span(reach)) }
            svg {
                @for tick in 0..=TICKS {
                    @let at = now + reach / TICKS * tick;
                    @let anchor = match tick { 0 => "start", TICKS => "end", _ => "middle" };
                    text.minor[tick % 2 == 1] x=(place(at)) y="13" text-anchor=(anchor) {
                        (tick_name(at, zone, reach, tick))
                    }
                }
            }
        }
        ul.timeline {
            @for view in jobs {
                @let fires = fires(view, now + reach);
                @let times: Vec<String> = fires.iter().take(5).map(|at| display::local(*at, zone)).collect();
                @let is_often = fires.len() > MOST;
                @let label = if times.is_empty() { "no fires in this period".to_owned() } else { format!("fires at {}", times.join(", ")) };
                li {
                    a.quiet href=(job_path(view.job.id.as_str())) title=(view.description) { (view.job.id) }
                    svg.lane role="img" aria-label=(label) {
                        @for tick in 0..=TICKS {
                            @let x = place(now + reach / TICKS * tick);
                            line.grid x1=(x) x2=(x) y1="0" y2="34" {}
                        }
                        line x1="0" x2="100%" y1="17" y2="17" {}
                        @if let (true, Some(first)) = (is_often, fires.first()) {
                            line.often x1=(place(*first)) x2="100%" y1="17" y2="17" { title { (view.description) } }
                        } @else { @for at in &fires {
                            circle cx=(place(*at)) cy="17" r="5.5" { title { (display::local(*at, zone)) } }
                        } }
                    }
                }
            }
        }
    }
}

fn fires(view: &JobView, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let fires = std::iter::successors(view.job.next_fire, |last| view.job.trigger.next_after(*last));
    let most = if view.job.policy.delay.is_some() { 1 } else { MOST + 1 };
    fires.take_while(|at| *at <= until).take(most).collect()
}

fn tick_name(at: DateTime<Utc>, zone: Zone, reach: TimeDelta, tick: i32) -> String {
    if tick == 0 {
        return "now".to_owned();
    }
    let form = match reach {
        reach if reach < TimeDelta::minutes(30) => "%H:%M:%S",
        reach if reach < TimeDelta::days(2) => "%H:%M",
        _ => "%a %d %b",
    };
    zone.with_offset(at).format(form).to_string()
}

/// How the last runs of a job went: a bar for each, as high as it took long, the newest at the right.
pub(super) fn strip(frame: &Frame, runs: &[RunView]) -> Markup {
    const PLACES: u16 = 48;
    let shown = &runs[..runs.len().min(usize::from(PLACES))];
    let longest = shown.iter().filter_map(took).max().unwrap_or_default().as_seconds_f64().max(0.001);
    let width = 100.0 / f64::from(PLACES);
    let present = |name: &str| shown.iter().any(|run| kind(run) == name);
    let legend = [
        ("good", "succeeded"),
        ("bad", "failed, timed out or interrupted"),
        ("warn", "missed"),
        ("calm", "cancelled"),
        ("busy", "not ended"),
    ];
    let total = display::counted(shown.len(), "run");
    html! {
        svg.strip role="group" aria-label={ "The last " (total) ", the newest at the right" } {
            line.base x1="0" x2="100%" y1="83.5" y2="83.5" {}
            @for (place, run) in (1..=PLACES).zip(shown) {
                @let part = took(run).map_or(0.0, |took| took.as_seconds_f64() / longest);
                @let height = 8.0 + part * 72.0;
                @let x = 100.0 - width * f64::from(place);
                @let words = label(frame, run);
                a href=(run_path(run)) aria-label=(words) {
                    rect class=(kind(run)) x={ (format!("{x:.2}%")) } y={ (format!("{:.1}", 83.0 - height)) }
                        width={ (format!("{:.2}%", width * 0.72)) } height={ (format!("{height:.1}")) } {
                        title { (words) }
                    }
                }
            }
        }
        ul.legend {
            @for (name, words) in legend.into_iter().filter(|(name, _)| present(name)) {
                li { i class=(name) {} (words) }
            }
            li { "height: how long it took, the longest " (display::span(TimeDelta::milliseconds((longest * 1000.0) as i64))) }
        }
    }
}

fn label(frame: &Frame, run: &RunView) -> String {
    let outcome = run.run.outcome.map_or("not ended", |outcome| outcome.as_str());
    let took = took(run).map(|took| format!(", took {}", display::span(took))).unwrap_or_default();
    format!("run {}, {}: {outcome}{took}", run.run.id, display::local(run.run.scheduled(), frame.zone))
}
