//! The daemon's HTTP server, on loopback only. It answers few clients at once, and each within limits. A client that sends half
//! a request, reads nothing, or asks without end costs one of those few connections for a while, and no run.
//!
//! What is served is in [`routes`]; another route needs nothing from here.

pub(crate) mod connection;
mod metrics;
mod routes;

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use axum::Router;
use matins::Handle;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use connection::Limits;

/// How long nothing is accepted after the system had no descriptor for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// What a client is told that is one too many.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-type: text/plain\r\n\
    content-length: 45\r\nretry-after: 5\r\n\r\ntoo many connections; try again in a moment.\n";

/// Checks that the server may listen at an address.
pub(crate) fn check(address: SocketAddr) -> Result<(), String> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(format!(
        "metrics are shown on loopback only, and {address} is not; write 127.0.0.1:{}",
        address.port()
    ))
}

/// Collects metrics from now on, and answers on a thread of its own. At most `connections` clients are connected at once.
pub(crate) fn serve(address: SocketAddr, scheduler: Handle, connections: usize) -> Result<(), String> {
    let cannot_listen = |error: io::Error| format!("cannot listen at {address}: {error}");
    let listener = TcpListener::bind(address).map_err(cannot_listen)?;
    listener.set_nonblocking(true).map_err(cannot_listen)?;
    let routes = routes::of(metrics::collect()?, scheduler);
    // Its one thread answers, and one more asks the scheduler, which may not answer.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .map_err(|error| format!("cannot start the HTTP server: {error}"))?;
    let server = move || runtime.block_on(accept(listener, routes, connections, Limits::default()));
    let thread = thread::Builder::new().name("matins-http".to_owned());
    thread.spawn(server).map(drop).map_err(|error| format!("cannot start the HTTP server: {error}"))
}

async fn accept(listener: TcpListener, routes: Router, connections: usize, limits: Limits) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let free = std::sync::Arc::new(Semaphore::new(connections));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely, or a client that has gone already.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Ok(place) = free.clone().try_acquire_owned() else {
            send_away(stream);
            continue;
        };
        let routes = routes.clone();
        tokio::spawn(async move {
            connection::serve(stream, routes, limits).await;
            drop(place);
        });
    }
}

/// Says that there are too many clients, as far as that can be said without waiting, and closes the connection.
fn send_away(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write(BUSY);
    }
}

#[cfg(test)]
mod tests;
