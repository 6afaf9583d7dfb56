//! A connection to a client: reads its requests and sends the answers.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::geteuid;
use serde_json::json;

use crate::server::Shared;
use crate::{Answer, Item, ItemSink, Operator, Problem, ProblemKind, Request, protocol, user};

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

pub(crate) struct Connection {
    /// For both directions: a second descriptor of the same socket would be one that the process has less for its work.
    stream: BufReader<SharedStream>,
    shared: Arc<Shared>,
}

/// A stream that is closed when everybody has let go of it.
struct SharedStream(Arc<UnixStream>);

impl Read for SharedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Connection {
    pub(crate) fn new(stream: Arc<UnixStream>, shared: Arc<Shared>) -> io::Result<Self> {
        stream.set_write_timeout(Some(ANSWER_TIME))?;
        Ok(Self { stream: BufReader::new(SharedStream(stream)), shared })
    }

    /// Answers requests until the client has gone, or the server stops.
    pub(crate) fn serve(mut self, operator: &Operator) -> io::Result<()> {
        let uid = match peer(&self.stream.get_ref().0, operator.application().unwrap_or("the daemon")) {
            Ok(uid) => uid,
            Err(problem) => return self.say(&Answer::Error(problem)),
        };
        let by = user::by_uid(uid);
        let mut time = FIRST_REQUEST_TIME;
        while let Some(line) = self.read_request(time)? {
            time = REQUEST_TIME;
            let received = match protocol::read(&line) {
                Ok(received) => received,
                Err(problem) => {
                    self.say(&Answer::Error(problem))?;
                    continue;
                }
            };
            let imported = match received.request {
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
            if received.request.is_read_only() && is_gone(&self.stream.get_ref().0) {
                return Err(ErrorKind::BrokenPipe.into());
            }
            let mut items = Answering::new(self.stream.get_ref().0.clone(), self.shared.clone());
            let answer = operator.answer_received(received, &by, &imported, &mut items);
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
    shared: Arc<Shared>,
    unsent: Vec<u8>,
    lost: Option<io::Error>,
}

impl Answering {
    fn new(stream: Arc<UnixStream>, shared: Arc<Shared>) -> Self {
        Self { stream, shared, unsent: Vec::new(), lost: None }
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

impl ItemSink for Answering {
    fn put(&mut self, item: Item) -> bool {
        self.unsent.extend_from_slice(b"{\"item\":");
        self.unsent.extend_from_slice(item.json().as_bytes());
        self.unsent.extend_from_slice(b"}\n");
        self.unsent.len() < SENT_AT_ONCE || self.send()
    }

    fn flush(&mut self) -> bool {
        // A server that stops ends what would not end by itself: the answer is cut off, and has no end that says otherwise.
        if self.send() && (is_gone(&self.stream) || self.shared.is_stopping()) {
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

pub(crate) fn write(mut stream: &UnixStream, answer: &Answer) -> io::Result<()> {
    stream.write_all(format!("{}\n", json!(answer)).as_bytes())
}

/// The peer's user, where that is one who may ask.
fn peer(stream: &UnixStream, server: &str) -> Result<u32, Problem> {
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
                format!("{server} belongs to {}, and you are {}", user::by_uid(own), user::by_uid(uid));
            Err(Problem::new(ProblemKind::Forbidden, message))
        }
        Err(error) => Err(Problem::new(ProblemKind::Forbidden, format!("who asks cannot be told: {error}"))),
    }
}
