//! The overview: what needs attention, what runs now, what fires next, what ran last.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::Response;
use matins_control::{
    JobView, JobsOrder, JobsRequest, Request, RunState, RunView, RunsRequest, Status, display,
};
use matins_core::Outcome;
use maud::{Markup, html};

use super::layout::{Frame, job_path, kind, outcome, run_path};
use super::{sorry, timeline};
use crate::access::{Access, Who};
use crate::ask::Asker;

/// Among how many of the latest runs failures are looked for: the page takes no longer for a long ledger.
const LATEST: usize = 200;

/// How many jobs the timeline has.
const LANES: usize = 8;

pub(super) async fn page(
    State(asker): State<Asker>,
    State(access): State<Arc<Access>>,
    Extension(Who(by)): Extension<Who>,
) -> Response {
    let ask = move |question: &crate::ask::Question| {
        let status: Status = question.ask_for(Request::Status)?;
        let next = JobsRequest { order: JobsOrder::NextFire, page: Some(LANES), ..JobsRequest::default() };
        let mut next = question.jobs(next)?.items;
        next.retain(|view| view.job.next_fire.is_some());
        let latest = RunsRequest { page: Some(LATEST), ..RunsRequest::default() };
        let latest = question.runs(latest)?.items;
        Ok((Frame::of(question, &access), status, next, latest))
    };
    match asker.with(ask, &by).await {
        Ok((frame, status, next, latest)) => {
            frame.page("Overview", "/", overview(&frame, &status, &next, &latest))
        }
        Err(problem) => sorry(problem),
    }
}

fn overview(frame: &Frame, status: &Status, next: &[JobView], latest: &[RunView]) -> Markup {
    let troubled = troubled(latest);
    let failures = latest.iter().filter(|run| kind(run) == "bad").count();
    html! {
        h1 { "Overview" }
        p.lead { (status.store) @if let Some(application) = &status.application { ", embedded in " (application) } }
        @if let Some(refused) = &status.files_refused {
            p.alert-box { "The files were refused when they were read last; the jobs are as before: " (refused) }
        }
        @if status.store_failures > 0 {
            p.note-box { "The store has failed " (status.store_failures) " times since the scheduler was started." }
        }
        dl.tiles id="tiles" data-live {
            div { dt { "Running or waiting" } dd { (status.unfinished) } }
            div class=[(failures > 0).then_some("alert")] { dt { "Failed lately" } dd { (failures) small { "of the latest " (display::counted(latest.len(), "run")) } } }
            div { dt { "Jobs" } dd { (status.jobs) } }
            div { dt { "Next fire" } dd {
                @if let Some((job, at)) = &status.next { (display::relative(*at, frame.now)) small { (job) } } @else { "none" }
            } }
        }
        section aria-labelledby="attention-title" {
            header { h2 id="attention-title" { "Needs attention" } span.note { "failures first" } }
            div id="attention" data-live { (attention(frame, &troubled, latest.len())) }
        }
        section aria-labelledby="running-title" {
            header { h2 id="running-title" { "Running now" } }
            div id="running" data-live data-running[!status.running.is_empty()] {
                @if status.running.is_empty() { p.empty { "Nothing runs at the moment." } } @else { (running(frame, &status.running)) }
            }
        }
        section aria-labelledby="next-title" {
            header { h2 id="next-title" { "Next fires" } a href="/jobs?order=next_fire" { "all jobs" } }
            div id="next" data-live {
                @if next.is_empty() { p.empty { "No job has a next fire time." } } @else { (timeline::next_fires(frame, next)) }
            }
        }
        section aria-labelledby="latest-title" {
            header { h2 id="latest-title" { "Latest runs" } a href="/runs" { "all runs" } }
            div id="latest" data-live {
                @if latest.is_empty() { p.empty { "Nothing has run yet." } } @else { (frame.runs(&latest[..latest.len().min(10)], true)) }
            }
        }
    }
}

/// What went wrong lately with a job.
struct Trouble<'a> {
    last: &'a RunView,
    count: usize,
    /// Whether a later run of the job has succeeded.
    is_over: bool,
}

/// The jobs of which something failed or was missed, failures first, then the latest first.
fn troubled(latest: &[RunView]) -> Vec<Trouble<'_>> {
    let mut by_job: BTreeMap<(&str, &str), Trouble<'_>> = BTreeMap::new();
    let mut succeeded: std::collections::BTreeSet<&str> = std::collections::BTreeSet::new();
    for run in latest {
        let job = run.run.job.as_str();
        match kind(run) {
            "good" => drop(succeeded.insert(job)),
            kind @ ("bad" | "warn") => {
                let is_over = succeeded.contains(job);
                let trouble = by_job.entry((kind, job)).or_insert(Trouble { last: run, count: 0, is_over });
                trouble.count += usize::try_from(run.run.fires.count).unwrap_or(usize::MAX);
            }
            _ => {}
        }
    }
    let mut troubled: Vec<_> = by_job.into_values().collect();
    troubled.sort_by_key(|trouble| {
        let is_missed = matches!(trouble.last.run.outcome, Some(Outcome::Missed(_)));
        (is_missed, trouble.is_over, std::cmp::Reverse(trouble.last.run.id))
    });
    troubled.truncate(10);
    troubled
}

fn attention(frame: &Frame, troubled: &[Trouble<'_>], among: usize) -> Markup {
    if troubled.is_empty() {
        return html! { p.empty { "Nothing failed and nothing was missed among the latest " (display::counted(among, "run")) "." } };
    }
    html! {
        table.stack {
            thead { tr {
                th scope="col" { "Job" } th scope="col" { "What" } th scope="col" { "How often" } th scope="col" { "Last" } th scope="col" { "Message" }
            } }
            tbody { @for trouble in troubled {
                @let run = trouble.last;
                tr {
                    td.name { a.quiet href=(job_path(run.run.job.as_str())) { (run.run.job) } @if trouble.is_over { small { "has succeeded since" } } }
                    td { (outcome(run)) }
                    td.time { (trouble.count) "×" }
                    td.time { a href=(run_path(run)) { (frame.time(run.run.scheduled())) } (frame.relative(run.run.scheduled())) }
                    td.wide { @if let Some(message) = &run.run.message { (message) } }
                }
            } }
        }
    }
}

fn running(frame: &Frame, runs: &[RunView]) -> Markup {
    html! {
        table.stack {
            thead { tr {
                th scope="col" { "Run" } th scope="col" { "Job" } th scope="col" { "State" } th scope="col" { "Since" } th scope="col" { span.hidden { "Actions" } }
            } }
            tbody { @for run in runs.iter().take(50) { tr {
                td data-label="Run" { a href=(run_path(run)) { (run.run.id) } }
                td.name { a.quiet href=(job_path(run.run.job.as_str())) { (run.run.job) } @if let Some(node) = &run.node { small { "on " (node) } } }
                td { (outcome(run)) }
                td.time {
                    @let since = run.run.started.unwrap_or(run.run.scheduled());
                    (frame.time(since)) (frame.relative(since))
                }
                td.actions {
                    // One that waits is in nobody's hands yet.
                    @if run.state != Some(RunState::Waiting) {
                        (frame.button(&cancel_path(run), "Cancel", &format!("run {}", run.run.id), ""))
                    }
                }
            } } }
        }
    }
}

pub(super) fn cancel_path(run: &RunView) -> String {
    let path = run_path(run);
    match path.split_once('?') {
        Some((path, query)) => format!("{path}/cancel?{query}"),
        None => format!("{path}/cancel"),
    }
}
