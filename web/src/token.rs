//! The token that clients beyond this machine show.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;
use thiserror::Error;

/// The fewest characters of a token: one that is shorter could be found by trying.
const LEAST: usize = 16;

/// A token is read from a file of at most so many bytes.
const MOST: u64 = 4096;

/// The token that clients show, as `Authorization: Bearer TOKEN` or in the page's form.
///
/// ```
/// use matins_web::Token;
///
/// let token = Token::new("correct horse battery")?;
/// assert_eq!(format!("{token:?}"), "Token(hidden)");
/// assert!(token.is(b"correct horse battery"));
/// assert!(Token::new("short").is_err());
/// # Ok::<(), matins_web::TokenError>(())
/// ```
#[derive(Clone)]
pub struct Token(String);

/// Why there is no token.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is too short.
    #[error(
        "a token has at least {LEAST} characters, so that nobody finds it by trying; `openssl rand -hex 32` makes one"
    )]
    TooShort,
    /// Its file cannot be read.
    #[error("cannot read the token in {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Token {
    /// Returns a token of this text, without the white space around it.
    ///
    /// # Errors
    /// If it has fewer than 16 characters.
    pub fn new(text: impl AsRef<str>) -> Result<Self, TokenError> {
        let text = text.as_ref().trim();
        if text.chars().count() < LEAST { Err(TokenError::TooShort) } else { Ok(Self(text.to_owned())) }
    }

    /// Reads a token from a file.
    ///
    /// ```
    /// use matins_web::Token;
    ///
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("token");
    /// std::fs::write(&path, "correct horse battery\n")?;
    /// assert!(Token::from_file(&path)?.is(b"correct horse battery"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read, or its token is too short.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, TokenError> {
        let path = path.as_ref();
        let read = || {
            let file = std::fs::File::open(path)?;
            let mut text = String::new();
            file.take(MOST).read_to_string(&mut text).map(|_| text)
        };
        Self::new(read().map_err(|source| TokenError::File { path: path.to_owned(), source })?)
    }

    /// Returns whether this is what a client has shown. The time that this takes says nothing about where they differ.
    ///
    /// ```
    /// use matins_web::Token;
    ///
    /// let token = Token::new("correct horse battery")?;
    /// assert!(token.is(b"correct horse battery") && !token.is(b"correct horse"));
    /// # Ok::<(), matins_web::TokenError>(())
    /// ```
    pub fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// Returns 256 random bits, in hexadecimal.
pub(crate) fn random() -> io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}
