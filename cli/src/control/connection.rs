//! A client's connection to a daemon, with a limit on how long it may say nothing: a daemon that was stopped, or hangs, accepts
//! connections and does not answer.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};

use super::operator::KEEP_ALIVE;
use super::protocol::{self, Request};
use crate::failure::Failure;

/// How long a daemon may say nothing, unless the command line says otherwise.
const USUAL: Duration = Duration::from_secs(30);

/// The same where it reads or writes all of its store.
const WHOLE_STORE: Duration = Duration::from_secs(600);

/// A connection to a daemon.
pub(crate) struct Connection {
    stream: BufReader<UnixStream>,
    socket: PathBuf,
    limit: Option<Duration>,
}

impl Connection {
    /// Connects to the daemon that listens at `socket`; `limit` is how long it may say nothing, if not the usual time.
    pub(crate) fn open(socket: &Path, limit: Option<Duration>) -> io::Result<Self> {
        let stream = open(socket, limit.unwrap_or(USUAL))?;
        Ok(Self { stream: BufReader::new(stream), socket: socket.to_owned(), limit })
    }

    /// Sends a request, and what follows it.
    pub(crate) fn send(&mut self, request: &Request, imported: &[u8]) -> Result<(), Failure> {
        let limit = self.limit_for(request);
        let stream = self.stream.get_mut();
        let line = protocol::write(request);
        let sent = stream
            .set_read_timeout(Some(limit))
            .and_then(|()| stream.set_write_timeout(Some(limit)))
            .and_then(|()| stream.write_all(line.as_bytes()))
            .and_then(|()| stream.write_all(imported));
        match sent {
            Err(error) if is_timeout(&error) => Err(self.silent(limit)),
            // One that takes no more has said why.
            _ => Ok(()),
        }
    }

    /// Reads a line of an answer.
    pub(crate) fn line(&mut self) -> Result<String, Failure> {
        let lost = |error: io::Error| {
            Failure::NoDaemon(format!("the daemon has gone, or closed the connection: {error}"))
        };
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => Err(lost(ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(line),
            Err(error) if is_timeout(&error) => {
                let limit = self.stream.get_ref().read_timeout().ok().flatten();
                Err(self.silent(limit.unwrap_or_default()))
            }
            Err(error) => Err(lost(error)),
        }
    }

    fn limit_for(&self, request: &Request) -> Duration {
        let least = match request {
            // A sign of life comes now and then.
            Request::Watch | Request::Now { wait: true, .. } => 3 * KEEP_ALIVE,
            _ => Duration::from_millis(1),
        };
        let usual = match request {
            Request::Export | Request::Import { .. } | Request::Info => WHOLE_STORE,
            _ => USUAL,
        };
        self.limit.unwrap_or(usual).max(least)
    }

    fn silent(&self, limit: Duration) -> Failure {
        Failure::NotDone(format!(
            "the daemon that listens at {} has not answered within {}: its process is stopped, or very busy. What was asked \
             for may still be done. Look at the process, or wait longer with --timeout",
            self.socket.display(),
            humantime::format_duration(limit)
        ))
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Connects, within a limit: a daemon that is stopped takes only so many connections, and the next one would wait for ever.
fn open(path: &Path, limit: Duration) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let until = Instant::now().checked_add(limit);
    loop {
        let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        ioctl_fionbio(&socket, true)?;
        match connect(&socket, &address) {
            Ok(()) => {
                ioctl_fionbio(&socket, false)?;
                let stream = UnixStream::from(socket);
                refuse_another_users_daemon(&stream, path)?;
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
fn refuse_another_users_daemon(stream: &UnixStream, path: &Path) -> io::Result<()> {
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
fn refuse_another_users_daemon(_stream: &UnixStream, _path: &Path) -> io::Result<()> {
    Ok(())
}
