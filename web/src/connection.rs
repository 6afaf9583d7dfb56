//! One client of the HTTP server, and the limits that it has.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Limited;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;

use crate::peer::Peer;

/// What a client may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For the first line and the headers of a request, from the answer before it on.
    pub(crate) header: Duration,
    /// For the body of a request, and for the answer to be found.
    pub(crate) answer: Duration,
    /// For which it may leave an answer unread.
    pub(crate) write: Duration,
    /// For all of its requests. Then the answer in progress is finished, within the time for a request, and the connection
    /// closed.
    pub(crate) connection: Duration,
    /// How many requests it may send.
    pub(crate) requests: usize,
    /// How long the first line and the headers may be, in bytes; and how many headers there may be.
    pub(crate) header_bytes: usize,
    pub(crate) headers: usize,
    /// How long a body may be, in bytes.
    pub(crate) body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(10),
            answer: Duration::from_secs(10),
            write: Duration::from_secs(10),
            connection: Duration::from_secs(120),
            requests: 1000,
            header_bytes: 16 * 1024,
            headers: 64,
            body_bytes: 1024 * 1024,
        }
    }
}

/// Answers the requests of a client until it leaves, or is over a limit.
pub(crate) async fn serve<S>(stream: S, peer: Peer, routes: Router, limits: Limits)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write));
    let requests = AtomicUsize::new(0);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let number = requests.fetch_add(1, Ordering::Relaxed) + 1;
        answer(routes.clone(), request, limits, number >= limits.requests)
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_buf_size(limits.header_bytes)
        .max_headers(limits.headers);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Box::pin(stream)), service));
    // How it ends is of no interest to anybody: the client has gone, or was over a limit.
    if timeout(limits.connection, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(limits.header + limits.answer + limits.write, connection).await;
    }
}

async fn answer(
    routes: Router,
    request: Request<Incoming>,
    limits: Limits,
    is_last: bool,
) -> Result<Response<Body>, Infallible> {
    let request = request.map(|body| Body::new(Limited::new(body, limits.body_bytes)));
    let answer = timeout(limits.answer, TowerToHyperService::new(routes).call(request)).await;
    let mut response = answer.unwrap_or_else(|_| {
        let mut response = Response::new(Body::from("there was no answer in time; try again\n"));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        // The rest of the body may still come.
        close(&mut response);
        Ok(response)
    })?;
    if is_last {
        close(&mut response);
    }
    Ok(response)
}

fn close(response: &mut Response<Body>) {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
}
