//! The socket: created so that only its owner can connect, and removed when it is no longer served.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;
use thiserror::Error;

use crate::client;

/// Why a scheduler cannot be served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Another process listens at this path.
    #[error("cannot listen at {}: another process listens there; stop it, or choose another path", path.display())]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// Something that is not a socket has this path.
    #[error("cannot listen at {}: there is a file of that name that is no socket; choose another path", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The socket cannot be created.
    #[error("cannot listen at {}", path.display())]
    Socket {
        /// The path.
        path: PathBuf,
        /// What the system says, or why the directory is not safe.
        source: io::Error,
    },
    /// The system starts no thread, or has no descriptor left.
    #[error("cannot serve the control socket {}", path.display())]
    Thread {
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// How long another process is waited for that creates a socket in the same directory at the same moment.
const LOCK_TIME: Duration = Duration::from_secs(2);

/// A socket that listens. Clients that connect wait until it is [served](Listener::serve). It is removed when this is dropped.
#[derive(Debug)]
pub struct Listener {
    pub(crate) path: PathBuf,
    pub(crate) socket: UnixListener,
    /// Which file it is: another process may replace it later.
    file: (u64, u64),
}

impl Listener {
    /// Creates the socket at `path`, with mode 0600. One that a killed process has left there is replaced.
    ///
    /// The path may have about 100 bytes, and 10 less if its file name is shorter than 10 bytes.
    ///
    /// ```
    /// use matins_control::{Listener, ServeError};
    ///
    /// let directory = tempfile::tempdir().unwrap();
    /// let path = directory.path().join("control");
    /// let listener = Listener::bind(&path).unwrap();
    /// assert!(matches!(Listener::bind(&path), Err(ServeError::InUse { .. })));
    /// drop(listener);
    /// assert!(!path.exists());
    /// ```
    ///
    /// # Errors
    /// If a process listens there, if there is a file that is not a socket, if everybody can write to the directory (and it is
    /// not sticky, as `/tmp` is), and if the system refuses.
    pub fn bind(path: impl AsRef<Path>) -> Result<Self, ServeError> {
        let path = path.as_ref().to_owned();
        let failed = |source| ServeError::Socket { path: path.clone(), source };
        matins_files::refuse_shared_directory(&path).map_err(failed)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Of two processes that find a stale socket at the same moment, each would replace that of the other.
        let _locked = lock(parent).map_err(failed)?;
        match fs::symlink_metadata(&path) {
            Ok(found) if found.file_type().is_socket() => {
                if is_served(&path) {
                    return Err(ServeError::InUse { path });
                }
                fs::remove_file(&path).map_err(failed)?;
            }
            Ok(_) => return Err(ServeError::NotASocket { path }),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let (socket, file) = bind_privately(&path, parent).map_err(failed)?;
        Ok(Self { path, socket, file })
    }
}

impl Listener {
    /// Returns the socket, for a server of another protocol. It is removed when the listener is dropped.
    ///
    /// ```
    /// use matins_control::Listener;
    ///
    /// let directory = tempfile::tempdir()?;
    /// let listener = Listener::bind(directory.path().join("http"))?;
    /// let socket = listener.socket()?;
    /// # drop(socket);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no descriptor left.
    pub fn socket(&self) -> io::Result<UnixListener> {
        self.socket.try_clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Left there, it would be replaced by the next process.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Binds the socket in a directory that nobody else can enter, and moves it to its path: its permissions are set before anybody
/// can connect. The name of the directory is short, because the path of a socket has a limit of about 100 bytes.
fn bind_privately(path: &Path, parent: &Path) -> io::Result<(UnixListener, (u64, u64))> {
    let private = tempfile::Builder::new()
        .prefix(".m")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)?;
    let bound = private.path().join("s");
    let socket = UnixListener::bind(&bound)?;
    fs::set_permissions(&bound, Permissions::from_mode(0o600))?;
    let file = identity(&fs::symlink_metadata(&bound)?);
    fs::rename(&bound, path)?;
    Ok((socket, file))
}

/// Returns whether a process listens: also one that is busy, so that connections are queued, or one that is not ours to ask.
fn is_served(path: &Path) -> bool {
    let connected = SocketAddrUnix::new(path).and_then(|address| client::try_connect(&address));
    !matches!(connected, Err(Errno::CONNREFUSED | Errno::NOENT))
}

/// Locks a directory for as long as the file that is returned is open. A file system without locks is no obstacle.
fn lock(directory: &Path) -> io::Result<File> {
    let file = File::open(directory)?;
    let until = Instant::now() + LOCK_TIME;
    while flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)
        && Instant::now() < until
    {
        thread::sleep(Duration::from_millis(10));
    }
    Ok(file)
}
