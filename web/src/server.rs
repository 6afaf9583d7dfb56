//! The server: it answers few clients at once, and each within limits. A client that sends half a request, reads nothing, or
//! asks without end costs one of those few connections for a while, and no run.

use std::io::{self, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use matins_control::{Listener, ServeError as SocketError};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::connection::{self, Limits};
use crate::peer::Peer;
use crate::{Address, AddressError, Site, ask, routes};

/// How long nothing is accepted after the system had no descriptor for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// The answer to a client that is one too many.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-type: text/plain\r\n\
    content-length: 45\r\nretry-after: 5\r\n\r\ntoo many connections; try again in a moment.\n";

/// Why a scheduler is not served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is invalid.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Others than the user of this process could connect there, and there is no token.
    #[error(
        "{address} can be reached by others, and there is no token that they must show; give one with a token file, or listen at \
         127.0.0.1 or unix:PATH"
    )]
    NeedsToken {
        /// The address.
        address: Address,
    },
    /// The system does not let this process listen there.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address.
        address: Address,
        /// What the system says.
        source: io::Error,
    },
    /// The Unix socket cannot be made.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The server cannot start.
    #[error("cannot start the HTTP server: {why}")]
    Start {
        /// What the system says.
        why: String,
    },
}

/// A server. When this is dropped, it listens no more, and its connections are closed.
#[derive(Debug)]
#[must_use = "it is served until this is dropped"]
pub struct Server {
    address: Address,
    /// Dropped to end the thread.
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

enum Bound {
    Ip(TcpListener),
    /// The listener removes its file when it is dropped.
    Unix(Listener, std::os::unix::net::UnixListener),
}

impl Server {
    pub(crate) fn start(site: Site, address: Address) -> Result<Self, ServeError> {
        site.check(&address)?;
        let failed = |source| ServeError::Listen { address: address.clone(), source };
        let start = |error: io::Error| ServeError::Start { why: error.to_string() };
        let (bound, address) = match &address {
            Address::Ip(ip) => {
                let listener = TcpListener::bind(ip).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                let own = listener.local_addr().map_err(failed)?;
                (Bound::Ip(listener), Address::Ip(own))
            }
            Address::Unix(path) => {
                let listener = Listener::bind(path)?;
                let socket = listener.socket().map_err(failed)?;
                socket.set_nonblocking(true).map_err(failed)?;
                (Bound::Unix(listener, socket), address.clone())
            }
        };
        let connections = site.connections;
        let routes = routes::of(site, &address).map_err(start)?;
        // One thread answers; some more ask the scheduler, which may not answer, and how it is.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(ask::AT_ONCE + 1)
            .build()
            .map_err(start)?;
        let (end, ended) = oneshot::channel::<()>();
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept_at(bound, routes, connections) => {}
                    _ = ended => {}
                }
            });
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("matins-http".to_owned()).spawn(serve).map_err(start)?;
        Ok(Self { address, end: Some(end), thread: Some(thread) })
    }

    /// Returns where it listens, with the port that the system chose.
    ///
    /// ```
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// let server = matins_web::serve(&scheduler.handle(), "127.0.0.1:0")?;
    /// assert!(server.address().is_local());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been shown already.
            let _ = thread.join();
        }
    }
}

async fn accept_at(bound: Bound, routes: Router, connections: usize) {
    match bound {
        Bound::Ip(listener) => accept(listener, routes, connections, Limits::default()).await,
        Bound::Unix(_listener, socket) => accept_unix(socket, routes, connections, Limits::default()).await,
    }
}

/// The places of clients.
struct Places(Arc<Semaphore>);

impl Places {
    fn take(&self) -> Option<OwnedSemaphorePermit> {
        self.0.clone().try_acquire_owned().ok()
    }
}

pub(crate) async fn accept(listener: TcpListener, routes: Router, connections: usize, limits: Limits) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let places = Places(Arc::new(Semaphore::new(connections)));
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of descriptors, most likely, or a client that has gone already.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Some(place) = places.take() else {
            send_away(stream);
            continue;
        };
        // Answers are written whole: nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        let Ok(own) = stream.local_addr() else { continue };
        answer(stream, Peer::of_addresses(peer, own), &routes, limits, place);
    }
}

async fn accept_unix(
    listener: std::os::unix::net::UnixListener,
    routes: Router,
    connections: usize,
    limits: Limits,
) {
    let Ok(listener) = UnixListener::from_std(listener) else { return };
    let places = Places(Arc::new(Semaphore::new(connections)));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Some(place) = places.take() else {
            send_away_unix(stream);
            continue;
        };
        let peer = Peer::of_stream(&stream);
        answer(stream, peer, &routes, limits, place);
    }
}

fn answer<S>(stream: S, peer: Peer, routes: &Router, limits: Limits, place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let routes = routes.clone();
    tokio::spawn(async move {
        connection::serve(stream, peer, routes, limits).await;
        drop(place);
    });
}

/// Answers that there are too many clients, if that needs no waiting, and closes the connection.
fn send_away(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write(BUSY);
    }
}

fn send_away_unix(stream: UnixStream) {
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write(BUSY);
    }
}

#[cfg(test)]
#[path = "hostile_tests.rs"]
mod tests;
