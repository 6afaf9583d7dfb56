//! What is served at which path.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use matins_control::{Operator, Problem, ProblemKind};
use matins_scheduler::SchedulerState;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::access::{Access, guard};
use crate::ask::Asker;
use crate::events::{self, Events};
use crate::problem::Refusal;
use crate::site::Metrics;
use crate::{Address, Site, api, page, token};

/// How long the scheduler may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many clients may listen to events at once: each of them keeps a connection.
const LISTENERS: usize = 16;

/// What all answers are made from.
#[derive(Clone)]
pub(crate) struct App {
    asker: Asker,
    access: Arc<Access>,
    events: Events,
    listeners: Listeners,
    metrics: Option<Metrics>,
    address: Arc<Address>,
    health: Health,
}

/// Lets a handler take a part of it.
macro_rules! part {
    ($($part:ident: $type:ty),*) => {
        $(impl FromRef<App> for $type {
            fn from_ref(app: &App) -> Self {
                app.$part.clone()
            }
        })*
    };
}

part!(asker: Asker, access: Arc<Access>, events: Events, listeners: Listeners, metrics: Option<Metrics>,
    address: Arc<Address>, health: Health);

/// The places of those who listen to events.
#[derive(Clone)]
pub(crate) struct Listeners(Arc<Semaphore>);

impl Listeners {
    /// Takes a place, which is given back when it is dropped.
    pub(crate) fn take(self) -> Result<OwnedSemaphorePermit, Refusal> {
        let busy = "too many clients listen to events; try again in a moment";
        self.0.try_acquire_owned().map_err(|_| Problem::new(ProblemKind::Busy, busy).into())
    }
}

pub(crate) fn of(site: Site, address: &Address) -> io::Result<Router> {
    let access = Arc::new(Access {
        token: site.token,
        hosts: site.hosts,
        is_read_only: site.is_read_only,
        form_secret: token::random()?,
        session: token::random()?,
    });
    let app = App {
        asker: Asker::new(site.operator.clone()),
        access: access.clone(),
        events: events::follow(&site.operator)?,
        listeners: Listeners(Arc::new(Semaphore::new(LISTENERS.min(site.connections.div_ceil(2))))),
        metrics: site.metrics,
        address: Arc::new(address.clone()),
        health: Health { operator: site.operator, turn: Arc::default() },
    };
    let routes = Router::new()
        .merge(api::routes())
        .merge(page::routes())
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .fallback(unknown)
        .with_state(app);
    Ok(routes.layer(from_fn_with_state(access, guard)))
}

async fn unknown(uri: axum::http::Uri) -> Response {
    let message = format!("there is nothing at {}; the page is at /, and the API at /api/v1", uri.path());
    let refusal = Refusal::from(Problem::new(ProblemKind::NotFound, message));
    if uri.path().starts_with("/api/") { refusal.into_response() } else { page::refused(refusal) }
}

async fn metrics(State(metrics): State<Option<Metrics>>) -> Response {
    let Some(metrics) = metrics else {
        return Refusal::from(Problem::new(ProblemKind::NotFound, "this process counts nothing"))
            .into_response();
    };
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics()).into_response()
}

#[derive(Clone)]
struct Health {
    operator: Arc<Operator>,
    /// Held while the scheduler is asked, so that no more than one question waits for an answer.
    turn: Arc<Mutex<()>>,
}

impl Health {
    /// How the scheduler is; `None` if it does not answer in time.
    async fn state(self) -> Option<SchedulerState> {
        let ask = async {
            let turn = self.turn.lock_owned().await;
            let ask = move || {
                let state = self.operator.handle().state();
                drop(turn);
                state
            };
            tokio::task::spawn_blocking(ask).await
        };
        timeout(PATIENCE, ask).await.ok()?.ok()
    }
}

/// Answers 200 while the scheduler runs or is paused, and 503 when it does not answer, or stops.
async fn health(State(health): State<Health>) -> impl IntoResponse {
    match health.state().await {
        Some(SchedulerState::Running) => (StatusCode::OK, "running\n"),
        Some(SchedulerState::Paused) => (StatusCode::OK, "paused\n"),
        Some(SchedulerState::NotStarted) => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the scheduler does not answer\n"),
    }
}

/// Answers 200 while jobs fire.
async fn ready(State(health): State<Health>) -> impl IntoResponse {
    match health.state().await {
        Some(SchedulerState::Running) => (StatusCode::OK, "ready\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "no jobs fire\n"),
    }
}
