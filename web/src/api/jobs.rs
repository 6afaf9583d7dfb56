//! Jobs: listed, added, changed, paused, run and explained.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderName, StatusCode, header};
use chrono::{DateTime, Utc};
use matins_control::display::zone_of;
use matins_control::{
    Explanation, JobView, JobsOrder, JobsRequest, Problem, ProblemKind, Request, RunsRequest,
};
use matins_core::OnConflict;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::views::{Job, JobPage, Run};
use super::{Body, Query, cursor, page, position};
use crate::access::Who;
use crate::ask::Asker;
use crate::problem::{ProblemDocument, Refusal};

/// Which jobs are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct JobsQuery {
    /// Only those whose id begins so.
    prefix: Option<String>,
    /// Only those with this tag.
    tag: Option<String>,
    /// Only those that are paused, or only those that are not.
    paused: Option<bool>,
    /// `id` (the default), or `next_fire`.
    #[serde(default)]
    #[param(value_type = String)]
    order: JobsOrder,
    /// `next` of the page before.
    after: Option<String>,
    /// How many at most: 50 unless it is given, and never more than 1000.
    limit: Option<usize>,
}

/// Lists jobs.
#[utoipa::path(get, path = "/jobs", operation_id = "list_jobs", tag = "jobs", params(JobsQuery),
    responses((status = 200, body = JobPage), (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(asker): State<Asker>,
    Extension(Who(by)): Extension<Who>,
    Query(query): Query<JobsQuery>,
) -> Result<Json<JobPage>, Refusal> {
    let request = JobsRequest {
        prefix: query.prefix,
        tag: query.tag,
        paused: query.paused,
        order: query.order,
        after: position(query.after.as_deref())?,
        page: Some(page(query.limit)),
    };
    let listed = asker.with(|question| question.jobs(request), &by).await?;
    let items = listed.items.into_iter().map(Job::from).collect();
    Ok(Json(JobPage { items, next: cursor(listed.next) }))
}

/// Adds a job that runs a command.
///
/// The body has the keys of a job in a configuration, and `id`: `{"id": "hello", "every": "5m", "shell": "echo hello"}`.
#[utoipa::path(post, path = "/jobs", operation_id = "add_job", tag = "jobs",
    request_body(content = ref("#/components/schemas/NewJob"), content_type = "application/json"),
    responses((status = 201, body = Job, headers(("location" = String, description = "Where the job is"))),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn add(
    State(asker): State<Asker>,
    Extension(Who(by)): Extension<Who>,
    Body(keys): Body<Map<String, Value>>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Job>), Refusal> {
    let view = added(&asker, &by, keys).await?;
    let location = format!("/api/v1/jobs/{}", utf8_percent_encode(view.job.id.as_str(), NON_ALPHANUMERIC));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(view.into())))
}

/// Adds the job of these keys and of `id` among them.
pub(crate) async fn added(asker: &Asker, by: &str, mut keys: Map<String, Value>) -> Result<JobView, Problem> {
    let Some(Value::String(job)) = keys.remove("id") else {
        return Err(Problem::bad("a job needs an id: a text in the field `id`"));
    };
    let request = Request::Add { job, keys, on_conflict: OnConflict::Refuse };
    asker.with(|question| question.ask_for::<JobView>(request), by).await.map_err(|problem| {
        // The option of the command is no help here.
        let message = problem.message.replace(", or add it with --replace", "");
        Problem::new(problem.kind, message)
    })
}

/// Describes a job.
#[utoipa::path(get, path = "/jobs/{id}", operation_id = "get_job", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Job), (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn get(
    State(asker): State<Asker>,
    Extension(Who(by)): Extension<Who>,
    Path(job): Path<String>,
) -> Result<Json<Job>, Refusal> {
    let request = Request::Job { job };
    let view = asker.with(|question| question.ask_for::<JobView>(request), &by).await?;
    Ok(Json(view.into()))
}

