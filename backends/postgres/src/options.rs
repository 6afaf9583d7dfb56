//! Where the database is, and how a scheduler presents itself there.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use matins_core::{IntoDuration, StoreError};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::PostgresStore;
use crate::passfile::{self, Server};

/// The longest name of a schema, in bytes.
const MAX_SCHEMA: usize = 63;

/// Where the database is, and how a scheduler presents itself there: read from a URL, or from [`PostgresStore::options`].
///
/// The URL is one of PostgreSQL's own, `postgres://USER@HOST:PORT/DATABASE?PARAMETER=VALUE`. Several hosts are tried in order:
/// `postgres://one,two/jobs?target_session_attrs=read-write` finds the primary server after a failover. What the URL does not say
/// comes from the environment variables of PostgreSQL's clients: `PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`, `PGPASSWORD`, `PGPASSFILE`,
/// `PGSSLMODE` and `PGSSLROOTCERT`.
///
/// | parameter | says | default |
/// | --- | --- | --- |
/// | `schema` | the schema of the tables | `matins` |
/// | `label` | what people know this scheduler by | the host's name and the number of the process |
/// | `lease` | how long other schedulers wait for a sign of life before they take over its runs, such as `15s`; from 1 s to 1 h | 15 s |
/// | `password_file` | a file that holds the password alone | |
/// | `sslmode` | `disable`, or `verify-full`; `require` and `verify-ca` are read as `verify-full` | `verify-full`, and `disable` for this host |
/// | `sslrootcert` | a file with the certificates of those who may sign for the server | those of the system |
/// | `sslcert`, `sslkey` | files with the certificate and the key of this client | none |
/// | any other | as in <https://www.postgresql.org/docs/current/libpq-connect.html> | |
///
/// The password is taken from the URL, `password_file`, `PGPASSWORD`, or the file that `PGPASSFILE` names (`~/.pgpass` without it), in
/// this order. It is never shown.
///
/// ```
/// use matins_store_postgres::PostgresOptions;
///
/// let options: PostgresOptions = "postgres://ada:secret@db.example.org/jobs?schema=nightly&lease=5s".parse()?;
/// assert_eq!(options.to_string(), "postgres://ada@db.example.org/jobs, schema nightly");
/// assert!(!format!("{options:?}").contains("secret"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "it connects to nothing until `open` is called"]
pub struct PostgresOptions {
    config: Config,
    pub(crate) schema: String,
    pub(crate) label: Option<String>,
    pub(crate) lease: Option<Duration>,
    pub(crate) time_zones: Option<String>,
    pub(crate) visits: bool,
    password_file: Option<PathBuf>,
    ssl_mode: Option<String>,
    pub(crate) ssl_root_cert: Option<PathBuf>,
    pub(crate) ssl_cert: Option<PathBuf>,
    pub(crate) ssl_key: Option<PathBuf>,
}

/// Why a text does not say where a database is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresOptionsError {
    /// It is not a URL of PostgreSQL.
    #[error("this is not a URL of PostgreSQL; write postgres://USER@HOST/DATABASE")]
    Url(#[source] Box<dyn Error + Send + Sync>),
    /// A parameter has an invalid value.
    #[error("the parameter {name} is {value:?}; {expected}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
}

impl PostgresOptions {
    pub(crate) fn new() -> Self {
        Self::of(Config::new())
    }

    fn of(config: Config) -> Self {
        Self {
            config,
            schema: "matins".to_owned(),
            label: None,
            lease: None,
            time_zones: None,
            visits: false,
            password_file: None,
            ssl_mode: None,
            ssl_root_cert: None,
            ssl_cert: None,
            ssl_key: None,
        }
    }

    /// Sets the schema of the tables. Schedulers with different schemas know nothing of each other. Default: `matins`.
    ///
    /// ```
    /// use matins_store_postgres::PostgresStore;
    ///
    /// let options = PostgresStore::options().schema("nightly")?;
    /// assert!(options.to_string().ends_with("schema nightly"));
    /// assert!(PostgresStore::options().schema("").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the name is empty, longer than 63 bytes, has other characters than lowercase letters, digits and underscores, or begins with a
    /// digit.
    pub fn schema(self, schema: impl Into<String>) -> Result<Self, PostgresOptionsError> {
        let schema = schema.into();
        // As SQL has it without quotes: the server would read other letters as these.
        let is_plain = schema.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && !schema.starts_with(|c: char| c.is_ascii_digit());
        if schema.is_empty() || schema.len() > MAX_SCHEMA || !is_plain {
            let expected = "it may have lowercase letters, digits and underscores, 63 at most, and does not begin with a digit";
            return Err(PostgresOptionsError::Parameter { name: "schema", value: schema, expected });
        }
        Ok(Self { schema, ..self })
    }

