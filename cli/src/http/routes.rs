//! What is served: `/metrics` and `/health`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use matins::Handle;
use matins::SchedulerState;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long the scheduler may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn of(recorder: PrometheusHandle, scheduler: Handle) -> Router {
    let metrics = Router::new().route("/metrics", get(metrics)).with_state(recorder);
    let health = Health { scheduler, turn: Arc::default() };
    metrics.route("/health", get(state)).with_state(health).fallback(unknown)
}

async fn metrics(State(recorder): State<PrometheusHandle>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], recorder.render())
}

async fn unknown() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, "the metrics are at /metrics, and the state of the scheduler at /health\n")
}

#[derive(Clone)]
struct Health {
    scheduler: Handle,
    /// Held while the scheduler is asked, so that no more than one question waits for an answer.
    turn: Arc<Mutex<()>>,
}

/// Answers 200 while the scheduler runs or is paused, and 503 when it does not answer, or stops.
async fn state(State(Health { scheduler, turn }): State<Health>) -> impl IntoResponse {
    let ask = async {
        let turn = turn.lock_owned().await;
        let ask = move || {
            let state = scheduler.state();
            drop(turn);
            state
        };
        tokio::task::spawn_blocking(ask).await
    };
    match timeout(PATIENCE, ask).await {
        Ok(Ok(SchedulerState::Running)) => (StatusCode::OK, "running\n"),
        Ok(Ok(SchedulerState::Paused)) => (StatusCode::OK, "paused\n"),
        Ok(Ok(SchedulerState::NotStarted)) => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Ok(Ok(_)) => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
        Ok(Err(_)) | Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the scheduler does not answer\n"),
    }
}
