//! The schedulers that share a store, and the settings as they are in force.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::Response;
use matins_control::{HistoryEntry, NodeView, Request, Status, StoreInfo, display};
use maud::{Markup, html};

use super::layout::Frame;
use super::{job, sorry};
use crate::Address;
use crate::access::{Access, Who};
use crate::ask::{Asker, Question};

pub(super) async fn nodes(
    State(asker): State<Asker>,
    State(access): State<Arc<Access>>,
    Extension(Who(by)): Extension<Who>,
) -> Response {
    let ask = move |question: &Question| {
        let status: Status = question.ask_for(Request::Status)?;
        Ok((Frame::of(question, &access), status))
    };
    match asker.with(ask, &by).await {
        Ok((frame, status)) => frame.page("Nodes", "/nodes", node_list(&frame, &status.nodes)),
        Err(problem) => sorry(problem),
    }
}

fn node_list(frame: &Frame, nodes: &[NodeView]) -> Markup {
    html! {
        h1 { "Nodes" }
        p.lead { "The schedulers that share the store." }
        section aria-label="Nodes" { div id="nodes" data-live {
            @if nodes.is_empty() {
                p.empty { br; "The store is not shared: this scheduler is alone. Several share a store on PostgreSQL." }
            } @else { table.stack {
                thead { tr {
                    th scope="col" { "Node" } th scope="col" { "State" } th scope="col" { "Lease" } th.number scope="col" { "Running" } th scope="col" { "Joined" } th scope="col" { "Clock" } th scope="col" { "Version" }
                } }
                tbody { @for node in nodes { tr {
                    td.name { (node.label) " " span.muted { (node.id) } @if node.is_self { small { "answers here" } } }
                    td { span class={ "badge " (match node.state.as_str() { "up" => "good", "late" => "warn", _ => "bad" }) } { (node.state.as_str()) } }
                    td.time data-label="lease" { (format!("{:.1} s", node.lease_left_seconds)) @if node.lease_left_seconds < 0.0 { " (ended)" } }
                    td.number data-label="running" { (node.running) }
                    td.time data-label="joined" { (frame.time(node.joined)) }
                    td.time data-label="clock" { @if let Some(offset) = node.clock_offset_seconds { (format!("{offset:+.3} s")) } }
                    td { (node.version) small { (node.tz_database) } }
                } } }
            } }
        } }
    }
}

pub(super) async fn settings(
    State(asker): State<Asker>,
    State(access): State<Arc<Access>>,
    State(address): State<Arc<Address>>,
    Extension(Who(by)): Extension<Who>,
) -> Response {
    let you = by.clone();
    let ask = move |question: &Question| {
        let status: Status = question.ask_for(Request::Status)?;
        let info: StoreInfo = question.ask_for(Request::Info)?;
        let history: Vec<HistoryEntry> =
            question.operator.history().entries().into_iter().rev().take(20).collect();
        Ok((Frame::of(question, &access), status, info, history))
    };
    match asker.with(ask, &by).await {
        Ok((frame, status, info, history)) => {
            let shown = in_force(&frame, &status, &info, &address, &you);
            let content = html! { (shown) (changes(&frame, &history)) };
            frame.page("Settings", "/settings", content)
        }
        Err(problem) => sorry(problem),
    }
}

fn in_force(frame: &Frame, status: &Status, info: &StoreInfo, address: &Address, you: &str) -> Markup {
    html! {
        h1 { "Settings" }
        p.lead { "The settings in force. To change them, use the configuration or the command line." }
        div.columns {
            section aria-labelledby="scheduler-title" {
                header { h2 id="scheduler-title" { "Scheduler" } }
                div.body { dl.facts {
                    dt { "version" } dd { (status.version) }
                    dt { "process" } dd { (status.pid) }
                    @if let Some(application) = &status.application { dt { "embedded in" } dd { (application) } }
                    dt { "since" } dd { (frame.time(status.since)) }
                    dt { "state" } dd { (status.state) }
                    dt { "time zone" } dd { (status.timezone) }
                    dt { "tz database" } dd { (status.tz_database) @for problem in &status.tz_problems { br; (problem) } }
                    @for orphan in &status.orphans { dt { "orphan" } dd { (orphan.job) ": " (orphan.describe()) } }
                } }
            }
            section aria-labelledby="store-title" {
                header { h2 id="store-title" { "Store" } }
                div.body { dl.facts {
                    dt { "store" } dd { code { (info.store) } }
                    dt { "jobs" } dd { (info.jobs) @if info.paused > 0 { ", " (info.paused) " paused" } }
                    dt { "runs in the ledger" } dd { (info.runs) }
                    @if let Some(oldest) = info.oldest_run { dt { "the oldest" } dd { (frame.time(oldest)) } }
                    @for (file, length) in &info.files { dt { (file) } dd { (bytes(*length)) } }
                    @if let Some(shared) = &info.shared { dt { "server" } dd { (shared.server) } dt { "tables" } dd { (shared.place) ", format " (shared.format) } }
                    @for what in &info.quarantined { dt { "quarantined" } dd { (what) } }
                } }
            }
        }
        section aria-labelledby="server-title" {
            header { h2 id="server-title" { "This page" } }
            div.body { dl.facts {
                dt { "listens at" } dd { code { (address) } }
                dt { "who may use it" } dd {
                    @if frame.access.token.is_some() { "any client that has the token" } @else { "the user of the scheduler, and root" }
                    @if frame.access.is_read_only { "; read-only" }
                }
                @if !frame.access.hosts.is_empty() { dt { "names" } dd { (frame.access.hosts.join(", ")) } }
                dt { "you are" } dd { (you) }
                dt { "API" } dd { a href="/api/v1/openapi.json" { "/api/v1/openapi.json" } }
            } }
        }
    }
}

fn changes(frame: &Frame, history: &[HistoryEntry]) -> Markup {
    html! {
        section aria-labelledby="history-title" {
            header { h2 id="history-title" { "History" } span.note { "who changed what" } }
            div id="history" data-live {
                @if history.is_empty() { p.empty { "Nothing is recorded." } } @else { table.stack {
                    thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "Job" } th scope="col" { "Who" } } }
                    tbody { @for entry in history { tr {
                        td.time { (frame.time(entry.at)) }
                        td { (job::what(&entry.what)) }
                        td.name { @if let Some(id) = entry.what.job() { a.quiet href=(super::layout::job_path(id)) { (id) } } }
                        td.wide { (entry.by) }
                    } } }
                } }
            }
        }
    }
}

fn bytes(length: u64) -> String {
    match length {
        0..10_000 => display::counted(usize::try_from(length).unwrap_or_default(), "byte"),
        10_000..10_000_000 => format!("{} kB", length / 1000),
        length => format!("{} MB", length / 1_000_000),
    }
}