/// Changes some keys of a job.
///
/// What is not named stays as it is; `null` is a key's default.
#[utoipa::path(patch, path = "/jobs/{id}", operation_id = "edit_job", tag = "jobs", params(("id" = String, Path)),
    request_body(content = ref("#/components/schemas/JobSpec"), content_type = "application/json"),
    responses((status = 200, body = Job), (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn edit(
    State(asker): State<Asker>,
    Extension(Who(by)): Extension<Who>,
    Path(job): Path<String>,
    Body(keys): Body<Map<String, Value>>,
) -> Result<Json<Job>, Refusal> {
    let request = Request::Edit { job, keys };
    let view = asker.with(|question| question.ask_for::<JobView>(request), &by).await?;
    Ok(Json(view.into()))
}

/// Removes a job. Its runs stay in the ledger.
#[utoipa::path(delete, path = "/jobs/{id}", operation_id = "remove_job", tag = "jobs", params(("id" = String, Path)),
    responses((status = 204), (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn remove(
    State(asker): State<Asker>,
    Extension(Who(by)): Extension<Who>,
    Path(job): Path<String>,
) -> Result<StatusCode, Refusal> {
    asker.ask(Request::Remove { job }, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Pauses a job: it does not fire until it is resumed.
#[utoipa::path(post, path = "/jobs/{id}/pause", operation_id = "pause_job", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Job), (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn pause(
    State(asker): State<Asker>,
    Extension(Who(by)): Extension<Who>,
    Path(job): Path<String>,
) -> Result<Json<Job>, Refusal> {
    changed(&asker, &by, Request::Pause { job: job.clone() }, job).await
}

/// Resumes a paused job.
#[utoipa::path(post, path = "/jobs/{id}/resume", operation_id = "resume_job", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Job), (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn resume(
    State(asker): State<Asker>,
    Extension(Who(by)): Extension<Who>,
    Path(job): Path<String>,
) -> Result<Json<Job>, Refusal> {
    changed(&asker, &by, Request::Resume { job: job.clone() }, job).await
}

async fn changed(asker: &Asker, by: &str, request: Request, job: String) -> Result<Json<Job>, Refusal> {
    let ask = |question: &crate::ask::Question| {
        question.ask(request)?;
        question.ask_for::<JobView>(Request::Job { job })
    };
    Ok(Json(asker.with(ask, by).await?.into()))
}

/// Starts a run of a job now, in addition to its schedule.
///
/// The answer is the job's newest run, which may still wait for its executor.
#[utoipa::path(post, path = "/jobs/{id}/run", operation_id = "run_job", tag = "jobs", params(("id" = String, Path)),
    responses((status = 202, body = Run), (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn run(
    State(asker): State<Asker>,
    Extension(Who(by)): Extension<Who>,
    Path(job): Path<String>,
) -> Result<(StatusCode, Json<Run>), Refusal> {
    let ask = |question: &crate::ask::Question| {
        question.ask(Request::Now { job: job.clone(), wait: false })?;
        let newest = RunsRequest { job: Some(job), page: Some(1), limit: 1, ..RunsRequest::default() };
        let newest = question.runs(newest)?.items.pop();
        newest.ok_or_else(|| Problem::new(ProblemKind::NotFound, "the run has been removed already"))
    };
    let run = asker.with(ask, &by).await?;
    Ok((StatusCode::ACCEPTED, Json(run.into())))
}

/// The time that is asked about.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WhyQuery {
    /// `2026-03-29T02:30` in the job's zone, or with an offset; `02:30` is today's.
    at: String,
}

/// What happened, or will happen, to a job at a time, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Why {
    /// What kind of explanation it is: `ran`, `paused`, `in_gap` and the like.
    kind: Value,
    /// Sentences for people.
    sentences: Vec<String>,
    /// The job.
    job: String,
    /// The fire time that the answer is about, or the time that was asked about.
    at: DateTime<Utc>,
    /// The run that came of it.
    run: Option<u64>,
    /// The last fire before that time, if there is no fire at it.
    fire_before: Option<DateTime<Utc>>,
    /// The first fire after that time, if there is no fire at it.
    fire_after: Option<DateTime<Utc>>,
}

/// Explains what happened, or will happen, to a job at a time.
#[utoipa::path(get, path = "/jobs/{id}/why", operation_id = "explain_job", tag = "jobs", params(("id" = String, Path), WhyQuery),
    responses((status = 200, body = Why), (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn why(
    State(asker): State<Asker>,
    Extension(Who(by)): Extension<Who>,
    Path(job): Path<String>,
    Query(WhyQuery { at }): Query<WhyQuery>,
) -> Result<Json<Why>, Refusal> {
    let request = Request::Why { job, at };
    let why = asker.with(|question| question.ask_for::<Explanation>(request), &by).await?;
    Ok(Json(Why {
        kind: serde_json::to_value(why.kind).unwrap_or_default(),
        sentences: why.sentences,
        job: why.job,
        at: why.at,
        run: why.run,
        fire_before: why.fire_before,
        fire_after: why.fire_after,
    }))
}

/// How many fire times are answered.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FiresQuery {
    /// How many: 10 unless it is given, and never more than 1000.
    count: Option<usize>,
}

/// The next fire times of a job.
#[allow(clippy::struct_field_names, reason = "the names are those of the API")]
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Fires {
    /// The job.
    job: String,
    /// The zone of the local times.
    timezone: String,
    /// The fire times, the next one first.
    fires: Vec<Fire>,
}

/// A fire time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Fire {
    /// The instant.
    at: DateTime<Utc>,
    /// The same as a local time, with its offset.
    local: String,
}

/// Lists the next fire times of a job, also as local times.
#[utoipa::path(get, path = "/jobs/{id}/fires", operation_id = "list_fires", tag = "jobs", params(("id" = String, Path), FiresQuery),
    responses((status = 200, body = Fires), (status = "default", body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn fires(
    State(asker): State<Asker>,
    Extension(Who(by)): Extension<Who>,
    Path(id): Path<String>,
    Query(FiresQuery { count }): Query<FiresQuery>,
) -> Result<Json<Fires>, Refusal> {
    let count = count.unwrap_or(10).min(1000);
    let ask = move |question: &crate::ask::Question| {
        let job = question.operator.job(&id)?;
        let zone = zone_of(&*job.trigger).unwrap_or(question.operator.time_zone());
        let instants = std::iter::successors(job.next_fire, |last| job.trigger.next_after(*last));
        let fire = |at: DateTime<Utc>| Fire { at, local: zone.with_offset(at).to_rfc3339() };
        let fires = instants.take(count).map(fire).collect();
        Ok(Fires { job: id, timezone: zone.to_string(), fires })
    };
    Ok(Json(asker.with(ask, &by).await?))
}
