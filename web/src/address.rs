//! Where the server listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// Where the server listens: `127.0.0.1:8080`, or `unix:PATH`.
///
/// ```
/// use matins_web::Address;
///
/// let address: Address = "127.0.0.1:8080".parse()?;
/// assert!(address.is_local());
/// assert!("unix:/run/matins/http".parse::<Address>()?.is_local());
/// assert!(!"0.0.0.0:8080".parse::<Address>()?.is_local());
/// assert!("localhost".parse::<Address>().is_err());
/// # Ok::<(), matins_web::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An IP address and a port; port 0 is any that is free.
    Ip(SocketAddr),
    /// A Unix socket. It is created with mode 0600.
    Unix(PathBuf),
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is no address; write an IP address and a port, such as 127.0.0.1:8080, or unix:PATH")]
pub struct AddressError {
    text: String,
}

impl Address {
    /// Returns whether only this machine can connect.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Ip(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.strip_prefix("unix:") {
            Some(path) if !path.is_empty() => Ok(Self::Unix(path.into())),
            _ => text.parse().map(Self::Ip).map_err(|_| AddressError { text: text.to_owned() }),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
