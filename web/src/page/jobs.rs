//! The list of jobs, and the form that adds one.

use std::sync::Arc;

use axum::extract::{Extension, Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use matins_control::{JobView, JobsOrder, JobsRequest, PagePosition, Problem, display};
use matins_core::JobState;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::layout::{Frame, encoded, job_path};
use super::{refused, sorry};
use crate::access::{Access, Who};
use crate::api::{PAGE, Query, added, cursor, position};
use crate::ask::{Asker, Listed, Question};
use crate::problem::Refusal;

/// The filters of the search form.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Search {
    prefix: Option<String>,
    tag: Option<String>,
    /// `paused`, `active`, or all.
    state: Option<String>,
    #[serde(default)]
    order: JobsOrder,
    after: Option<String>,
}

impl Search {
    fn request(&self) -> Result<JobsRequest, Problem> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Ok(JobsRequest {
            prefix: given(&self.prefix),
            tag: given(&self.tag),
            paused: match self.state.as_deref() {
                Some("paused") => Some(true),
                Some("active") => Some(false),
                _ => None,
            },
            order: self.order,
            after: position(self.after.as_deref())?,
            page: Some(PAGE),
        })
    }

    fn path(&self, after: &str) -> String {
        let order = if self.order == JobsOrder::NextFire { "next_fire" } else { "id" };
        let part = |name: &str, value: &Option<String>| {
            let value = value.as_deref().unwrap_or_default();
            if value.is_empty() { String::new() } else { format!("&{name}={}", encoded(value)) }
        };
        format!(
            "/jobs?order={order}{}{}{}&after={}",
            part("prefix", &self.prefix),
            part("tag", &self.tag),
            part("state", &self.state),
            encoded(after)
        )
    }
}

pub(super) async fn page(
    State(asker): State<Asker>,
    State(access): State<Arc<Access>>,
    Extension(Who(by)): Extension<Who>,
    search: Result<Query<Search>, Refusal>,
) -> Response {
    let Query(search) = match search {
        Ok(search) => search,
        Err(refusal) => return refused(refusal),
    };
    let request = match search.request() {
        Ok(request) => request,
        Err(problem) => return sorry(problem),
    };
    let ask = move |question: &Question| Ok((Frame::of(question, &access), question.jobs(request)?));
    match asker.with(ask, &by).await {
        Ok((frame, listed)) => frame.page("Jobs", "/jobs", list(&frame, &search, listed)),
        Err(problem) => sorry(problem),
    }
}

fn list(frame: &Frame, search: &Search, listed: Listed<JobView, PagePosition>) -> Markup {
    let next = cursor(listed.next);
    let option = |value: &str, name: &str, current: &str| {
        html! { option value=(value) selected[value == current] { (name) } }
    };
    let state = search.state.as_deref().unwrap_or_default();
    let order = if search.order == JobsOrder::NextFire { "next_fire" } else { "id" };
    html! {
        div.head {
            div { h1 { "Jobs" } p.lead { "All jobs, and when they fire next." } }
            @if !frame.access.is_read_only { a.button.main href="/jobs/new" { "Add a job" } }
        }
        form.search method="get" action="/jobs" role="search" {
            div { label for="prefix" { "Id begins with" } input id="prefix" name="prefix" value=(search.prefix.as_deref().unwrap_or_default()); }
            div { label for="tag" { "Tag" } input id="tag" name="tag" value=(search.tag.as_deref().unwrap_or_default()); }
            div { label for="filter" { "State" } select id="filter" name="state" {
                (option("", "all", state)) (option("active", "active", state)) (option("paused", "paused", state))
            } }
            div { label for="order" { "Order" } select id="order" name="order" {
                (option("id", "by id", order)) (option("next_fire", "by next fire", order))
            } }
            button type="submit" { "Search" }
        }
        section aria-label="Jobs" {
            div id="jobs" data-live {
                @if listed.items.is_empty() { p.empty { br; "No jobs match." } } @else { (table(frame, &listed.items)) }
            }
            @if let Some(next) = &next { div.pages { a.button href=(search.path(next)) rel="next" { "Next page" } } }
        }
    }
}

fn table(frame: &Frame, jobs: &[JobView]) -> Markup {
    html! {
        table.stack {
            thead { tr {
                th scope="col" { "Job" } th scope="col" { "When" } th scope="col" { "Next fire" } th scope="col" { span.hidden { "Actions" } }
            } }
            tbody { @for view in jobs {
                @let job = &view.job;
                @let path = job_path(job.id.as_str());
                tr {
                    td.name {
                        a href=(path) { (job.id) }
                        @if job.state == JobState::Paused { " " span.badge.warn { "paused" } }
                        @if !job.tags.is_empty() { div { @for tag in &job.tags { a.tag href={ "/jobs?tag=" (encoded(tag)) } { (tag) } } } }
                    }
                    td.wide { (display::trigger(&*job.trigger, frame.zone)) }
                    td.time { @if let Some(at) = job.next_fire { (frame.time(at)) (frame.relative(at)) } @else { span.muted { "none" } } }
                    td.actions { (pause_or_resume(frame, view)) (frame.button(&format!("{path}/run"), "Run now", job.id.as_str(), "")) }
                }
            } }
        }
    }
}

