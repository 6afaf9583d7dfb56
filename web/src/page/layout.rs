//! What all pages have in common: the frame, and how times, outcomes and buttons look.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use matins_control::{RunState, RunView, display};
use matins_core::Outcome;
use matins_scheduler::SchedulerState;
use matins_triggers::Zone;
use maud::{DOCTYPE, Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::access::Access;
use crate::ask::Question;

/// What stays as it is in a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a page is made with.
pub(super) struct Frame {
    pub(super) access: Arc<Access>,
    pub(super) zone: Zone,
    pub(super) now: DateTime<Utc>,
    state: &'static str,
}

impl Frame {
    pub(super) fn of(question: &Question, access: &Arc<Access>) -> Self {
        let state = match question.operator.handle().state() {
            SchedulerState::Running => "running",
            SchedulerState::Paused => "paused",
            SchedulerState::NotStarted => "starting",
            SchedulerState::ShuttingDown => "stopping",
            _ => "stopped",
        };
        Self {
            access: access.clone(),
            zone: question.operator.time_zone(),
            now: question.operator.now(),
            state,
        }
    }

    /// The whole page.
    pub(super) fn page(&self, title: &str, current: &str, content: Markup) -> Response {
        let kind = match self.state {
            "running" => "good",
            "paused" => "warn",
            _ => "bad",
        };
        let menu = [
            ("/", "Overview"),
            ("/jobs", "Jobs"),
            ("/runs", "Runs"),
            ("/nodes", "Nodes"),
            ("/settings", "Settings"),
        ];
        let bar = html! {
            nav aria-label="Pages" {
                @for (path, name) in menu {
                    a href=(path) aria-current=[(path == current).then_some("page")] { (name) }
                }
            }
            span.state id="state" data-live { "scheduler " span class={ "badge " (kind) } { (self.state) } }
        };
        let footer = html! {
            "Times of " (self.zone) ", as of " (display::local(self.now, self.zone)) "."
            @if self.access.is_read_only { " This page is read-only." }
        };
        frame(title, bar, content, footer).into_response()
    }

    /// A time, with how far it is from now.
    pub(super) fn time(&self, at: DateTime<Utc>) -> Markup {
        time_in(at, self.zone)
    }

    pub(super) fn relative(&self, at: DateTime<Utc>) -> Markup {
        html! { small { (display::relative(at, self.now)) } }
    }

    /// A form of one button; nothing where nothing may be changed.
    pub(super) fn button(&self, action: &str, label: &str, what: &str, class: &str) -> Markup {
        html! {
            @if !self.access.is_read_only {
                form method="post" action=(action) {
                    (self.secret())
                    button class=(class) { (label) span.hidden { " " (what) } }
                }
            }
        }
    }

    /// What shows that a form is this server's own.
    pub(super) fn secret(&self) -> Markup {
        html! { input type="hidden" name="csrf" value=(self.access.form_secret); }
    }

    /// A table of runs.
    pub(super) fn runs(&self, runs: &[RunView], with_job: bool) -> Markup {
        html! {
            table.stack {
                thead { tr {
                    th scope="col" { "Run" }
                    @if with_job { th scope="col" { "Job" } }
                    th scope="col" { "Due" }
                    th scope="col" { "Outcome" }
                    th scope="col" { "Took" }
                    th scope="col" { "Message" }
                } }
                tbody { @for run in runs { tr {
                    td data-label="Run" { a href=(run_path(run)) { (run.run.id) } }
                    @if with_job { td.name { a.quiet href=(job_path(run.run.job.as_str())) { (run.run.job) } } }
                    td.time { (self.time(run.run.scheduled())) }
                    td { (outcome(run)) @if run.run.attempt > 1 { small { "attempt " (run.run.attempt) } } }
                    td.time data-label=[took(run).map(|_| "took")] { @if let Some(took) = took(run) { (display::span(took)) } }
                    td.wide { @if let Some(message) = &run.run.message { (shortened(message)) } }
                } } }
            }
        }
    }
}

/// A time of a zone.
pub(super) fn time_in(at: DateTime<Utc>, zone: Zone) -> Markup {
    html! {
        time datetime=(at.to_rfc3339_opts(SecondsFormat::AutoSi, true)) { (display::local(at, zone)) }
    }
}

/// The frame of every page.
pub(super) fn frame(title: &str, bar: Markup, content: Markup, footer: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – Matins" }
                link rel="stylesheet" href="/style.css";
                link rel="icon" href="/icon.svg";
                script src="/live.js" defer {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top { div { a.brand href="/" { "Matins" } (bar) } }
                main #main { (content) }
                footer { (footer) }
            }
        }
    }
}

/// A page that says why there is no other.
pub(super) fn sorry(status: StatusCode, title: &str, message: &str) -> Response {
    let content = html! {
        h1 { (title) }
        p.lead { (message) }
        p { a href="/" { "To the overview" } }
    };
    (status, frame(title, html! {}, content, html! {})).into_response()
}

/// How a run ended, or what it does.
pub(super) fn outcome(run: &RunView) -> Markup {
    let words = match (run.run.outcome, run.state) {
        (Some(outcome), _) => outcome.as_str(),
        (None, state) => state.map_or("unknown", RunState::as_str),
    };
    let count = run.run.fires.count;
    html! {
        span class={ "badge " (kind(run)) } { (words) }
        @if count > 1 { small { (count) " fires" } }
    }
}

/// The kind of a run's outcome: the class of its color.
pub(super) fn kind(run: &RunView) -> &'static str {
    match run.run.outcome {
        Some(Outcome::Succeeded) => "good",
        Some(Outcome::Failed | Outcome::TimedOut | Outcome::Interrupted) => "bad",
        Some(Outcome::Missed(_)) => "warn",
        Some(_) => "calm",
        None => "busy",
    }
}

/// How long a run took, or has taken.
pub(super) fn took(run: &RunView) -> Option<TimeDelta> {
    Some(run.run.finished? - run.run.started?)
}

pub(super) fn job_path(id: &str) -> String {
    format!("/jobs/{}", utf8_percent_encode(id, PLAIN))
}

pub(super) fn run_path(run: &RunView) -> String {
    run_path_of(run.run.id.0, run.store.as_deref())
}

pub(super) fn run_path_of(run: u64, store: Option<&str>) -> String {
    let store = store.map(|store| format!("?store={}", utf8_percent_encode(store, PLAIN)));
    format!("/runs/{run}{}", store.unwrap_or_default())
}

pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// A message in a table is cut after so many characters; its run has all of it.
const SHORT: usize = 160;

fn shortened(message: &str) -> String {
    match message.char_indices().nth(SHORT) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}
