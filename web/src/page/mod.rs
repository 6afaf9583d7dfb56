//! The page: rendered here, readable without script, and kept up to date with a little of it.

mod forms;
mod job;
mod jobs;
mod layout;
mod login;
mod overview;
mod process;
mod runs;
mod timeline;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use matins_control::Problem;

use crate::problem::{Refusal, title};
use crate::routes::App;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(overview::page))
        .route("/jobs", get(jobs::page).post(jobs::add))
        .route("/jobs/new", get(jobs::form))
        .route("/jobs/{id}", get(job::page))
        .route("/jobs/{id}/{action}", post(forms::job))
        .route("/runs", get(runs::list))
        .route("/runs/{id}", get(runs::page))
        .route("/runs/{id}/cancel", post(forms::cancel))
        .route("/nodes", get(process::nodes))
        .route("/settings", get(process::settings))
        .route("/login", get(login::form).post(login::check))
        .route("/style.css", get(style))
        .route("/live.js", get(script))
        .route("/icon.svg", get(icon))
}

/// Answers with a page that says why a request was refused.
pub(crate) fn refused(refusal: Refusal) -> Response {
    layout::sorry(refusal.status, title(refusal.problem.kind), &refusal.problem.message)
}

/// The same, of a problem.
fn sorry(problem: Problem) -> Response {
    refused(problem.into())
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))
}

async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("live.js"))
}

/// A clock at the hour of matins.
async fn icon() -> impl IntoResponse {
    const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\"><circle cx=\"16\" cy=\"16\" r=\"14\" \
        fill=\"#2853b8\"/><path d=\"M16 7v9l6 4\" fill=\"none\" stroke=\"#fff\" stroke-width=\"3\" stroke-linecap=\"round\"/></svg>";
    ([(header::CONTENT_TYPE, "image/svg+xml")], ICON)
}