pub(super) fn pause_or_resume(frame: &Frame, view: &JobView) -> Markup {
    let path = job_path(view.job.id.as_str());
    let (action, label) =
        if view.job.state == JobState::Paused { ("resume", "Resume") } else { ("pause", "Pause") };
    frame.button(&format!("{path}/{action}"), label, view.job.id.as_str(), "")
}

/// The fields of the form that adds a job.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NewJob {
    csrf: String,
    id: String,
    when: String,
    time: String,
    timezone: String,
    shell: String,
    tags: String,
    time_limit: String,
    overlap: String,
    paused: Option<String>,
}

const WHEN: [(&str, &str); 5] = [
    ("every", "at an interval: 5m"),
    ("cron", "cron: 0 9 * * MON-FRI"),
    ("at", "once, at: 2026-12-24T18:00"),
    ("in", "once, in: 10m"),
    ("after", "after another job: backup"),
];

const OVERLAP: [(&str, &str); 2] = [("skip", "skip the fire"), ("queue_one", "wait until it ends")];

impl NewJob {
    fn keys(&self) -> Map<String, Value> {
        let mut keys = Map::new();
        keys.insert("id".to_owned(), json!(self.id.trim()));
        if WHEN.iter().any(|(key, _)| *key == self.when) {
            keys.insert(self.when.clone(), json!(self.time.trim()));
        }
        keys.insert("shell".to_owned(), json!(self.shell.trim().replace("\r\n", "\n")));
        for (key, value) in [("timezone", &self.timezone), ("time_limit", &self.time_limit)] {
            if !value.trim().is_empty() {
                keys.insert(key.to_owned(), json!(value.trim()));
            }
        }
        let tags: Vec<&str> = self.tags.split_whitespace().collect();
        if !tags.is_empty() {
            keys.insert("tags".to_owned(), json!(tags));
        }
        if !self.overlap.is_empty() {
            keys.insert("overlap".to_owned(), json!(self.overlap));
        }
        if self.paused.is_some() {
            keys.insert("paused".to_owned(), json!(true));
        }
        keys
    }
}

pub(super) async fn form(
    State(asker): State<Asker>,
    State(access): State<Arc<Access>>,
    Extension(Who(by)): Extension<Who>,
) -> Response {
    show_form(&asker, &access, &by, NewJob::default(), None).await
}

async fn show_form(
    asker: &Asker,
    access: &Arc<Access>,
    by: &str,
    job: NewJob,
    problem: Option<Problem>,
) -> Response {
    let access = access.clone();
    match asker.with(move |question| Ok(Frame::of(question, &access)), by).await {
        Ok(frame) => {
            let status = problem.as_ref().map(|problem| Refusal::from(problem.clone()).status);
            let mut response = frame.page("Add a job", "/jobs", new_job(&frame, &job, problem.as_ref()));
            if let Some(status) = status {
                *response.status_mut() = status;
            }
            response
        }
        Err(problem) => sorry(problem),
    }
}

fn new_job(frame: &Frame, job: &NewJob, problem: Option<&Problem>) -> Markup {
    html! {
        h1 { "Add a job" }
        p.lead { "The job runs a command on the machine of the scheduler, as its user." }
        @if let Some(problem) = problem { p.alert-box role="alert" { (problem.message) } }
        section { div.body { br;
            form.fields method="post" action="/jobs" {
                (frame.secret())
                label for="id" { "Id" }
                div { input id="id" name="id" required value=(job.id) autocomplete="off" spellcheck="false"; }
                label for="when" { "When" }
                div.pair {
                    select id="when" name="when" { @for (key, name) in WHEN { option value=(key) selected[key == job.when] { (name) } } }
                    input name="time" required aria-label="Time, expression or job" value=(job.time) autocomplete="off" spellcheck="false";
                }
                label for="timezone" { "Time zone" }
                div { input id="timezone" name="timezone" value=(job.timezone) placeholder=(frame.zone) autocomplete="off"; }
                label for="shell" { "Command" }
                div { textarea id="shell" name="shell" rows="3" required spellcheck="false" { (job.shell) } p.hint { "A line for /bin/sh." } }
                label for="time_limit" { "Time limit" }
                div { input id="time_limit" name="time_limit" value=(job.time_limit) placeholder="none" autocomplete="off"; p.hint { "A run that takes longer is stopped: 10m" } }
                label for="overlap" { "If the last run is still in progress" }
                div { select id="overlap" name="overlap" { @for (key, name) in OVERLAP { option value=(key) selected[key == job.overlap] { (name) } } } }
                label for="tags" { "Tags" }
                div { input id="tags" name="tags" value=(job.tags) autocomplete="off"; p.hint { "Words to find it by." } }
                span {}
                div.actions-row { button.main type="submit" { "Add the job" } a.button href="/jobs" { "Back" } }
            }
        } }
    }
}

pub(super) async fn add(
    State(asker): State<Asker>,
    State(access): State<Arc<Access>>,
    Extension(Who(by)): Extension<Who>,
    Form(job): Form<NewJob>,
) -> Response {
    if !access.is_own_form(&job.csrf) {
        return refused(super::forms::foreign());
    }
    match added(&asker, &by, job.keys()).await {
        Ok(view) => Redirect::to(&job_path(view.job.id.as_str())).into_response(),
        Err(problem) => show_form(&asker, &access, &by, job, Some(problem)).await,
    }
}
