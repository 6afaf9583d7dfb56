//! What is served, and to which clients.

use std::sync::Arc;

use matins_control::{HistoryEvent, Operator, user};
use matins_scheduler::{Handle, SchedulerState};

use crate::{Address, ServeError, Server, Token};

/// How many clients may be connected.
const CONNECTIONS: usize = 64;

/// Serves a scheduler at an address, until the server that is returned is dropped.
///
/// The user of this process and root may use it, on Linux; beyond loopback and elsewhere, make a [`Site`] with a token. The
/// history, which explanations read, is kept in memory.
///
/// ```
/// # use matins_scheduler::SchedulerBuilder;
/// # use matins_store_memory::MemoryStore;
/// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
/// let server = matins_web::serve(&scheduler.handle(), "127.0.0.1:0")?;
/// assert!(server.address().to_string().starts_with("127.0.0.1:"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the address is invalid, needs a token, or cannot be listened at.
pub fn serve(handle: &Handle, address: &str) -> Result<Server, ServeError> {
    let operator = Operator::new(handle);
    operator.history().follow(handle).map_err(|error| ServeError::Start { why: error.to_string() })?;
    if matches!(handle.state(), SchedulerState::Running | SchedulerState::Paused) {
        operator.note(HistoryEvent::Started, &user::own());
    }
    Site::new(operator).serve(address.parse()?)
}

/// Returns the metrics as text.
pub(crate) type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What is served, and to which clients: an [`Operator`] and settings.
///
/// ```
/// use matins_control::Operator;
/// use matins_web::{Site, Token};
/// # use matins_scheduler::SchedulerBuilder;
/// # use matins_store_memory::MemoryStore;
/// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
/// let site = Site::new(Operator::new(&scheduler.handle()))
///     .with_token(Token::new("correct horse battery")?)
///     .with_host("jobs.example.org")
///     .with_metrics(|| "runs 7\n".to_owned())
///     .with_connections(8)
///     .read_only();
/// let server = site.serve("127.0.0.1:0".parse()?)?;
/// # drop(server);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Site {
    pub(crate) operator: Arc<Operator>,
    pub(crate) token: Option<Token>,
    pub(crate) hosts: Vec<String>,
    pub(crate) metrics: Option<Metrics>,
    pub(crate) is_read_only: bool,
    pub(crate) connections: usize,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site")
            .field("token", &self.token)
            .field("hosts", &self.hosts)
            .field("is_read_only", &self.is_read_only)
            .finish_non_exhaustive()
    }
}

impl Site {
    /// Returns a site of an operator. It may have a control socket too.
    pub fn new(operator: impl Into<Arc<Operator>>) -> Self {
        Self {
            operator: operator.into(),
            token: None,
            hosts: Vec::new(),
            metrics: None,
            is_read_only: false,
            connections: CONNECTIONS,
        }
    }

    /// Sets the token that every client has to send.
    ///
    /// ```
    /// use matins_web::{Site, Token};
    ///
    /// # use matins_control::Operator;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// # let operator = Operator::new(&scheduler.handle());
    /// let token = Token::new("correct horse battery")?;
    /// let site = Site::new(operator).with_token(token);
    /// // With a token, other machines may use it.
    /// assert!(site.check(&"0.0.0.0:80".parse()?).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_token(self, token: Token) -> Self {
        Self { token: Some(token), ..self }
    }

    /// Adds a host name by which clients may call this server, in addition to `localhost` and IP addresses: that of the machine or of
    /// a proxy.
    ///
    /// ```
    /// use matins_web::Site;
    ///
    /// # use matins_control::Operator;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// # let operator = Operator::new(&scheduler.handle());
    /// let site = Site::new(operator).with_host("jobs.example.org");
    /// let server = site.serve("127.0.0.1:0".parse()?)?;
    /// # drop(server);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into().to_ascii_lowercase());
        self
    }

    /// Sets the answer to `/metrics`, in the format of Prometheus.
    ///
    /// ```
    /// use matins_web::Site;
    ///
    /// # use matins_control::Operator;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// # let operator = Operator::new(&scheduler.handle());
    /// let site = Site::new(operator).with_metrics(|| "jobs_done_total 7\n".to_owned());
    /// let server = site.serve("127.0.0.1:0".parse()?)?;
    /// # drop(server);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_metrics(self, metrics: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self { metrics: Some(Arc::new(metrics)), ..self }
    }

    /// Refuses all requests that change something.
    ///
    /// ```
    /// use matins_web::Site;
    ///
    /// # use matins_control::Operator;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// # let operator = Operator::new(&scheduler.handle());
    /// // It shows everything, and nobody can change anything with it.
    /// let server = Site::new(operator).read_only().serve("127.0.0.1:0".parse()?)?;
    /// # drop(server);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_only(self) -> Self {
        Self { is_read_only: true, ..self }
    }

    /// Sets how many clients may be connected at once; 64 by default.
    ///
    /// ```
    /// use matins_web::Site;
    ///
    /// # use matins_control::Operator;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// # let operator = Operator::new(&scheduler.handle());
    /// let server = Site::new(operator).with_connections(8).serve("127.0.0.1:0".parse()?)?;
    /// # drop(server);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_connections(self, connections: usize) -> Self {
        Self { connections: connections.max(1), ..self }
    }

    /// Serves it, until the server that is returned is dropped.
    ///
    /// ```
    /// use matins_web::Site;
    ///
    /// # use matins_control::Operator;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// # let operator = Operator::new(&scheduler.handle());
    /// let server = Site::new(operator).serve("127.0.0.1:0".parse()?)?;
    /// assert!(server.address().is_local());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the address needs a token, or cannot be listened at.
    pub fn serve(self, address: Address) -> Result<Server, ServeError> {
        Server::start(self, address)
    }

    /// Checks that it may be served at an address.
    ///
    /// ```
    /// use matins_control::Operator;
    /// use matins_web::Site;
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
    /// let site = Site::new(Operator::new(&scheduler.handle()));
    /// assert!(site.check(&"0.0.0.0:80".parse()?).unwrap_err().to_string().contains("token"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the address needs a token.
    pub fn check(&self, address: &Address) -> Result<(), ServeError> {
        let knows_users = cfg!(target_os = "linux") || matches!(address, Address::Unix(_));
        if self.token.is_some() || (address.is_local() && knows_users) {
            return Ok(());
        }
        Err(ServeError::NeedsToken { address: address.clone() })
    }
}
