//! Serves an operator on a socket.

use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Resource, getrlimit};

use matins_scheduler::{Handle, SchedulerState};

use crate::connection::{self, Connection};
use crate::{HistoryEvent, Listener, Operator, Problem, ProblemKind, ServeError, user};

/// How often a client that watches, or waits for a run, is told that nothing has happened.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(5);

/// How many clients may be connected, unless fewer descriptors allow less.
const MOST_CONNECTIONS: u64 = 64;

/// A thread that answers needs little: what is long is on the heap.
const STACK: usize = 512 * 1024;

/// Serves a scheduler on a socket at `path`, until the server that is returned is dropped.
///
/// The command `matins` then works on the scheduler: `matins jobs --socket PATH`, and `job`, `runs`, `run`, `why`, `pause`,
/// `resume`, `now`, `cancel`, `remove`, `status` and `watch`. Only this process's user and root can connect. What clients do,
/// they do on threads of their own: none of them can delay a fire.
///
/// At most 64 clients are served at once, or as many as a quarter of the files that this process may have open. The history,
/// which `matins why` reads, is kept in memory. See [`Operator`] for more.
///
/// ```
/// use matins_control::{Client, Request};
/// # use matins_core::JobQuery;
/// # use matins_executor_thread::ThreadExecutor;
/// # use matins_scheduler::{Schedule, SchedulerBuilder};
/// # use matins_store_memory::MemoryStore;
/// # use matins_triggers::cron;
/// # let scheduler = SchedulerBuilder::new()
/// #     .store("default", MemoryStore::new())
/// #     .executor("default", ThreadExecutor::new())
/// #     .background()
/// #     .unwrap();
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("control");
/// scheduler.add(cron("30 2 * * *").run(|| println!("backed up")).id("backup")).unwrap();
/// let server = matins_control::serve(&scheduler.handle(), &path).unwrap();
///
/// let mut client = Client::connect(&path).unwrap();
/// let backup = client.ask(&Request::Job { job: "backup".to_owned() }).unwrap();
/// assert_eq!(backup["description"], "at 02:30 every day, UTC");
///
/// drop(server);
/// assert!(!path.exists());
/// ```
///
/// # Errors
/// If a process listens there, if there is a file that is not a socket, if everybody can write to the directory, and if the
/// system refuses.
pub fn serve(handle: &Handle, path: impl AsRef<Path>) -> Result<Server, ServeError> {
    let listener = Listener::bind(path)?;
    let operator = Operator::new(handle);
    let failed = |error| match error {
        matins_scheduler::SchedulerError::Thread(source) => {
            ServeError::Thread { path: listener.path.clone(), source }
        }
        error => ServeError::Thread { path: listener.path.clone(), source: io::Error::other(error) },
    };
    operator.history().follow(handle).map_err(failed)?;
    if matches!(handle.state(), SchedulerState::Running | SchedulerState::Paused) {
        operator.note(HistoryEvent::Started, &user::own());
    }
    let most = getrlimit(Resource::Nofile).current.map_or(MOST_CONNECTIONS, |limit| limit / 4);
    let most = usize::try_from(most.clamp(1, MOST_CONNECTIONS)).unwrap_or(1);
    listener.serve(operator, most)
}

/// A socket that is served. When this is dropped, the socket is removed, and connections are closed when what they asked for
/// is answered.
#[derive(Debug)]
#[must_use = "the socket is served until this is dropped"]
pub struct Server {
    listener: Listener,
    shared: Arc<Shared>,
    /// Closed to wake the thread that accepts.
    wake: Option<UnixStream>,
    accepting: Option<JoinHandle<()>>,
}

