//! The URL of a PostgreSQL database, which may hold a password.

use std::fmt;

/// The URL of a PostgreSQL database: `postgres://USER@HOST/DATABASE?PARAMETER=VALUE`. It may hold a password, which is not shown.
///
/// ```
/// use matins_config::{PostgresUrl, StoreUrl};
///
/// let StoreUrl::Postgres(url) = "postgres://ada:secret@db/jobs?schema=nightly".parse()? else { unreachable!() };
/// assert_eq!(url.to_string(), "postgres://ada@db/jobs?schema=nightly");
/// assert_eq!(url.with_password(), "postgres://ada:secret@db/jobs?schema=nightly");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    text: String,
}

impl PostgresUrl {
    /// `None` for a text that does not begin as such a URL does.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"))?;
        (!rest.is_empty()).then(|| Self { text: text.to_owned() })
    }

    /// Returns the whole URL, to connect with. It must not be shown.
    ///
    /// ```
    /// use matins_config::StoreUrl;
    ///
    /// let StoreUrl::Postgres(url) = "postgres://localhost/jobs".parse()? else { unreachable!() };
    /// assert_eq!(url.with_password(), "postgres://localhost/jobs");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_password(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for PostgresUrl {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.text.split_once("://").unwrap_or(("postgres", &self.text));
        let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        write!(f, "{scheme}://")?;
        match place.rsplit_once('@') {
            Some((user, host)) => write!(f, "{}@{host}", user.split(':').next().unwrap_or_default())?,
            None => f.write_str(place)?,
        }
        let shown = parameters.split('&').filter(|parameter| !parameter.is_empty());
        let shown = shown.filter(|parameter| !parameter.starts_with("password="));
        for (number, parameter) in shown.enumerate() {
            write!(f, "{}{parameter}", if number == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_without_its_password() {
        for (text, shown) in [
            ("postgres://db/jobs", "postgres://db/jobs"),
            ("postgres://ada@db/jobs", "postgres://ada@db/jobs"),
            ("postgresql://ada:a:b@c@db:5433/jobs", "postgresql://ada@db:5433/jobs"),
            (
                "postgres://db/jobs?password=x&lease=5s&password_file=p",
                "postgres://db/jobs?lease=5s&password_file=p",
            ),
            ("postgres:///jobs?password=x", "postgres:///jobs"),
        ] {
            let url = PostgresUrl::new(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("PostgresUrl({shown})"));
        }
        assert!(PostgresUrl::new("postgres://").is_none() && PostgresUrl::new("mysql://db").is_none());
    }
}
