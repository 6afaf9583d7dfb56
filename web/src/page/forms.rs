//! What the buttons of the page do.

use std::sync::Arc;

use axum::extract::{Extension, Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use matins_control::{Problem, ProblemKind, Request};
use serde::Deserialize;

use super::layout::{job_path, run_path_of};
use super::{refused, sorry};
use crate::access::{Access, Who};
use crate::api::Query;
use crate::ask::Asker;
use crate::problem::Refusal;

/// What each form has.
#[derive(Debug, Deserialize)]
pub(super) struct Pressed {
    #[serde(default)]
    csrf: String,
}

/// A form that is not one of this server's.
pub(super) fn foreign() -> Refusal {
    Refusal::forbidden(
        "this form is not of this server, or of one that has ended since; go back, load the page again, and repeat",
    )
}

/// A button of a job.
pub(super) async fn job(
    State(asker): State<Asker>,
    State(access): State<Arc<Access>>,
    Extension(Who(by)): Extension<Who>,
    Path((job, action)): Path<(String, String)>,
    Form(Pressed { csrf }): Form<Pressed>,
) -> Response {
    if !access.is_own_form(&csrf) {
        return refused(foreign());
    }
    let path = job_path(&job);
    let (request, then) = match action.as_str() {
        "pause" => (Request::Pause { job }, path),
        "resume" => (Request::Resume { job }, path),
        "run" => (Request::Now { job, wait: false }, path),
        "remove" => (Request::Remove { job }, "/jobs".to_owned()),
        _ => return sorry(Problem::new(ProblemKind::NotFound, format!("there is no action {action:?}"))),
    };
    match asker.ask(request, &by).await {
        Ok(_) => Redirect::to(&then).into_response(),
        Err(problem) => sorry(problem),
    }
}

/// Which store's run is meant.
#[derive(Debug, Deserialize)]
pub(super) struct OfStore {
    pub(super) store: Option<String>,
}

/// Cancels a run.
pub(super) async fn cancel(
    State(asker): State<Asker>,
    State(access): State<Arc<Access>>,
    Extension(Who(by)): Extension<Who>,
    Path(run): Path<u64>,
    Query(OfStore { store }): Query<OfStore>,
    Form(Pressed { csrf }): Form<Pressed>,
) -> Response {
    if !access.is_own_form(&csrf) {
        return refused(foreign());
    }
    let then = run_path_of(run, store.as_deref());
    match asker.ask(Request::Cancel { run, store }, &by).await {
        Ok(_) => Redirect::to(&then).into_response(),
        Err(problem) => sorry(problem),
    }
}
