//! A NATS server, as it is reached: its address, and who says that we may use it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use matins_core::IntoDuration;
use percent_encoding::percent_decode_str;
use thiserror::Error;

use crate::names::Names;

/// A connection is tried so long.
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// A connection on which nothing is heard is asked so often whether it is alive. Twice without an answer, it is opened again.
const PING_EVERY: Duration = Duration::from_secs(5);

/// A NATS server, the credentials for it, and the namespace in it.
///
/// Passwords and tokens in the address are not shown by `Debug`, nor by errors.
///
/// ```
/// use matins_executor_nats::NatsServer;
///
/// let server = NatsServer::new("tls://nats.example:4222")
///     .credentials("/etc/matins/scheduler.creds")
///     .namespace("billing")
///     .pool("gpu");
/// assert_eq!(server.to_string(), "tls://nats.example:4222 (namespace billing, pool gpu)");
/// ```
#[derive(Clone)]
#[must_use]
pub struct NatsServer {
    url: String,
    credentials: Option<PathBuf>,
    certificates: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
    inbox: Option<String>,
    namespace: String,
    pool: String,
    ack_wait: Duration,
}

impl NatsServer {
    /// A server at this address, such as `nats://127.0.0.1:4222`, in the namespace `matins` and the pool `default`. Several addresses of
    /// one cluster are separated by commas. With `tls://`, the connection is encrypted and the server's certificate is checked. A user and
    /// a password, or a token, may stand in it (`nats://USER:PASSWORD@HOST`), with `%40` for an `@` in them.
    ///
    /// ```
    /// use matins_executor_nats::NatsServer;
    ///
    /// let server = NatsServer::new("nats://user:secret@127.0.0.1");
    /// assert!(!server.to_string().contains("secret"));
    /// ```
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            credentials: None,
            certificates: None,
            identity: None,
            inbox: None,
            namespace: "matins".to_owned(),
            pool: "default".to_owned(),
            ack_wait: Duration::from_secs(30),
        }
    }

    /// Sets the credentials file, which holds a user's token and key as `nsc` writes them.
    ///
    /// ```
    /// # use matins_executor_nats::NatsServer;
    /// let server = NatsServer::new("nats://127.0.0.1").credentials("/etc/matins/worker.creds");
    /// # let _ = server;
    /// ```
    pub fn credentials(self, file: impl Into<PathBuf>) -> Self {
        Self { credentials: Some(file.into()), ..self }
    }

    /// Sets a file with the certificates that the server's own is checked against, in place of those of the system.
    ///
    /// ```
    /// # use matins_executor_nats::NatsServer;
    /// let server = NatsServer::new("tls://nats.example").certificates("/etc/matins/ca.pem");
    /// # let _ = server;
    /// ```
    pub fn certificates(self, file: impl Into<PathBuf>) -> Self {
        Self { certificates: Some(file.into()), ..self }
    }

    /// Sets the certificate and the key that this side shows to the server.
    ///
    /// ```
    /// # use matins_executor_nats::NatsServer;
    /// let server = NatsServer::new("tls://nats.example").identity("/etc/matins/worker.pem", "/etc/matins/worker.key");
    /// # let _ = server;
    /// ```
    pub fn identity(self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { identity: Some((certificate.into(), key.into())), ..self }
    }

    /// Sets the beginning of the subjects on which this side hears answers. By default it is `_INBOX`. A server that keeps users apart
    /// permits each one a beginning of its own.
    ///
    /// ```
    /// # use matins_executor_nats::NatsServer;
    /// let server = NatsServer::new("nats://127.0.0.1").inbox("_INBOX_worker");
    /// # let _ = server;
    /// ```
    pub fn inbox(self, prefix: impl Into<String>) -> Self {
        Self { inbox: Some(prefix.into()), ..self }
    }

    /// Sets the namespace: letters, digits, `-` and `_`, 32 at most. Schedulers that do not share a store must not share a namespace.
    /// Default: `matins`.
    ///
    /// ```
    /// # use matins_executor_nats::NatsServer;
    /// let server = NatsServer::new("nats://127.0.0.1").namespace("billing");
    /// # let _ = server;
    /// ```
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), ..self }
    }

    /// Sets the pool of workers within the namespace, as for the namespace. An executor hands runs to the workers of its pool. Default:
    /// `default`.
    ///
    /// ```
    /// # use matins_executor_nats::NatsServer;
    /// let server = NatsServer::new("nats://127.0.0.1").pool("gpu");
    /// # let _ = server;
    /// ```
    pub fn pool(self, pool: impl Into<String>) -> Self {
        Self { pool: pool.into(), ..self }
    }

    /// Sets after how long without a sign of life the server hands a worker's run to another one, which reports that the first is lost. A worker
    /// gives three signs in this time, and stops a run when it could give none for four fifths of it. At least 1 second. Default: 30 seconds.
    ///
    /// The executor decides, and all executors of a pool must have the same value. A worker learns it with each run.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use matins_executor_nats::NatsServer;
    /// let server = NatsServer::new("nats://127.0.0.1").ack_wait(Duration::from_secs(10));
    /// # let _ = server;
    /// ```
    pub fn ack_wait(self, time: impl IntoDuration) -> Self {
        let ack_wait = time.into_duration().unwrap_or_default().max(Duration::from_secs(1));
        Self { ack_wait, ..self }
    }

    pub(crate) fn silence(&self) -> Duration {
        self.ack_wait
    }

    pub(crate) fn names(&self) -> Result<Names, NatsError> {
        Names::new(&self.namespace, &self.pool)
            .ok_or_else(|| NatsError::Name { namespace: self.namespace.clone(), pool: self.pool.clone() })
    }

    /// Connects, and connects again whenever the connection is lost.
    pub(crate) async fn connect(&self, name: &str) -> Result<Client, NatsError> {
        let mut options = ConnectOptions::new()
            .name(name)
            .connection_timeout(CONNECTS_WITHIN)
            .ping_interval(PING_EVERY)
            .client_capacity(65_536)
            .subscription_capacity(1 << 20);
        if let Some(file) = &self.credentials {
            options = options.credentials_file(file).await.map_err(|source| self.unreadable(file, source))?;
        }
        if let Some(file) = &self.certificates {
            readable(file).map_err(|source| self.unreadable(file, source))?;
            options = options.add_root_certificates(file.clone());
        }
        if let Some((certificate, key)) = &self.identity {
            for file in [certificate, key] {
                readable(file).map_err(|source| self.unreadable(file, source))?;
            }
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        if let Some(inbox) = &self.inbox {
            options = options.custom_inbox_prefix(inbox);
        }
        let mut addresses = Vec::new();
        for address in self.url.split(',').map(str::trim) {
            options = match user_of(address) {
                Some((user, Some(password))) => options.user_and_password(user, password),
                Some((token, None)) => options.token(token),
                None => options,
            };
            addresses.push(without_user(address));
        }
        let connected = options.connect(addresses).await;
        connected.map_err(|error| NatsError::Connect { server: self.to_string(), source: Box::new(error) })
    }

    fn unreadable(&self, file: &Path, source: std::io::Error) -> NatsError {
        NatsError::File { server: self.to_string(), file: file.to_owned(), source }
    }
}

