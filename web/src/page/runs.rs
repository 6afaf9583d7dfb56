//! Runs: the list, and one run with its output, which is live while the run is in progress.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::response::Response;
use matins_control::{Problem, ProblemKind, Request, RunPosition, RunState, RunView, RunsRequest, display};
use maud::{Markup, html};
use serde::Deserialize;

use super::forms::OfStore;
use super::layout::{Frame, encoded, job_path, outcome, run_path_of, took};
use super::overview::cancel_path;
use super::{refused, sorry};
use crate::access::{Access, Who};
use crate::api::{PAGE, Query, cursor, position};
use crate::ask::{Asker, Listed, Question};
use crate::problem::Refusal;

/// The filters of the search form.
#[derive(Debug, Deserialize)]
pub(super) struct Search {
    job: Option<String>,
    outcome: Option<String>,
    after: Option<String>,
}

const OUTCOMES: [&str; 7] = ["", "succeeded", "failed", "timed out", "cancelled", "interrupted", "missed"];

pub(super) async fn list(
    State(asker): State<Asker>,
    State(access): State<Arc<Access>>,
    Extension(Who(by)): Extension<Who>,
    search: Result<Query<Search>, Refusal>,
) -> Response {
    let Query(search) = match search {
        Ok(search) => search,
        Err(refusal) => return refused(refusal),
    };
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let after = match position(search.after.as_deref()) {
        Ok(after) => after,
        Err(problem) => return sorry(problem),
    };
    let request = RunsRequest {
        job: given(&search.job),
        outcome: given(&search.outcome),
        after,
        page: Some(PAGE),
        ..RunsRequest::default()
    };
    let ask = move |question: &Question| Ok((Frame::of(question, &access), question.runs(request)?));
    match asker.with(ask, &by).await {
        Ok((frame, listed)) => frame.page("Runs", "/runs", runs(&frame, &search, listed)),
        Err(problem) => sorry(problem),
    }
}

fn runs(frame: &Frame, search: &Search, listed: Listed<RunView, RunPosition>) -> Markup {
    let (job, outcome) =
        (search.job.as_deref().unwrap_or_default(), search.outcome.as_deref().unwrap_or_default());
    let next = cursor(listed.next).map(|next| {
        format!("/runs?job={}&outcome={}&after={}", encoded(job), encoded(outcome), encoded(&next))
    });
    html! {
        h1 { "Runs" }
        p.lead { "All runs and their outcomes, the newest first." }
        form.search method="get" action="/runs" role="search" {
            div { label for="job" { "Job" } input id="job" name="job" value=(job); }
            div { label for="outcome" { "Outcome" } select id="outcome" name="outcome" {
                @for word in OUTCOMES { option value=(word) selected[word == outcome] { (if word.is_empty() { "all" } else { word }) } }
            } }
            button type="submit" { "Search" }
        }
        section aria-label="Runs" {
            div id="runs" data-live {
                @if listed.items.is_empty() { p.empty { br; "No runs match." } } @else { (frame.runs(&listed.items, true)) }
            }
            @if let Some(next) = next { div.pages { a.button href=(next) rel="next" { "Earlier runs" } } }
        }
    }
}

pub(super) async fn page(
    State(asker): State<Asker>,
    State(access): State<Arc<Access>>,
    Extension(Who(by)): Extension<Who>,
    Path(run): Path<String>,
    store: Result<Query<OfStore>, Refusal>,
) -> Response {
    let store = match store {
        Ok(Query(OfStore { store })) => store,
        Err(refusal) => return refused(refusal),
    };
    let Ok(run) = run.parse() else {
        return sorry(Problem::new(ProblemKind::NotFound, format!("{run:?} is no number of a run")));
    };
    let ask = move |question: &Question| {
        let view: RunView = question.ask_for(Request::Run { run, store })?;
        Ok((Frame::of(question, &access), view))
    };
    match asker.with(ask, &by).await {
        Ok((frame, view)) => frame.page(&format!("Run {run}"), "/runs", run_page(&frame, &view)),
        Err(problem) => sorry(problem),
    }
}

fn run_page(frame: &Frame, view: &RunView) -> Markup {
    let run = &view.run;
    let is_running = run.outcome.is_none();
    html! {
        div id="run" data-live {
            div.head {
                div {
                    h1 { "Run " (run.id) " of " a.quiet href=(job_path(run.job.as_str())) { (run.job) } }
                    p.lead { (outcome(view)) @if let Some(took) = took(view) { " in " (display::span(took)) } }
                }
                @if view.state == Some(RunState::Running) || view.state == Some(RunState::Queued) {
                    (frame.button(&cancel_path(view), "Cancel", &format!("run {}", run.id), "danger"))
                }
            }
            @if let Some(message) = &run.message { p class=(if super::layout::kind(view) == "bad" { "alert-box" } else { "note-box" }) { (message) } }
            section aria-labelledby="facts-title" {
                header { h2 id="facts-title" { "Run" } }
                div.body { dl.facts {
                    dt { "due" } dd { (frame.time(run.fires.first)) @if run.fires.count > 1 { " to " (frame.time(run.fires.last)) ", " (run.fires.count) " fires" } }
                    @if let Some(started) = run.started { dt { "began" } dd { (frame.time(started)) @if let Some(late) = late(view) { span.muted { ", " (late) " late" } } } }
                    @if let Some(finished) = run.finished { dt { "ended" } dd { (frame.time(finished)) } }
                    dt { "attempt" } dd { (run.attempt) }
                    @if run.manual { dt { "started" } dd { "manually" } }
                    @if let Some(cause) = view.cause() { dt { "follows" } dd { @if let Some(number) = run.cause { a href=(run_path_of(number.0, view.store.as_deref())) { (cause) } } } }
                    @if let Some(node) = &view.node { dt { "node" } dd { (node) } }
                    @if let Some(store) = &view.store { dt { "store" } dd { (store) } }
                    @if let Some(result) = &run.result { dt { "result" } dd { code { (result) } } }
                } }
            }
        }
        section aria-labelledby="output-title" {
            header { h2 id="output-title" { "Output" } @if is_running { span.note { "live: the end of it" } } }
            div id="output" data-output=[is_running.then(|| output_path(view))] {
                @match &run.output {
                    Some(output) => pre.output tabindex="0" aria-label="Output" { (output) },
                    None => p.empty { (if is_running { "It has printed nothing yet." } else { "It has printed nothing." }) },
                }
            }
        }
    }
}

/// Where the output of a run is sent while it runs.
fn output_path(view: &RunView) -> String {
    let store = view.store.as_deref().map(|store| format!("?store={}", encoded(store)));
    format!("/api/v1/runs/{}/output{}", view.run.id.0, store.unwrap_or_default())
}

fn late(view: &RunView) -> Option<String> {
    let late = view.run.started? - view.run.fires.last;
    (late >= chrono::TimeDelta::milliseconds(1)).then(|| display::span(late))
}
