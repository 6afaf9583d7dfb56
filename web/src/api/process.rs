//! The scheduler and its process: its state, its nodes, its store, its history, and what happens.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::Response;
use matins_control::{HistoryEntry, NodeView, Request, Status, StoreInfo};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::views::{Node, StatusBody};
use super::{Query, page};
use crate::access::{Access, Who};
use crate::ask::Asker;
use crate::events::{self, Events};
use crate::problem::{ProblemDocument, Refusal};
use crate::routes::Listeners;

/// Describes the scheduler.
#[utoipa::path(get, path = "/status", operation_id = "get_status", tag = "scheduler",
    responses((status = 200, body = StatusBody), (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn status(
    State(asker): State<Asker>,
    State(access): State<Arc<Access>>,
    Extension(Who(by)): Extension<Who>,
) -> Result<Json<StatusBody>, Refusal> {
    let status = asker.with(|question| question.ask_for::<Status>(Request::Status), &by).await?;
    Ok(Json(StatusBody::of(status, access.is_read_only)))
}

/// Lists the schedulers that share the store.
#[utoipa::path(get, path = "/nodes", operation_id = "list_nodes", tag = "scheduler",
    responses((status = 200, body = Vec<Node>), (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn nodes(
    State(asker): State<Asker>,
    Extension(Who(by)): Extension<Who>,
) -> Result<Json<Vec<Node>>, Refusal> {
    let status = asker.with(|question| question.ask_for::<Status>(Request::Status), &by).await?;
    Ok(Json(status.nodes.into_iter().map(|node: NodeView| node.into()).collect()))
}

/// Counts what the stores hold.
#[utoipa::path(get, path = "/store", operation_id = "get_store", tag = "scheduler",
    responses((status = 200, body = Object), (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn store(
    State(asker): State<Asker>,
    Extension(Who(by)): Extension<Who>,
) -> Result<Json<Value>, Refusal> {
    let info = asker.with(|question| question.ask_for::<StoreInfo>(Request::Info), &by).await?;
    Ok(Json(json!(info)))
}

/// How many entries of the history are answered.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// Only those about this job.
    job: Option<String>,
    /// How many at most: 50 unless it is given, and never more than 1000.
    limit: Option<usize>,
}

/// Lists who has paused, changed, started or removed which job, and when the scheduler was running; the newest first.
#[utoipa::path(get, path = "/history", operation_id = "list_history", tag = "scheduler", params(HistoryQuery),
    responses((status = 200, body = Vec<Object>), (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn history(
    State(asker): State<Asker>,
    Extension(Who(by)): Extension<Who>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<Vec<HistoryEntry>>, Refusal> {
    let ask = move |question: &crate::ask::Question| {
        let entries = question.operator.history().entries();
        let of_job = |entry: &HistoryEntry| query.job.is_none() || entry.what.job() == query.job.as_deref();
        Ok(entries.into_iter().rev().filter(of_job).take(page(query.limit)).collect())
    };
    Ok(Json(asker.with(ask, &by).await?))
}

/// Sends what happens, from now on, as server-sent events.
///
/// Each has the name of the event, and the event in JSON as its data. A client that is too slow is sent `lost`.
#[utoipa::path(get, path = "/events", operation_id = "follow_events", tag = "scheduler",
    responses((status = 200, content_type = "text/event-stream", body = String),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn events(
    State(events): State<Events>,
    State(listeners): State<Listeners>,
) -> Result<Response, Refusal> {
    Ok(events::response(&events, listeners.take()?))
}
