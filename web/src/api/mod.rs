//! The API, in JSON: `/api/v1`. Its description in `OpenAPI` is made from what is here.

mod jobs;
mod output;
mod process;
mod runs;
mod views;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts};
use axum::{Json, Router, routing};
use matins_config::JobSpec;
use matins_control::{Problem, ProblemKind};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::{ProblemDocument, Refusal};
use crate::routes::App;

pub(crate) use jobs::added;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Matins",
        description = "Operates a job scheduler. Errors are problem documents (RFC 9457). Lists are answered in pages: `next` of a \
                       page is `after` of the following one. Secrets in commands and output are hidden.",
        license(name = "MIT OR Apache-2.0")
    ),
    components(schemas(ProblemDocument)),
    tags(
        (name = "jobs", description = "What runs, and when"),
        (name = "runs", description = "What has run, and how it ended"),
        (name = "scheduler", description = "The scheduler and its process")
    )
)]
struct Described;

fn described() -> OpenApiRouter<App> {
    let router = OpenApiRouter::with_openapi(Described::openapi());
    let api = OpenApiRouter::<App>::new()
        .routes(routes!(jobs::list, jobs::add))
        .routes(routes!(jobs::get, jobs::edit, jobs::remove))
        .routes(routes!(jobs::pause))
        .routes(routes!(jobs::resume))
        .routes(routes!(jobs::run))
        .routes(routes!(jobs::why))
        .routes(routes!(jobs::fires))
        .routes(routes!(runs::list))
        .routes(routes!(runs::get))
        .routes(routes!(runs::cancel))
        .routes(routes!(output::follow))
        .routes(routes!(process::status))
        .routes(routes!(process::nodes))
        .routes(routes!(process::store))
        .routes(routes!(process::history))
        .routes(routes!(process::events));
    router.nest("/api/v1", api)
}

pub(crate) fn routes() -> Router<App> {
    let (router, _) = described().split_for_parts();
    router.route("/api/v1/openapi.json", routing::get(async || Json(openapi())))
}

/// Returns the description of the API in `OpenAPI` 3.1, which is served at `/api/v1/openapi.json`.
///
/// ```
/// let openapi = matins_web::openapi();
/// assert!(openapi["paths"]["/api/v1/jobs/{id}/pause"]["post"].is_object());
/// assert!(openapi["components"]["schemas"]["JobSpec"]["properties"]["cron"].is_object());
/// ```
pub fn openapi() -> Value {
    let (_, openapi) = described().split_for_parts();
    let mut openapi = json!(openapi);
    // The schema of a job comes from where jobs are read.
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    let keys = settings.into_generator().into_root_schema_for::<JobSpec>();
    let schemas = &mut openapi["components"]["schemas"];
    let mut new = json!(keys);
    new["properties"]["id"] = json!({"type": "string", "description": "The job's id."});
    new["required"] = json!(["id"]);
    new["title"] = json!("NewJob");
    schemas["JobSpec"] = json!(keys);
    schemas["NewJob"] = new;
    describe_responses(&mut openapi);
    openapi
}

/// Adds the descriptions of responses, which `OpenAPI` requires.
fn describe_responses(openapi: &mut Value) {
    let paths = openapi["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    let operations = paths.filter_map(Value::as_object_mut).flat_map(|operations| operations.values_mut());
    let responses = operations.filter_map(|operation| operation["responses"].as_object_mut());
    for (status, response) in responses.flatten() {
        response["description"] = json!(match status.as_str() {
            "201" => "It was added.",
            "202" => "It was accepted, and is done in a moment.",
            "204" => "It was done.",
            "default" => "Why it was not done.",
            _ => "The answer.",
        });
    }
}

/// A body in JSON; what is wrong with it is a problem document.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Refusal> {
        let body = Json::<T>::from_request(request, state).await;
        body.map(|Json(body)| Self(body)).map_err(|error: JsonRejection| {
            Refusal::new(error.status(), ProblemKind::BadRequest, error.body_text())
        })
    }
}

/// What follows the question mark; what is wrong with it is a problem document.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, state: &S) -> Result<Self, Refusal> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query.map(|axum::extract::Query(query)| Self(query)).map_err(|error: QueryRejection| {
            Refusal::new(error.status(), ProblemKind::BadRequest, error.body_text())
        })
    }
}

/// How many items a page of a list has.
pub(crate) const PAGE: usize = 50;
const LARGEST_PAGE: usize = 1000;

/// Returns the number of items of a page that was requested with `limit`.
fn page(limit: Option<usize>) -> usize {
    limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE)
}

/// Where a page begins, as the page before said.
pub(crate) fn position<P: DeserializeOwned>(after: Option<&str>) -> Result<Option<P>, Problem> {
    let read = |text: &str| {
        serde_json::from_str(text)
            .map_err(|_| Problem::bad("`after` is the `next` of the page before, as it was answered"))
    };
    after.filter(|text| !text.is_empty()).map(read).transpose()
}

/// Where the next page begins, as text.
pub(crate) fn cursor<P: serde::Serialize>(next: Option<P>) -> Option<String> {
    next.and_then(|next| serde_json::to_string(&next).ok())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_operation_has_a_name_of_its_own_and_says_what_it_does() {
        let openapi = openapi();
        let mut names = BTreeSet::new();
        for (path, methods) in openapi["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_owned()), "{method} {path}: {name} is another one too");
                assert!(operation["summary"].is_string(), "{method} {path}");
                for (status, response) in operation["responses"].as_object().unwrap() {
                    assert!(response["description"].is_string(), "{method} {path}: {status}");
                }
            }
        }
        assert!(names.len() >= 19, "{names:?}");
    }
}