impl Listener {
    /// Serves an operator, to at most so many clients at once.
    ///
    /// ```
    /// use matins_control::{Client, Listener, Operator, Request};
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("control");
    /// let operator = Operator::new(&scheduler.handle()).with_application("reports");
    /// let server = Listener::bind(&path)?.serve(operator, 8)?;
    /// let status = Client::connect(server.path())?.ask(&Request::Status)?;
    /// assert_eq!(status["application"], "reports");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the system starts no thread, or has no descriptor left.
    pub fn serve(
        self,
        operator: impl Into<Arc<Operator>>,
        most_connections: usize,
    ) -> Result<Server, ServeError> {
        let failed = |source| ServeError::Thread { path: self.path.clone(), source };
        let socket = self.socket.try_clone().map_err(failed)?;
        let (wake, woken) = UnixStream::pair().map_err(failed)?;
        let shared = Arc::new(Shared::default());
        let accepting = {
            let (shared, operator) = (shared.clone(), operator.into());
            let accept = move || accept(&socket, &woken, &operator, &shared, most_connections);
            thread::Builder::new().name("matins-control".to_owned()).spawn(accept).map_err(failed)?
        };
        Ok(Server { listener: self, shared, wake: Some(wake), accepting: Some(accepting) })
    }
}

impl Server {
    /// Returns the path of the socket.
    ///
    /// ```
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("control");
    /// let server = matins_control::serve(&scheduler.handle(), &path)?;
    /// assert_eq!(*server.path(), path);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn path(&self) -> &PathBuf {
        &self.listener.path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop();
        drop(self.wake.take());
        if let Some(accepting) = self.accepting.take() {
            // It works on nothing that could keep it. A panic in it has been shown already.
            let _ = accepting.join();
        }
    }
}

/// What the connections of a server share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    is_stopping: AtomicBool,
    connected: Mutex<Connected>,
}

#[derive(Debug, Default)]
struct Connected {
    streams: HashMap<u64, Arc<UnixStream>>,
    so_far: u64,
}

impl Shared {
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    fn connected(&self) -> MutexGuard<'_, Connected> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets connections end: none reads a further request.
    fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        for stream in self.connected().streams.values() {
            let _ = stream.shutdown(Shutdown::Read);
        }
    }
}

/// One of the connections that there may be.
struct Slot {
    number: u64,
    shared: Arc<Shared>,
}

impl Slot {
    /// Returns `None` if there are so many already.
    fn take(shared: &Arc<Shared>, stream: &Arc<UnixStream>, most: usize) -> Option<Self> {
        let mut connected = shared.connected();
        if connected.streams.len() >= most {
            return None;
        }
        let number = connected.so_far;
        connected.so_far += 1;
        connected.streams.insert(number, stream.clone());
        drop(connected);
        Some(Self { number, shared: shared.clone() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.connected().streams.remove(&self.number);
    }
}

fn accept(
    socket: &UnixListener,
    woken: &UnixStream,
    operator: &Arc<Operator>,
    shared: &Arc<Shared>,
    most: usize,
) {
    loop {
        let mut polled = [PollFd::new(socket, PollFlags::IN), PollFd::new(woken, PollFlags::IN)];
        // Interrupted by a signal, most likely.
        let _ = poll(&mut polled, None);
        if shared.is_stopping() {
            return;
        }
        if polled[0].revents().is_empty() {
            continue;
        }
        let Ok((stream, _)) = socket.accept() else {
            // Out of descriptors, most likely: some will be free again.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let stream = Arc::new(stream);
        let Some(slot) = Slot::take(shared, &stream, most) else {
            send_away(&stream, &format!("{most} clients are connected already"));
            continue;
        };
        let (own, operator, of_connection) = (stream.clone(), operator.clone(), shared.clone());
        let answer = move || {
            // How it ends concerns nobody: the client has gone.
            let _ = Connection::new(own, of_connection).and_then(|connection| connection.serve(&operator));
            drop(slot);
        };
        let thread = thread::Builder::new().name("matins-client".to_owned()).stack_size(STACK);
        if let Err(error) = thread.spawn(answer) {
            send_away(&stream, &format!("the server can start no thread to answer ({error})"));
        }
    }
}

/// Says why a client is not answered, as far as that can be said without waiting, and closes the connection.
fn send_away(stream: &UnixStream, why: &str) {
    let message = format!("{why}; try again in a moment");
    let answer = crate::Answer::Error(Problem::new(ProblemKind::Busy, message));
    let _ = stream.set_nonblocking(true).and_then(|()| connection::write(stream, &answer));
}
