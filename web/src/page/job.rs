//! A job: when it fires, how its last runs went, what it printed, and why something did not run.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::response::Response;
use chrono::{DateTime, Offset, Utc};
use matins_control::display::{self, zone_of};
use matins_control::{
    Explanation, HistoryEntry, HistoryEvent, JobView, Problem, Request, RunView, RunsRequest,
};
use matins_core::JobState;
use matins_triggers::Zone;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::layout::{Frame, encoded, job_path, run_path, time_in};
use super::{refused, sorry, timeline};
use crate::access::{Access, Who};
use crate::api::Query;
use crate::ask::{Asker, Question};
use crate::problem::Refusal;

/// How many runs are shown.
const RUNS: usize = 48;

/// How many fire times are shown.
const FIRES: usize = 8;

/// The question of the why box.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    why: Option<String>,
}

/// What is shown of a job.
struct Shown {
    view: JobView,
    runs: Vec<RunView>,
    /// The last run that printed something, with all of that.
    printed: Option<RunView>,
    history: Vec<HistoryEntry>,
    asked: Option<String>,
    why: Option<Result<Explanation, Problem>>,
}

pub(super) async fn page(
    State(asker): State<Asker>,
    State(access): State<Arc<Access>>,
    Extension(Who(by)): Extension<Who>,
    Path(job): Path<String>,
    asked: Result<Query<Asked>, Refusal>,
) -> Response {
    let asked = match asked {
        Ok(Query(Asked { why })) => why.filter(|time| !time.trim().is_empty()),
        Err(refusal) => return refused(refusal),
    };
    let ask = move |question: &Question| {
        let view: JobView = question.ask_for(Request::Job { job: job.clone() })?;
        let request = RunsRequest { job: Some(job.clone()), page: Some(RUNS), ..RunsRequest::default() };
        let runs = question.runs(request)?.items;
        let printed = runs.iter().find(|run| run.run.outcome.is_some() && run.run.output.is_some());
        let printed =
            printed.map(|run| question.ask_for(Request::Run { run: run.run.id.0, store: run.store.clone() }));
        let printed = printed.transpose()?;
        let entries = question.operator.history().entries();
        let of_job = |entry: &HistoryEntry| entry.what.job() == Some(job.as_str());
        let history = entries.into_iter().rev().filter(of_job).take(8).collect();
        let why = asked.clone().map(|at| question.ask_for(Request::Why { job, at }));
        Ok((Frame::of(question, &access), Shown { view, runs, printed, history, asked, why }))
    };
    match asker.with(ask, &by).await {
        Ok((frame, shown)) => frame.page(shown.view.job.id.as_str(), "/jobs", job_page(&frame, &shown)),
        Err(problem) => sorry(problem),
    }
}

fn job_page(frame: &Frame, shown: &Shown) -> Markup {
    let job = &shown.view.job;
    let path = job_path(job.id.as_str());
    html! {
        div.head {
            div {
                h1 { (job.id) }
                p.lead { (display::trigger(&*job.trigger, frame.zone)) @if job.state == JobState::Paused { " " span.badge.warn { "paused" } } }
            }
            div.actions-row {
                (frame.button(&format!("{path}/run"), "Run now", job.id.as_str(), "main"))
                (super::jobs::pause_or_resume(frame, &shown.view))
                @if !frame.access.is_read_only {
                    details.confirm { summary { "Remove…" } (frame.button(&format!("{path}/remove"), "Remove it", job.id.as_str(), "danger")) }
                }
            }
        }
        section aria-labelledby="strip-title" {
            header { h2 id="strip-title" { "How it went" } a href={ "/runs?job=" (encoded(job.id.as_str())) } { "all its runs" } }
            div.body id="strip" data-live data-running[shown.runs.iter().any(|run| run.run.outcome.is_none())] {
                @if shown.runs.is_empty() { p.muted { "It has not run yet." } } @else { (timeline::strip(frame, &shown.runs)) }
            }
        }
        div.columns {
            section aria-labelledby="fires-title" {
                header { h2 id="fires-title" { "Next fires" } span.note { (zone(frame, shown)) } }
                div.body id="fires" data-live { (fires(frame, shown)) }
            }
            section aria-labelledby="why-title" {
                header { h2 id="why-title" { "Why?" } span.note { "what happened, or will happen, at a time" } }
                div.body { (why(frame, shown)) }
            }
        }
        section aria-labelledby="output-title" {
            header {
                h2 id="output-title" { "Last output" }
                @if let Some(run) = &shown.printed { a href=(run_path(run)) { "run " (run.run.id) } }
            }
            div id="output" data-live {
                @if let Some(run) = &shown.printed { pre.output tabindex="0" aria-label="Last output" { (run.run.output.as_deref().unwrap_or_default()) } }
                @else { p.empty { "It has printed nothing yet." } }
            }
        }
        section aria-labelledby="runs-title" {
            header { h2 id="runs-title" { "Latest runs" } }
            div id="runs" data-live {
                @if shown.runs.is_empty() { p.empty { "It has not run yet." } } @else { (frame.runs(&shown.runs[..shown.runs.len().min(10)], false)) }
            }
        }
        div.columns {
            section aria-labelledby="definition-title" {
                header { h2 id="definition-title" { "Definition" } }
                div.body { (definition(frame, shown)) }
            }
            section aria-labelledby="history-title" {
                header { h2 id="history-title" { "Who changed it" } }
                div.body id="history" data-live { (history(frame, shown)) }
            }
        }
    }
}

fn zone(frame: &Frame, shown: &Shown) -> Zone {
    zone_of(&*shown.view.job.trigger).unwrap_or(frame.zone)
}

