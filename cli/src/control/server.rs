//! The daemon's end of the control socket.

use std::fs::{self, Permissions};
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

/// How long a connection may take for its first request: a client that has connected has something to ask.
const FIRST_REQUEST_TIME: Duration = Duration::from_secs(10);

/// How long it may take for each further request, from the answer before it on.
const REQUEST_TIME: Duration = Duration::from_secs(30);

/// How long it may leave an answer untaken.
const ANSWER_TIME: Duration = Duration::from_secs(10);

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

    /// Has `operator` answer, at most `most` clients at once.
    pub(crate) fn serve(&self, operator: Operator, most: usize) -> io::Result<()> {
        let (listener, operator) = (self.listener.try_clone()?, Arc::new(operator));
        let accept = move || accept(&listener, &operator, most);
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
    matins_files::refuse_shared_directory(path)?;
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
    // Its permissions are set before anybody can connect: it is bound in a directory that nobody else can enter, and then renamed.
    // The name of that directory is short, because the path of a socket has a limit of about 100 bytes.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let private = tempfile::Builder::new()
        .prefix(".m")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)?;
    let bound = private.path().join("s");
    let listener = UnixListener::bind(&bound)?;
    fs::set_permissions(&bound, Permissions::from_mode(0o600))?;
    fs::rename(&bound, path)?;
    Ok(listener)
}

fn accept(listener: &UnixListener, operator: &Arc<Operator>, most: usize) {
    let connected = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of descriptors, most likely: some will be free again.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let place = Place::take(&connected);
        if place.number > most {
            send_away(&stream, &format!("{most} clients are connected already"));
            continue;
        }
        let operator = operator.clone();
        let stream = Arc::new(stream);
        let own = stream.clone();
        let answer = move || {
            // How it ends is of no interest to anybody: whoever was there is gone.
            let _ = Connection::new(own).and_then(|connection| connection.serve(&operator));
            drop(place);
        };
        let thread = thread::Builder::new().name("matins-client".to_owned()).stack_size(STACK);
        if let Err(error) = thread.spawn(answer) {
            send_away(&stream, &format!("the daemon can start no thread to answer ({error})"));
        }
    }
}

/// Says why a client is not answered, as far as that can be said without waiting, and closes the connection.
fn send_away(stream: &UnixStream, why: &str) {
    let message = format!("{why}; try again in a moment");
    let answer = Answer::Error(Problem::new(Kind::Busy, message));
    let _ = stream.set_nonblocking(true).and_then(|()| write(stream, &answer));
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
    /// Both ways: a second descriptor of the same socket would be one that commands cannot have.
    stream: BufReader<Shared>,
}

/// A stream that is closed when everybody has let go of it.
struct Shared(Arc<UnixStream>);

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Connection {
    fn new(stream: Arc<UnixStream>) -> io::Result<Self> {
        stream.set_write_timeout(Some(ANSWER_TIME))?;
        Ok(Self { stream: BufReader::new(Shared(stream)) })
    }

    fn serve(mut self, operator: &Operator) -> io::Result<()> {
        let uid = match peer(&self.stream.get_ref().0) {
            Ok(uid) => uid,
            Err(problem) => return self.say(&Answer::Error(problem)),
        };
        let by = actor::of_uid(uid);
        let mut time = FIRST_REQUEST_TIME;
        while let Some(line) = self.read_request(time)? {
            time = REQUEST_TIME;
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
            if asked.request.only_asks() && is_gone(&self.stream.get_ref().0) {
                return Err(ErrorKind::BrokenPipe.into());
            }
            let mut items = Answering::new(self.stream.get_ref().0.clone());
            let answer = operator.answer_asked(asked, &by, &imported, &mut items);
            items.end()?;
            self.say(&match answer {
                Ok(done) => Answer::Done(done),
                Err(problem) => Answer::Error(problem),
            })?;
        }
        Ok(())
    }

    fn say(&self, answer: &Answer) -> io::Result<()> {
        write(&self.stream.get_ref().0, answer)
    }

    /// A line; `None` where the peer has left. One that is too long, or takes too long, is an error, and what comes after it
    /// is not looked at.
    fn read_request(&mut self, time: Duration) -> io::Result<Option<Vec<u8>>> {
        let until = Instant::now() + time;
        let mut line = Vec::new();
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.stream.get_ref().0.set_read_timeout(Some(rest))?;
            let bytes = self.stream.fill_buf()?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(bytes.len(), |end| end + 1);
            line.extend_from_slice(&bytes[..taken]);
            self.stream.consume(taken);
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
        self.stream.get_ref().0.set_read_timeout(Some(REQUEST_TIME))?;
        let mut imported = Vec::new();
        (&mut self.stream).take(bytes).read_to_end(&mut imported)?;
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
    stream: Arc<UnixStream>,
    unsent: Vec<u8>,
    lost: Option<io::Error>,
}

impl Answering {
    fn new(stream: Arc<UnixStream>) -> Self {
        Self { stream, unsent: Vec::new(), lost: None }
    }

    fn send(&mut self) -> bool {
        if self.lost.is_none() && !self.unsent.is_empty() {
            self.lost = (&*self.stream).write_all(&self.unsent).err();
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

fn write(mut stream: &UnixStream, answer: &Answer) -> io::Result<()> {
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
