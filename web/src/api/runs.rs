//! Runs: listed, described, cancelled.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use matins_control::{Request, RunView, RunsRequest};
use serde::Deserialize;
use utoipa::IntoParams;

use super::views::{Run, RunPage};
use super::{Query, cursor, page, position};
use crate::access::Who;
use crate::ask::Asker;
use crate::problem::{ProblemDocument, Refusal};

/// Which runs are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RunsQuery {
    /// Only those of this job.
    job: Option<String>,
    /// Only those with this outcome: `failed`, `timed out`, `missed: overlap` and the like; `missed` is all of those.
    outcome: Option<String>,
    /// Only those that were due at this instant or later.
    since: Option<DateTime<Utc>>,
    /// Only those that were due before this instant.
    until: Option<DateTime<Utc>>,
    /// `next` of the page before.
    after: Option<String>,
    /// How many at most: 50 unless it is given, and never more than 1000.
    limit: Option<usize>,
}

/// Lists runs, the newest first.
#[utoipa::path(get, path = "/runs", operation_id = "list_runs", tag = "runs", params(RunsQuery),
    responses((status = 200, body = RunPage), (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(asker): State<Asker>,
    Extension(Who(by)): Extension<Who>,
    Query(query): Query<RunsQuery>,
) -> Result<Json<RunPage>, Refusal> {
    let request = RunsRequest {
        job: query.job,
        outcome: query.outcome,
        since: query.since,
        until: query.until,
        limit: 0,
        after: position(query.after.as_deref())?,
        page: Some(page(query.limit)),
    };
    let listed = asker.with(|question| question.runs(request), &by).await?;
    let items = listed.items.into_iter().map(Run::from).collect();
    Ok(Json(RunPage { items, next: cursor(listed.next) }))
}

/// Which store's run is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StoreQuery {
    /// The store whose ledger has the run; needed if several have a run with this number.
    pub(super) store: Option<String>,
}

/// Describes a run, with what it has printed, up to now if it is in progress.
#[utoipa::path(get, path = "/runs/{id}", operation_id = "get_run", tag = "runs", params(("id" = u64, Path), StoreQuery),
    responses((status = 200, body = Run), (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn get(
    State(asker): State<Asker>,
    Extension(Who(by)): Extension<Who>,
    Path(run): Path<u64>,
    Query(StoreQuery { store }): Query<StoreQuery>,
) -> Result<Json<Run>, Refusal> {
    let request = Request::Run { run, store };
    let run = asker.with(|question| question.ask_for::<RunView>(request), &by).await?;
    Ok(Json(run.into()))
}

/// Cancels a run in progress.
///
/// How soon it stops depends on its work: a command is sent SIGTERM, and SIGKILL five seconds later.
#[utoipa::path(post, path = "/runs/{id}/cancel", operation_id = "cancel_run", tag = "runs", params(("id" = u64, Path), StoreQuery),
    responses((status = 202), (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn cancel(
    State(asker): State<Asker>,
    Extension(Who(by)): Extension<Who>,
    Path(run): Path<u64>,
    Query(StoreQuery { store }): Query<StoreQuery>,
) -> Result<StatusCode, Refusal> {
    asker.ask(Request::Cancel { run, store }, &by).await?;
    Ok(StatusCode::ACCEPTED)
}