fn readable(file: &Path) -> std::io::Result<()> {
    std::fs::File::open(file).map(drop)
}

impl fmt::Display for NatsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> =
            self.url.split(',').map(|address| without_user(address.trim())).collect();
        let Self { namespace, pool, .. } = self;
        write!(f, "{} (namespace {namespace}, pool {pool})", addresses.join(","))
    }
}

impl fmt::Debug for NatsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NatsServer({self})")
    }
}

/// The user and the password in an address; alone, it is a token.
fn user_of(address: &str) -> Option<(String, Option<String>)> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let (user, _) = rest.rsplit_once('@')?;
    let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    Some(match user.split_once(':') {
        Some((user, password)) => (decoded(user), Some(decoded(password))),
        None => (decoded(user), None),
    })
}

/// An address without the user and the password in it.
fn without_user(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").map_or(("", address), |(scheme, rest)| (scheme, rest));
    let host = rest.rsplit('@').next().unwrap_or_default();
    if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
}

/// Why a NATS server cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NatsError {
    /// The namespace or the pool cannot be part of a subject.
    #[error(
        "the namespace is {namespace:?} and the pool is {pool:?}: both must be 1 to 32 letters, digits, - or _"
    )]
    Name {
        /// The namespace.
        namespace: String,
        /// The pool.
        pool: String,
    },
    /// A file with credentials or certificates cannot be read.
    #[error("cannot read {} for the NATS server {server}", file.display())]
    File {
        /// The server.
        server: String,
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The server cannot be reached, or does not let us in.
    #[error(
        "cannot connect to the NATS server {server}. Check that nats-server is running there, and the credentials"
    )]
    Connect {
        /// The server.
        server: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server does not do what we need of it.
    #[error(
        "cannot {doing} in the NATS server {server}. Check that JetStream is enabled (nats-server -js), and what this user may do"
    )]
    Setup {
        /// What was to be done.
        doing: String,
        /// The server.
        server: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The system gives us no thread or descriptor.
    #[error("cannot start the threads for the NATS server")]
    Runtime(#[source] std::io::Error),
    /// A worker has no tasks.
    #[error("this worker has no tasks. Register at least one before it starts")]
    NoTasks,
    /// The name of a task is too long to be part of a subject.
    #[error("the task {0:?} has a name that is too long for NATS. Give it one of at most 50 characters")]
    TaskName(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_in_an_address_is_not_shown() {
        let server = NatsServer::new("nats://me:p@ss@one:4222, token@two").namespace("app");
        assert_eq!(format!("{server:?}"), "NatsServer(nats://one:4222,two (namespace app, pool default))");
    }

    #[test]
    fn a_user_in_an_address_is_who_connects() {
        let user = |user: &str, password: &str| Some((user.to_owned(), Some(password.to_owned())));
        assert_eq!(user_of("nats://me:p%40:ss@one:4222"), user("me", "p@:ss"));
        assert_eq!(user_of("secret@one"), Some(("secret".to_owned(), None)));
        assert_eq!(user_of("tls://one:4222"), None);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let server = NatsServer::new("nats://127.0.0.1:1").certificates("/no/such/ca.pem");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(server.connect("test")).unwrap_err();
        assert!(error.to_string().contains("/no/such/ca.pem"), "{error}");
    }
}
