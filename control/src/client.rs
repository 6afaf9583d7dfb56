//! A client of a control socket, with a limit on how long the server may send nothing: a process that is stopped, or hangs,
//! accepts connections and does not answer.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
use serde_json::Value;
use thiserror::Error;

use crate::server::HEARTBEAT;
use crate::{Answer, Problem, Request, protocol};

/// How long a server may send nothing.
const USUAL: Duration = Duration::from_secs(30);

/// The same for a request that reads or writes all of its store.
const WHOLE_STORE: Duration = Duration::from_secs(600);

/// Why a client has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The request was not done.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The server has closed the connection.
    #[error("the daemon has gone, or closed the connection: {0}")]
    Lost(io::Error),
    /// The server has sent nothing within the limit. It may still do what was asked for.
    #[error(
        "the daemon that listens at {} has not answered within {}: its process is stopped, or very busy. What was asked for may \
         still be done. Look at the process, or wait longer with --timeout",
        path.display(),
        humantime::format_duration(*limit)
    )]
    Silent {
        /// The path of the socket.
        path: PathBuf,
        /// The limit.
        limit: Duration,
    },
    /// The server has sent something that is not an answer of a known version.
    #[error("the daemon answers in a way that is not known here: {0}")]
    Unknown(serde_json::Error),
}

/// A connection to a process that serves its scheduler.
///
/// ```
/// use matins_control::{Client, Request};
/// # use matins_scheduler::SchedulerBuilder;
/// # use matins_store_memory::MemoryStore;
/// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("control");
/// # let _server = matins_control::serve(&scheduler.handle(), &path)?;
/// let mut client = Client::connect(&path)?;
/// assert_eq!(client.ask(&Request::Status)?["jobs"], 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    path: PathBuf,
    limit: Option<Duration>,
    shows_secrets: bool,
}

