//! The address of a NATS server, which may hold a password or a token.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;

/// The address of a NATS server, `nats://HOST` or `tls://HOST:PORT`, or several of one cluster, separated by commas. It may hold a user
/// and a password, or a token, which are not shown.
///
/// ```
/// use matins_config::NatsUrl;
///
/// let url: NatsUrl = "nats://ada:secret@one:4222, two".parse()?;
/// assert_eq!(url.to_string(), "nats://one:4222,two");
/// assert!("http://one".parse::<NatsUrl>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct NatsUrl {
    text: String,
}

/// An address that no NATS server has. It does not show the address, since a password may be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "this is no address of a NATS server; write nats://HOST or tls://HOST:PORT, with commas between several"
)]
pub struct NatsUrlError;

impl NatsUrl {
    /// Returns the whole address, to connect with. It must not be shown.
    ///
    /// ```
    /// use matins_config::NatsUrl;
    ///
    /// let url: NatsUrl = "tls://token@nats.example".parse()?;
    /// assert_eq!(url.with_password(), "tls://token@nats.example");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_password(&self) -> &str {
        &self.text
    }
}

/// The scheme, if there is one, and what follows the user.
fn parts(address: &str) -> (Option<&str>, &str) {
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, address),
    };
    (scheme, rest.rsplit('@').next().unwrap_or_default())
}

impl FromStr for NatsUrl {
    type Err = NatsUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_valid = |address: &str| {
            let (scheme, host) = parts(address.trim());
            scheme.is_none_or(|scheme| matches!(scheme, "nats" | "tls" | "ws" | "wss")) && !host.is_empty()
        };
        text.split(',').all(is_valid).then(|| Self { text: text.to_owned() }).ok_or(NatsUrlError)
    }
}

impl TryFrom<String> for NatsUrl {
    type Error = NatsUrlError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for NatsUrl {
    /// Without users, passwords and tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, address) in self.text.split(',').enumerate() {
            let (scheme, host) = parts(address.trim());
            let separator = if number == 0 { "" } else { "," };
            match scheme {
                Some(scheme) => write!(f, "{separator}{scheme}://{host}")?,
                None => write!(f, "{separator}{host}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NatsUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_not_shown_and_what_is_no_address_is_refused() {
        let url: NatsUrl = "nats://me:p@ss@one:4222, token@two,tls://three".parse().unwrap();
        assert_eq!(format!("{url:?}"), "NatsUrl(nats://one:4222,two,tls://three)");
        for text in ["", "nats://", "nats://me@", "http://one", "one,,two"] {
            assert_eq!(text.parse::<NatsUrl>(), Err(NatsUrlError), "{text:?}");
        }
    }
}