    /// Sets what people know this scheduler by. Default: the host's name and the number of the process.
    ///
    /// ```
    /// use matins_store_postgres::PostgresStore;
    ///
    /// let options = PostgresStore::options().label("rack 3");
    /// # let _ = options;
    /// ```
    pub fn label(self, label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    /// Sets how long other schedulers wait for a sign of life of this one before they take over its runs. It gives three in that time.
    /// Shorter than 1 s counts as 1 s, and longer than 1 h as 1 h. Default: 15 s.
    ///
    /// ```
    /// use std::time::Duration;
    /// use matins_store_postgres::PostgresStore;
    ///
    /// let options = PostgresStore::options().lease(Duration::from_secs(5));
    /// # let _ = options;
    /// ```
    pub fn lease(self, lease: impl IntoDuration) -> Self {
        let lease = lease.into_duration().unwrap_or_default();
        Self { lease: Some(lease.clamp(Duration::from_secs(1), Duration::from_secs(3600))), ..self }
    }

    /// Sets the version of the tz database that the scheduler uses, for others to see. Schedulers with different ones may compute
    /// different fire times.
    ///
    /// ```
    /// use matins_store_postgres::PostgresStore;
    ///
    /// let options = PostgresStore::options().time_zones("2026a");
    /// # let _ = options;
    /// ```
    pub fn time_zones(self, version: impl Into<String>) -> Self {
        Self { time_zones: Some(version.into()), ..self }
    }

    /// Lets a program look at the store without joining the schedulers: it joins when it changes something, and when it leaves, nothing
    /// says that it was there. It does not listen for changes either. For a command that asks or changes something and ends.
    ///
    /// ```
    /// use matins_store_postgres::PostgresStore;
    ///
    /// let options = PostgresStore::options().visiting();
    /// # let _ = options;
    /// ```
    pub fn visiting(self) -> Self {
        Self { visits: true, ..self }
    }

    /// Opens the store, and makes its tables if they are not there yet.
    ///
    /// ```
    /// use matins_store_postgres::PostgresOptions;
    ///
    /// # let Some(url) = matins_conformance::servers::postgres() else { return Ok(()) };
    /// # let url = format!("{url}?schema={}", matins_conformance::servers::schema("example"));
    /// let options: PostgresOptions = url.parse()?;
    /// let store = options.label("rack 3").open()?;
    /// # let _ = store;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the database cannot be reached, its tables cannot be made, or a later version has changed them so that this one cannot use them.
    pub fn open(self) -> Result<PostgresStore, StoreError> {
        PostgresStore::open_with(self)
    }

    /// Whether the connection is encrypted.
    pub(crate) fn encrypts(&self) -> bool {
        let mode = self.ssl_mode.clone().or_else(|| variable("PGSSLMODE"));
        match mode.as_deref() {
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            _ => !self.hosts().iter().all(is_here),
        }
    }

    fn hosts(&self) -> Vec<Host> {
        match self.config.get_hosts() {
            [] => vec![default_host()],
            hosts => hosts.to_vec(),
        }
    }

    pub(crate) fn user(&self) -> String {
        let user = self.config.get_user().map(str::to_owned);
        user.or_else(|| variable("PGUSER"))
            .or_else(|| variable("USER"))
            .unwrap_or_else(|| "postgres".to_owned())
    }

    fn database(&self) -> String {
        let database = self.config.get_dbname().map(str::to_owned);
        database.or_else(|| variable("PGDATABASE")).unwrap_or_else(|| self.user())
    }

    fn port(&self) -> u16 {
        let port = self.config.get_ports().first().copied();
        port.or_else(|| variable("PGPORT")?.parse().ok()).unwrap_or(5432)
    }

    /// What the driver is given: with the environment, and the password as it is now.
    pub(crate) fn config(&self) -> Result<Config, Box<dyn Error + Send + Sync>> {
        let mut config = self.config.clone();
        config.user(self.user()).dbname(self.database());
        if config.get_hosts().is_empty() {
            match default_host() {
                Host::Unix(path) => config.host_path(path),
                Host::Tcp(host) => config.host(host),
            };
        }
        if config.get_ports().is_empty() {
            config.port(self.port());
        }
        if config.get_application_name().is_none() {
            config.application_name("matins");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(5));
        }
        config.ssl_mode(if self.encrypts() { SslMode::Require } else { SslMode::Disable });
        if let Some(password) = self.password()? {
            config.password(password);
        }
        Ok(config)
    }