impl Client {
    /// Connects to the process that listens at `path`.
    ///
    /// # Errors
    /// If no process listens there; if it accepts no connection within 30 seconds
    /// ([`TimedOut`](ErrorKind::TimedOut)); and if it runs as another user than this process, root, or the owner of the socket's
    /// directory ([`PermissionDenied`](ErrorKind::PermissionDenied)).
    pub fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::connect_within(path, None)
    }

    /// Connects as [`connect`](Self::connect) does. `limit` is how long the process may take to accept the connection, and then
    /// may send nothing; by default 30 seconds, and 10 minutes for a request that reads or writes a whole store.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use matins_control::{Client, Request};
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("control");
    /// # let _server = matins_control::serve(&scheduler.handle(), &path)?;
    /// let mut client = Client::connect_within(&path, Some(Duration::from_secs(5)))?;
    /// assert_eq!(client.ask(&Request::Status)?["state"], "starting");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_within(path: impl AsRef<Path>, limit: Option<Duration>) -> io::Result<Self> {
        let path = path.as_ref();
        let stream = open(path, limit.unwrap_or(USUAL))?;
        Ok(Self { stream: BufReader::new(stream), path: path.to_owned(), limit, shows_secrets: false })
    }

    /// Asks for secrets as they are. By default, answers have `(hidden)` in their place.
    ///
    /// ```
    /// use matins_control::{Client, Request};
    /// # use matins_core::JobQuery;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::Schedule;
    /// # use matins_triggers::every;
    /// # use matins_triggers::TimeUnits;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("control");
    /// # let _server = matins_control::serve(&scheduler.handle(), &path)?;
    /// scheduler.register("upload", |_: serde_json::Value| ())?;
    /// let arguments = serde_json::json!({"password": "hunter2"});
    /// scheduler.add(every(1.hours()).task("upload").arguments(arguments).id("upload"))?;
    /// let request = Request::Job { job: "upload".to_owned() };
    /// let hidden = Client::connect(&path)?.ask(&request)?;
    /// assert_eq!(hidden["arguments"]["password"], "(hidden)");
    /// let shown = Client::connect(&path)?.show_secrets(true).ask(&request)?;
    /// assert_eq!(shown["arguments"]["password"], "hunter2");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn show_secrets(self, shows_secrets: bool) -> Self {
        Self { shows_secrets, ..self }
    }

    /// Sends a request and returns the end of its answer. Items before it are ignored.
    ///
    /// ```
    /// use matins_control::{Client, ClientError, ProblemKind, Request};
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("control");
    /// # let _server = matins_control::serve(&scheduler.handle(), &path)?;
    /// let mut client = Client::connect(&path)?;
    /// let answer = client.ask(&Request::Pause { job: "backup".to_owned() });
    /// assert!(matches!(answer, Err(ClientError::Problem(problem)) if problem.kind == ProblemKind::NotFound));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn ask(&mut self, request: &Request) -> Result<Value, ClientError> {
        self.ask_for(request, &[], &mut |_| true)
    }

    /// Sends a request, and then `imported`, and returns the end of its answer. `items` takes what comes before the end, and
    /// returns whether more is wanted; if not, the connection is of no further use.
    ///
    /// ```
    /// use matins_control::{Client, JobsRequest, Request};
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background().unwrap();
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("control");
    /// # let _server = matins_control::serve(&scheduler.handle(), &path).unwrap();
    /// let mut client = Client::connect(&path).unwrap();
    /// let mut jobs = Vec::new();
    /// let mut take = |job| {
    ///     jobs.push(job);
    ///     true
    /// };
    /// let done = client.ask_for(&Request::Jobs(JobsRequest::default()), &[], &mut take).unwrap();
    /// assert_eq!(done["jobs"], jobs.len());
    /// ```
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn ask_for(
        &mut self,
        request: &Request,
        imported: &[u8],
        items: &mut dyn FnMut(Value) -> bool,
    ) -> Result<Value, ClientError> {
        self.send(request, imported)?;
        loop {
            match serde_json::from_str(&self.line()?).map_err(ClientError::Unknown)? {
                Answer::Item(Value::Null) => {}
                Answer::Item(item) => {
                    if !items(item) {
                        return Ok(Value::Null);
                    }
                }
                Answer::Done(done) => return Ok(done),
                Answer::Error(problem) => return Err(problem.into()),
            }
        }
    }

    fn send(&mut self, request: &Request, imported: &[u8]) -> Result<(), ClientError> {
        let limit = self.limit_for(request);
        let line = protocol::write(request, self.shows_secrets);
        let stream = self.stream.get_mut();
        let sent = stream
            .set_read_timeout(Some(limit))
            .and_then(|()| stream.set_write_timeout(Some(limit)))
            .and_then(|()| stream.write_all(line.as_bytes()))
            .and_then(|()| stream.write_all(imported));
        match sent {
            Err(error) if is_timeout(&error) => Err(self.silent(limit)),
            // A server that accepts no more has said why.
            _ => Ok(()),
        }
    }

    fn line(&mut self) -> Result<String, ClientError> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => Err(ClientError::Lost(ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(line),
            Err(error) if is_timeout(&error) => {
                let limit = self.stream.get_ref().read_timeout().ok().flatten();
                Err(self.silent(limit.unwrap_or_default()))
            }
            Err(error) => Err(ClientError::Lost(error)),
        }
    }

    fn limit_for(&self, request: &Request) -> Duration {
        let least = match request {
            // A heartbeat comes now and then.
            Request::Watch | Request::Now { wait: true, .. } => 3 * HEARTBEAT,
            _ => Duration::from_millis(1),
        };
        let usual = match request {
            Request::Export | Request::Import { .. } | Request::Info => WHOLE_STORE,
            _ => USUAL,
        };
        self.limit.unwrap_or(usual).max(least)
    }

    fn silent(&self, limit: Duration) -> ClientError {
        ClientError::Silent { path: self.path.clone(), limit }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Connects, if that is possible at once.
pub(crate) fn try_connect(address: &SocketAddrUnix) -> Result<UnixStream, Errno> {
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    ioctl_fionbio(&socket, true)?;
    connect(&socket, address)?;
    ioctl_fionbio(&socket, false)?;
    Ok(UnixStream::from(socket))
}

/// Connects, within a limit: the connections to a process that is stopped are queued, up to a number, and the next one would
/// wait without end.
fn open(path: &Path, limit: Duration) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let until = Instant::now().checked_add(limit);
    loop {
        match try_connect(&address) {
            Ok(stream) => {
                refuse_another_users_server(&stream, path)?;
                return Ok(stream);
            }
            Err(Errno::AGAIN) if until.is_none_or(|until| Instant::now() < until) => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(Errno::AGAIN) => {
                let limit = humantime::format_duration(limit);
                let message = format!(
                    "it has accepted no connection within {limit}; its process is stopped, or very busy"
                );
                return Err(io::Error::new(ErrorKind::TimedOut, message));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Refuses to talk to a process of another user that listens in a directory where that user can create a socket, such as
/// `/tmp`: requests hold commands and secrets. The owner of the directory is trusted, as that of the store in it is.
#[cfg(target_os = "linux")]
fn refuse_another_users_server(stream: &UnixStream, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;

    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let uid = getsockopt(stream, PeerCredentials)?.uid();
    let owner = std::fs::metadata(parent)?.uid();
    if [0, rustix::process::geteuid().as_raw(), owner].contains(&uid) {
        return Ok(());
    }
    let message = format!(
        "the process that listens there runs as the user with id {uid}, who owns neither the directory nor this process; stop it, \
         or put the store into a directory of its own"
    );
    Err(io::Error::new(ErrorKind::PermissionDenied, message))
}

#[cfg(not(target_os = "linux"))]
fn refuse_another_users_server(_stream: &UnixStream, _path: &Path) -> io::Result<()> {
    Ok(())
}
