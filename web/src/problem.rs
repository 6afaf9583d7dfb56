//! Errors as problem documents: RFC 9457.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use matins_control::{Problem, ProblemKind};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was not done: a problem document of RFC 9457. Nothing has changed then.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument {
    /// What kind of problem it is, for programs: `urn:matins:problem:not_found`.
    #[serde(rename = "type")]
    kind: String,
    /// The kind in words.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is wrong and what to do, for people: the words of the command `matins`.
    detail: String,
}

/// A problem with the status of its answer.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) problem: Problem,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, kind: ProblemKind, message: impl Into<String>) -> Self {
        Self { status, problem: Problem::new(kind, message) }
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Problem::new(ProblemKind::Forbidden, message).into()
    }

    fn document(self) -> ProblemDocument {
        let name = serde_json::to_value(self.problem.kind).ok();
        let name = name.as_ref().and_then(|name| name.as_str()).unwrap_or("failed");
        ProblemDocument {
            kind: format!("urn:matins:problem:{name}"),
            title: title(self.problem.kind),
            status: self.status.as_u16(),
            detail: self.problem.message,
        }
    }
}

pub(crate) fn title(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::BadRequest => "The request is wrong",
        ProblemKind::UnknownCommand | ProblemKind::UnknownVersion => "Not known here",
        ProblemKind::NotFound => "Not found",
        ProblemKind::Conflict => "There is one already",
        ProblemKind::NoDaemon => "No scheduler is running",
        ProblemKind::Unsupported => "This process does not do that",
        ProblemKind::Busy => "Too busy",
        ProblemKind::Forbidden => "Not allowed",
        _ => "The scheduler failed",
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let status = match problem.kind {
            ProblemKind::BadRequest => StatusCode::UNPROCESSABLE_ENTITY,
            ProblemKind::UnknownCommand | ProblemKind::UnknownVersion | ProblemKind::NotFound => {
                StatusCode::NOT_FOUND
            }
            ProblemKind::Conflict => StatusCode::CONFLICT,
            ProblemKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
            ProblemKind::Busy | ProblemKind::NoDaemon => StatusCode::SERVICE_UNAVAILABLE,
            ProblemKind::Forbidden => StatusCode::FORBIDDEN,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, problem }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = (status, Json(self.document())).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
