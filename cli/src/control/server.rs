//! The daemon's end of the control socket.

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::geteuid;
use serde_json::json;

use super::items::{Item, Items};
use super::operator::Operator;
use super::protocol::{self, Answer, Kind, Problem, Request};
use crate::actor;

/// How long a request may be in bytes, its newline included.
const LONGEST_REQUEST: usize = 1024 * 1024;

/// How much an import may bring.
const LONGEST_IMPORT: u64 = 256 * 1024 * 1024;

/// How long a connection may take for a request, from the answer before it on.
const REQUEST_TIME: Duration = Duration::from_secs(30);

/// How long it may leave an answer untaken.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// How many may be connected.
const CONNECTIONS: usize = 256;

/// A thread that answers needs little: what is long is on the heap.
const STACK: usize = 512 * 1024;

/// The socket; it is taken away when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    path: PathBuf,
    listener: UnixListener,
}

impl Server {
    /// Takes its place at `path`. Whoever connects waits until [`serve`](Self::serve).
    pub(crate) fn listen(path: &Path) -> Result<Self, String> {
        let listener = bind(path).map_err(|error| {
            format!(
                "cannot listen at {}: {error}; name another place with --socket, or none with --no-socket",
                path.display()
            )
        })?;
        Ok(Self { path: path.to_owned(), listener })
    }

    /// Has `operator` answer.
    pub(crate) fn serve(&self, operator: Operator) -> io::Result<()> {
        let (listener, operator) = (self.listener.try_clone()?, Arc::new(operator));
        let accept = move || accept(&listener, &operator);
        thread::Builder::new().name("matins-control".to_owned()).spawn(accept).map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Left there, it would be replaced by the next daemon.
        let _ = fs::remove_file(&self.path);
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            // Beside a store it is left over from a process that was killed: whoever is here owns the store.
            if UnixStream::connect(path).is_ok() {
                return Err(io::Error::other("another daemon listens there"));
            }
            fs::remove_file(path)?;
        }
        Ok(_) => return Err(io::Error::other("there is a file of that name that is no socket")),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // The permissions are there before anybody can connect: it is bound under a name that nobody knows, and then renamed.
    let hidden = path.with_file_name(format!(
        ".{}-{}",
        path.file_name().unwrap_or_default().display(),
        std::process::id()
    ));
    let _ = fs::remove_file(&hidden);
    let listener = UnixListener::bind(&hidden)?;
    fs::set_permissions(&hidden, fs::Permissions::from_mode(0o600))?;
    fs::rename(&hidden, path)?;
    Ok(listener)
}

fn accept(listener: &UnixListener, operator: &Arc<Operator>) {
    let connected = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of descriptors, most likely: some will be free again.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let place = Place::take(&connected);
        let operator = operator.clone();
        let answer = move || {
            let is_free = place.number <= CONNECTIONS;
            // How it ends is of no interest to anybody: whoever was there is gone.
            let _ = Connection::new(stream).and_then(|connection| connection.serve(&operator, is_free));
            drop(place);
        };
        // Without a thread the connection is closed, by being dropped.
        let _ = thread::Builder::new().name("matins-client".to_owned()).stack_size(STACK).spawn(answer);
    }
}

/// One of the connections that there may be.
struct Place {
    number: usize,
    connected: Arc<AtomicUsize>,
}