    fn password(&self) -> Result<Option<String>, Box<dyn Error + Send + Sync>> {
        if self.config.get_password().is_some() {
            return Ok(None);
        }
        let read = |path: &Path| {
            std::fs::read_to_string(path)
                .map_err(|error| format!("cannot read the password in {}: {error}", path.display()))
        };
        if let Some(path) = &self.password_file {
            return Ok(Some(read(path)?.trim_end_matches(['\r', '\n']).to_owned()));
        }
        if let Some(password) = variable("PGPASSWORD") {
            return Ok(Some(password));
        }
        let named = variable("PGPASSFILE").map(PathBuf::from);
        let usual = || Some(PathBuf::from(variable("HOME")?).join(".pgpass"));
        let Some(path) = named.or_else(|| usual().filter(|path| path.is_file())) else { return Ok(None) };
        let (text, user, database) = (read(&path)?, self.user(), self.database());
        let find = |host: &Host| {
            let host = match host {
                Host::Tcp(host) => host.as_str(),
                Host::Unix(_) => "localhost",
            };
            passfile::password(&text, Server { host, port: self.port(), database: &database, user: &user })
        };
        Ok(self.hosts().iter().find_map(find))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<bool, PostgresOptionsError> {
        match name {
            "schema" => *self = self.clone().schema(value)?,
            "label" => self.label = Some(value.to_owned()),
            "lease" => *self = self.clone().lease(lease(value)?),
            "password_file" => self.password_file = Some(value.into()),
            "sslmode" => {
                const MODES: [&str; 6] =
                    ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
                if !MODES.contains(&value) {
                    let (value, expected) = (value.to_owned(), "it may be disable, or verify-full");
                    return Err(PostgresOptionsError::Parameter { name: "sslmode", value, expected });
                }
                self.ssl_mode = Some(value.to_owned());
            }
            "sslrootcert" => self.ssl_root_cert = Some(value.into()),
            "sslcert" => self.ssl_cert = Some(value.into()),
            "sslkey" => self.ssl_key = Some(value.into()),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn lease(value: &str) -> Result<Duration, PostgresOptionsError> {
    let expected = "write a time such as 15s, from 1s to 1h";
    let invalid = || PostgresOptionsError::Parameter { name: "lease", value: value.to_owned(), expected };
    let (digits, unit) = value.split_at(value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len()));
    let number: u64 = digits.parse().map_err(|_| invalid())?;
    let lease = match unit.trim_start() {
        "ms" => Duration::from_millis(number),
        "s" | "" => Duration::from_secs(number),
        "m" | "min" => Duration::from_secs(number.saturating_mul(60)),
        "h" => Duration::from_secs(number.saturating_mul(3600)),
        _ => return Err(invalid()),
    };
    let is_in_range = (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&lease);
    if is_in_range { Ok(lease) } else { Err(invalid()) }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn default_host() -> Host {
    let host = variable("PGHOST").unwrap_or_else(|| {
        let socket = "/var/run/postgresql";
        if Path::new(socket).is_dir() { socket.to_owned() } else { "localhost".to_owned() }
    });
    if host.starts_with('/') { Host::Unix(host.into()) } else { Host::Tcp(host) }
}

/// Whether nobody else can listen to what is said to this host.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(host) => {
            host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
        }
    }
}

impl FromStr for PostgresOptions {
    type Err = PostgresOptionsError;

    fn from_str(text: &str) -> Result<Self, PostgresOptionsError> {
        let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
        if !is_url {
            return Err(PostgresOptionsError::Url("it does not begin with postgres://".into()));
        }
        let (base, parameters) = text.split_once('?').unwrap_or((text, ""));
        let (mut ours, mut theirs) = (Self::new(), Vec::new());
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
            if !ours.set(name, &value)? {
                theirs.push(parameter);
            }
        }
        let base = if theirs.is_empty() { base.to_owned() } else { format!("{base}?{}", theirs.join("&")) };
        ours.config =
            base.parse().map_err(|error: tokio_postgres::Error| PostgresOptionsError::Url(error.into()))?;
        Ok(ours)
    }
}

/// As a URL without the password, and the schema.
impl fmt::Display for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}@", self.user())?;
        for (number, host) in self.hosts().iter().enumerate() {
            f.write_str(if number == 0 { "" } else { "," })?;
            match host {
                Host::Tcp(host) => f.write_str(host)?,
                Host::Unix(path) => write!(f, "{}", path.display())?,
            }
            let port = self.config.get_ports().get(number).copied().unwrap_or_else(|| self.port());
            if port != 5432 {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}, schema {}", self.database(), self.schema)
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresOptions({self}, label {:?}, lease {:?})", self.label, self.lease)
    }
}

#[cfg(test)]
mod tests;
