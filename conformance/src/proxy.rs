//! A TCP proxy for tests of what a bad network does: it delays bytes, loses those of one direction, or resets connections.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Bytes pass.
    Good,
    /// Each piece that is read passes so much later.
    Slow(Duration),
    /// What the client sends is lost. A connection that has lost something never passes anything again, also when the network is good.
    LosesRequests,
    /// What the server sends is lost, as above.
    LosesAnswers,
    /// Connections are closed, and so is each new one.
    Down,
}

/// A proxy in front of a server. Its threads end when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// `None` when the proxy is gone.
    network: Mutex<Option<Network>>,
    server: SocketAddr,
}

impl State {
    fn network(&self) -> Option<Network> {
        *self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a thread that waits for bytes looks at the network.
const LOOK: Duration = Duration::from_millis(10);

impl Proxy {
    /// Listens at a free port of 127.0.0.1, and passes what comes to a server.
    ///
    /// ```
    /// use std::io::Read;
    /// use std::net::{TcpListener, TcpStream};
    /// use matins_conformance::proxy::{Network, Proxy};
    ///
    /// let server = TcpListener::bind("127.0.0.1:0")?;
    /// let proxy = Proxy::to(server.local_addr()?)?;
    /// let mut client = TcpStream::connect(proxy.address())?;
    /// let connected = server.accept()?;
    /// proxy.set(Network::Down);
    /// assert_eq!(client.read(&mut [0]).unwrap_or(0), 0, "it was closed");
    /// # let _ = connected;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// If no port is free.
    pub fn to(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State { network: Mutex::new(Some(Network::Good)), server });
        let accepting = state.clone();
        thread::Builder::new().name("proxy".to_owned()).spawn(move || accept(&listener, &accepting))?;
        Ok(Self { address, state })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what the network does, for all connections at once.
    pub fn set(&self, network: Network) {
        *self.state.network.lock().unwrap_or_else(PoisonError::into_inner) = Some(network);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        *self.state.network.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for client in listener.incoming().map_while(Result::ok) {
        match state.network() {
            None => return,
            Some(Network::Down) => continue,
            Some(_) => {}
        }
        let Ok(server) = TcpStream::connect(state.server) else { continue };
        let is_lost = Arc::new(Mutex::new(false));
        for (from, to, is_request) in [(&client, &server, true), (&server, &client, false)] {
            let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
            let (state, is_lost) = (state.clone(), is_lost.clone());
            thread::spawn(move || {
                let _ = pass(from, &to, &state, &is_lost, is_request);
                // The other direction ends with this one.
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    }
}

/// Passes the bytes of one direction, until either end is closed.
fn pass(
    mut from: TcpStream,
    mut to: &TcpStream,
    state: &State,
    is_lost: &Mutex<bool>,
    is_request: bool,
) -> io::Result<()> {
    from.set_read_timeout(Some(LOOK))?;
    to.set_nodelay(true)?;
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut bytes);
        let network = state.network();
        if network.is_none_or(|network| network == Network::Down) {
            return from.shutdown(Shutdown::Both);
        }
        let count = match read {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(error) => return Err(error),
        };
        let mut is_lost = is_lost.lock().unwrap_or_else(PoisonError::into_inner);
        *is_lost |= match network {
            Some(Network::LosesRequests) => is_request,
            Some(Network::LosesAnswers) => !is_request,
            _ => false,
        };
        if *is_lost {
            continue;
        }
        drop(is_lost);
        if let Some(Network::Slow(by)) = network {
            let until = Instant::now() + by;
            while let Some(rest) = until.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero())
            {
                thread::park_timeout(rest);
            }
        }
        to.write_all(&bytes[..count])?;
    }
}
