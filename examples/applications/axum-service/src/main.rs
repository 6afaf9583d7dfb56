//! Reminders over HTTP: each is a job in SQLite, delivered to a TCP address
//! when it is due.
//!
//! ```text
//! cargo run -p axum-service -- reminders.db 127.0.0.1:3000
//! curl -H 'Content-Type: application/json' -d '{"text": "tea", "to": "127.0.0.1:4000", "seconds": 180}' \
//!     http://127.0.0.1:3000/reminders
//! curl http://127.0.0.1:3000/runs
//! ```
//!
//! At SIGTERM it accepts no more requests, gives deliveries in progress thirty
//! seconds, and ends. Reminders that are not due yet stay in the database.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use matins::prelude::*;
use matins::{Job, Run};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a client asks for.
#[derive(Deserialize)]
struct NewReminder {
    #[serde(flatten)]
    reminder: Reminder,
    seconds: u32,
}

/// What is sent, and where to. These are the arguments of the job, so they are
/// saved in the database.
#[derive(Serialize, Deserialize)]
struct Reminder {
    text: String,
    to: String,
}

/// Shared by all deliveries.
#[derive(Default)]
struct Delivered(AtomicU64);

/// Sends a reminder, and waits for the line that acknowledges it.
async fn deliver(
    matins::State(delivered): matins::State<Arc<Delivered>>,
    reminder: Reminder,
) -> io::Result<String> {
    let mut stream = TcpStream::connect(&reminder.to).await?;
    stream.write_all(format!("{}\n", reminder.text).as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    delivered.0.fetch_add(1, Ordering::Relaxed);
    Ok(answer.trim_end().to_owned())
}

// ANCHOR: handler
async fn create(
    State(scheduler): State<AsyncHandle>,
    Json(new): Json<NewReminder>,
) -> Result<(StatusCode, String), Failure> {
    let retry = Retry::times(3).backoff(Backoff::fixed(1.seconds()));
    let job =
        after(new.seconds.seconds()).task("deliver").arguments(new.reminder);
    let job = scheduler.add(job.retry(retry).time_limit(10.seconds())).await?;
    Ok((StatusCode::CREATED, job.id().to_string()))
}
// ANCHOR_END: handler

async fn list(
    State(scheduler): State<AsyncHandle>,
) -> Result<Json<Vec<Job>>, Failure> {
    let jobs = scheduler.list(&JobQuery::default()).await?;
    Ok(Json(jobs.into_iter().map(|(_store, job)| job).collect()))
}

async fn cancel(
    State(scheduler): State<AsyncHandle>,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    scheduler.remove(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn runs(
    State(scheduler): State<AsyncHandle>,
) -> Result<Json<Vec<Run>>, Failure> {
    Ok(Json(scheduler.runs_in("default", &RunQuery::default()).await?))
}

/// An error of the scheduler, as HTTP has it.
struct Failure(SchedulerError);

impl From<SchedulerError> for Failure {
    fn from(error: SchedulerError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match self.0 {
            SchedulerError::NoJob { .. } => StatusCode::NOT_FOUND,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, self.0.to_string()).into_response()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let database =
        arguments.next().unwrap_or_else(|| "reminders.db".to_owned());
    let address =
        arguments.next().unwrap_or_else(|| "127.0.0.1:3000".to_owned());

    // ANCHOR: main
    let delivered = Arc::new(Delivered::default());
    let scheduler = matins::async_scheduler()?
        .store("default", SqliteStore::open(database)?)
        .state(delivered.clone())
        .asynchronous()?;
    let handle = scheduler.handle();
    handle.register("deliver", deliver).await?;
    handle.shutdown_on_signals(Shutdown::Deadline(Duration::from_secs(30)))?;

    let routes = Router::new()
        .route("/reminders", post(create).get(list))
        .route("/reminders/{id}", delete(cancel))
        .route("/runs", get(runs))
        .with_state(handle.clone());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);

    let running = tokio::spawn(scheduler.run());
    // Requests are answered until the last delivery has ended.
    axum::serve(listener, routes)
        .with_graceful_shutdown(
            async move { handle.wait_until_shut_down().await },
        )
        .await?;
    running.await??;
    // ANCHOR_END: main
    println!("delivered {} reminders", delivered.0.load(Ordering::Relaxed));
    Ok(())
}