/// The next fires, as local times; where the clocks change between two of them, that is said.
fn fires(frame: &Frame, shown: &Shown) -> Markup {
    let job = &shown.view.job;
    let zone = zone(frame, shown);
    let most = if job.policy.delay.is_some() { 1 } else { FIRES };
    let fires: Vec<DateTime<Utc>> =
        std::iter::successors(job.next_fire, |last| job.trigger.next_after(*last)).take(most).collect();
    if fires.is_empty() {
        let why =
            if job.state == JobState::Paused { "It is paused." } else { "It has no further fire time." };
        return html! { p.muted { (why) } };
    }
    let offset = |at: DateTime<Utc>| zone.with_offset(at).offset().fix().local_minus_utc();
    html! {
        ul.fires {
            @for (place, at) in fires.iter().enumerate() {
                @let before = if place == 0 { frame.now } else { fires[place - 1] };
                li {
                    (time_in(*at, zone))
                    " " span.muted { (zone.with_offset(*at).format("%:z")) }
                    @if offset(before) != offset(*at) {
                        " " span.badge.warn { "clocks go " (if offset(*at) > offset(before) { "forward" } else { "back" }) " before" }
                    }
                    (frame.relative(*at))
                }
            }
        }
    }
}

fn why(frame: &Frame, shown: &Shown) -> Markup {
    let job = &shown.view.job;
    let last = shown.runs.iter().find(|run| run.run.outcome.is_some());
    let proposed = last.map_or(frame.now, |run| run.run.scheduled());
    let proposed = zone(frame, shown).with_offset(proposed).format("%Y-%m-%dT%H:%M").to_string();
    html! {
        form method="get" action={ (job_path(job.id.as_str())) "#why-title" } {
            label for="why" { "Time" }
            div.actions-row {
                div { input id="why" name="why" required value=(shown.asked.as_ref().unwrap_or(&proposed)) autocomplete="off"; }
                button type="submit" { "Explain" }
            }
            p.hint { "2026-03-29T02:30, or 02:30 for today" }
        }
        @match &shown.why {
            Some(Ok(why)) => div role="status" {
                @for sentence in &why.sentences { p { (sentence) } }
                @if let Some(run) = why.run { p { a href={ "/runs/" (run) } { "Run " (run) } } }
            },
            Some(Err(problem)) => p.alert-box role="alert" { (problem.message) },
            None => {},
        }
    }
}

/// What the job is, with secrets hidden.
fn definition(frame: &Frame, shown: &Shown) -> Markup {
    let job = &shown.view.job;
    let text = |name: &str| job.arguments.get(name).and_then(Value::as_str);
    let words = job.arguments.get("arguments").and_then(Value::as_array);
    let words =
        words.map(|words| words.iter().filter_map(Value::as_str).collect::<Vec<_>>()).unwrap_or_default();
    let program = text("program").map(|program| match (program, &words[..]) {
        ("/bin/sh" | "sh", ["-c", line]) => (*line).to_owned(),
        (program, words) => [&[program], words].concat().join(" "),
    });
    let policy = serde_json::to_value(&job.policy).unwrap_or_default();
    let source = job.metadata.get("source").and_then(Value::as_str);
    html! {
        dl.facts {
            @if let Some(program) = program { dt { "command" } dd { code { (program) } } } @else { dt { "task" } dd { code { (job.task) } } }
            @if let Some(directory) = text("directory") { dt { "directory" } dd { code { (directory) } } }
            @if let Some(user) = text("user") { dt { "user" } dd { (user) } }
            @if let Some(store) = &shown.view.store { dt { "store" } dd { (store) } }
            dt { "executor" } dd { (job.executor) }
            @if !job.tags.is_empty() { dt { "tags" } dd { @for tag in &job.tags { a.tag href={ "/jobs?tag=" (encoded(tag)) } { (tag) } } } }
            @for (name, value) in policy.as_object().into_iter().flatten() {
                @if !value.is_null() { dt { (name.replace('_', " ")) } dd { (worded(value)) } }
            }
            @if let Some(source) = source { dt { "defined in" } dd { code { (source) } } }
            dt { "added" } dd { (frame.time(job.created)) }
        }
    }
}

/// A value of a policy.
fn worded(value: &Value) -> String {
    let seconds = value.get("secs").and_then(Value::as_i64);
    match (value, seconds) {
        (_, Some(seconds)) => display::span(chrono::TimeDelta::seconds(seconds)),
        (Value::String(word), _) => word.replace('_', " "),
        (value, _) => value.to_string().replace(['"', '{', '}'], "").replace([':', ','], " "),
    }
}

fn history(frame: &Frame, shown: &Shown) -> Markup {
    if shown.history.is_empty() {
        return html! { p.muted { "No changes are recorded." } };
    }
    html! {
        dl.facts {
            @for entry in &shown.history {
                dt { (frame.time(entry.at)) }
                dd { (what(&entry.what)) " by " (entry.by) }
            }
        }
    }
}

pub(super) fn what(event: &HistoryEvent) -> &'static str {
    match event {
        HistoryEvent::Started => "started",
        HistoryEvent::Stopped => "stopped",
        HistoryEvent::ZoneRules { .. } => "other zone rules",
        HistoryEvent::ClockCorrected { .. } => "the clock was corrected",
        HistoryEvent::Added { .. } => "added",
        HistoryEvent::Paused { .. } => "paused",
        HistoryEvent::Resumed { .. } => "resumed",
        HistoryEvent::Removed { .. } => "removed",
        HistoryEvent::RunNow { .. } => "run now",
        HistoryEvent::Cancelled { .. } => "a run cancelled",
        _ => "changed",
    }
}