impl Place {
    fn take(connected: &Arc<AtomicUsize>) -> Self {
        let number = connected.fetch_add(1, Ordering::Relaxed) + 1;
        Self { number, connected: connected.clone() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connected.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Connection {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Connection {
    fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_write_timeout(Some(ANSWER_TIME))?;
        Ok(Self { writer: stream.try_clone()?, reader: BufReader::new(stream) })
    }

    fn serve(mut self, operator: &Operator, is_free: bool) -> io::Result<()> {
        let uid = match peer(&self.writer) {
            Ok(uid) => uid,
            Err(problem) => return self.say(&Answer::Error(problem)),
        };
        if !is_free {
            let message = format!("{CONNECTIONS} are connected already; try again in a moment");
            return self.say(&Answer::Error(Problem::new(Kind::Busy, message)));
        }
        let by = actor::of_uid(uid);
        while let Some(line) = self.read_request()? {
            let asked = match protocol::read(&line) {
                Ok(asked) => asked,
                Err(problem) => {
                    self.say(&Answer::Error(problem))?;
                    continue;
                }
            };
            let imported = match asked.request {
                Request::Import { bytes, .. } if bytes > LONGEST_IMPORT => {
                    let message = format!(
                        "{bytes} bytes are more than the {LONGEST_IMPORT} that a daemon takes in; stop it, and import \
                         then: the command opens the store itself"
                    );
                    self.say(&Answer::Error(Problem::bad(message)))?;
                    // What follows is no request.
                    return Ok(());
                }
                Request::Import { bytes, .. } => self.read_import(bytes)?,
                _ => Vec::new(),
            };
            if asked.request.only_asks() && is_gone(&self.writer) {
                return Err(ErrorKind::BrokenPipe.into());
            }
            let mut items = Answering::new(self.writer.try_clone()?);
            let answer = operator.answer_asked(asked, &by, &imported, &mut items);
            items.end()?;
            self.say(&match answer {
                Ok(done) => Answer::Done(done),
                Err(problem) => Answer::Error(problem),
            })?;
        }
        Ok(())
    }

    fn say(&mut self, answer: &Answer) -> io::Result<()> {
        write(&mut self.writer, answer)
    }

    /// A line; `None` where the peer has left. One that is too long, or takes too long, is an error, and what comes after it
    /// is not looked at.
    fn read_request(&mut self) -> io::Result<Option<Vec<u8>>> {
        let until = Instant::now() + REQUEST_TIME;
        let mut line = Vec::new();
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.reader.get_ref().set_read_timeout(Some(rest))?;
            let bytes = self.reader.fill_buf()?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(bytes.len(), |end| end + 1);
            line.extend_from_slice(&bytes[..taken]);
            self.reader.consume(taken);
            if line.len() > LONGEST_REQUEST {
                let message = format!("a request is at most {LONGEST_REQUEST} bytes long");
                self.say(&Answer::Error(Problem::bad(message)))?;
                return Err(ErrorKind::InvalidData.into());
            }
            if end.is_some() {
                return Ok(Some(line));
            }
        }
    }

    fn read_import(&mut self, bytes: u64) -> io::Result<Vec<u8>> {
        self.reader.get_ref().set_read_timeout(Some(REQUEST_TIME))?;
        let mut imported = Vec::new();
        (&mut self.reader).take(bytes).read_to_end(&mut imported)?;
        if (imported.len() as u64) < bytes {
            // It was to be all or nothing.
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(imported)
    }
}

/// How much of an answer is sent at once, in bytes.
const SENT_AT_ONCE: usize = 64 * 1024;

/// Sends the items of an answer. What is not sent yet stays below [`SENT_AT_ONCE`] and one item.
struct Answering {
    stream: UnixStream,
    unsent: Vec<u8>,
    lost: Option<io::Error>,
}

impl Answering {
    fn new(stream: UnixStream) -> Self {
        Self { stream, unsent: Vec::new(), lost: None }
    }

    fn send(&mut self) -> bool {
        if self.lost.is_none() && !self.unsent.is_empty() {
            self.lost = self.stream.write_all(&self.unsent).err();
            self.unsent.clear();
        }
        self.lost.is_none()
    }

    /// Sends the rest.
    fn end(mut self) -> io::Result<()> {
        self.send();
        self.lost.map_or(Ok(()), Err)
    }
}

impl Items for Answering {
    fn put(&mut self, item: Item) -> bool {
        self.unsent.extend_from_slice(b"{\"item\":");
        self.unsent.extend_from_slice(item.json().as_bytes());
        self.unsent.extend_from_slice(b"}\n");
        self.unsent.len() < SENT_AT_ONCE || self.send()
    }

    fn flush(&mut self) -> bool {
        if self.send() && is_gone(&self.stream) {
            self.lost = Some(ErrorKind::BrokenPipe.into());
        }
        self.lost.is_none()
    }
}

/// Whether the peer has closed its end. One that only says nothing more may still wait for an answer.
fn is_gone(stream: &UnixStream) -> bool {
    // No event is asked for: what is left are those that are always reported.
    let mut polled = [PollFd::new(stream, PollFlags::empty())];
    poll(&mut polled, Some(&Timespec::default())).is_ok_and(|count| count > 0)
}

fn write(stream: &mut UnixStream, answer: &Answer) -> io::Result<()> {
    stream.write_all(format!("{}\n", json!(answer)).as_bytes())
}

/// The peer's user, where that is one who may ask.
fn peer(stream: &UnixStream) -> Result<u32, Problem> {
    #[cfg(target_os = "linux")]
    let uid = {
        use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
        // The process of a peer outside of the daemon's container has no number in here; its user has one.
        getsockopt(stream, PeerCredentials).map(|peer| peer.uid()).map_err(io::Error::from)
    };
    // Elsewhere the socket's own permissions keep others out.
    #[cfg(not(target_os = "linux"))]
    let uid: io::Result<u32> = {
        let _ = stream;
        Ok(geteuid().as_raw())
    };
    let own = geteuid().as_raw();
    match uid {
        Ok(uid) if uid == own || uid == 0 => Ok(uid),
        Ok(uid) => {
            let message =
                format!("the daemon belongs to {}, and you are {}", actor::of_uid(own), actor::of_uid(uid));
            Err(Problem::new(Kind::Forbidden, message))
        }
        Err(error) => Err(Problem::new(Kind::Forbidden, format!("who asks cannot be told: {error}"))),
    }
}
