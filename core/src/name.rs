//! Names of jobs, tasks, stores and executors: checked once, then right.

use std::borrow::Borrow;
use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize, Serializer};

/// The longest name, in bytes.
const MAX_LENGTH: usize = 255;

/// A text that cannot be a name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// The text is empty.
    Empty {
        /// What the name is of.
        kind: &'static str,
    },
    /// The text is longer than 255 bytes.
    TooLong {
        /// What the name is of.
        kind: &'static str,
        /// The length found, in bytes.
        length: usize,
        /// Its first characters.
        start: String,
    },
    /// The text has a control character, or begins or ends with white space.
    Character {
        /// What the name is of.
        kind: &'static str,
        /// The whole text.
        name: String,
        /// What was found.
        found: &'static str,
        /// Where, as a byte offset from 0.
        at: usize,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { kind } => write!(f, "a {kind} may not be empty; give it at least one character"),
            Self::TooLong { kind, length, start } => write!(
                f,
                "this {kind} has {length} bytes; shorten it to {MAX_LENGTH} (it begins with {start:?})"
            ),
            Self::Character { kind, name, found, at } => {
                write!(f, "the {kind} {name:?} has {found} at byte {at}; leave it out")
            }
        }
    }
}

impl Error for NameError {}

fn check(kind: &'static str, name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty { kind });
    }
    if name.len() > MAX_LENGTH {
        let start = name.chars().take(20).collect();
        return Err(NameError::TooLong { kind, length: name.len(), start });
    }
    let character = |found, at| NameError::Character { kind, name: name.to_owned(), found, at };
    if let Some((at, _)) = name.char_indices().find(|(_, c)| c.is_control()) {
        return Err(character("a control character", at));
    }
    if name.starts_with(char::is_whitespace) {
        return Err(character("white space", 0));
    }
    if name.ends_with(char::is_whitespace) {
        return Err(character("white space", name.trim_end().len()));
    }
    Ok(())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        ///
        /// 1 to 255 bytes of UTF-8 without control characters, and without white space at either end. Cloning is cheap.
        #[derive(Clone, Eq, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            #[doc = concat!("Checks `name` and returns it as a ", $kind, ".")]
            ///
            /// ```
            #[doc = concat!("use matins_core::", stringify!($name), ";")]
            ///
            #[doc = concat!("let name = ", stringify!($name), "::new(\"nightly\")?;")]
            /// assert_eq!(name.as_str(), "nightly");
            #[doc = concat!("assert!(", stringify!($name), "::new(\"two\\nlines\").is_err());")]
            /// # Ok::<(), matins_core::NameError>(())
            /// ```
            ///
            /// # Errors
            /// If the text breaks the rules above.
            pub fn new(name: impl AsRef<str>) -> Result<Self, NameError> {
                check($kind, name.as_ref())?;
                Ok(Self(name.as_ref().into()))
            }

            /// Returns the text.
            ///
            /// ```
            #[doc = concat!("let name = matins_core::", stringify!($name), "::new(\"nightly\")?;")]
            /// assert_eq!(name.as_str(), "nightly");
            /// # Ok::<(), matins_core::NameError>(())
            /// ```
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq for $name {
            #[inline]
            fn eq(&self, other: &Self) -> bool {
                // Most names that are compared are clones of one.
                Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
            }
        }

        impl Hash for $name {
            #[inline]
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.0.hash(state);
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;
            fn try_from(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl TryFrom<&$name> for $name {
            type Error = NameError;
            fn try_from(name: &$name) -> Result<Self, NameError> {
                Ok(name.clone())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name_type!(
    /// The name by which a job is known in its store.
    JobId,
    "job id"
);
name_type!(
    /// The name under which a task is registered, and by which jobs refer to it.
    TaskName,
    "task name"
);
name_type!(
    /// The name under which a scheduler holds a store.
    StoreName,
    "store name"
);
name_type!(
    /// The name under which a scheduler holds an executor.
    ExecutorName,
    "executor name"
);
name_type!(
    /// The name that the jobs of a concurrency [group](crate::Group) share.
    GroupName,
    "group name"
);

impl JobId {
    /// Returns a number made from the text: what random choices of the job's trigger, such as a jitter, depend on.
    ///
    /// The same text has the same number in every version and on every machine. (It is the FNV-1a hash of 64 bits.)
    ///
    /// ```
    /// use matins_core::JobId;
    ///
    /// let (one, other) = (JobId::new("backup-1").unwrap(), JobId::new("backup-2").unwrap());
    /// assert_ne!(one.seed(), other.seed());
    /// ```
    pub fn seed(&self) -> u64 {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        self.0.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
    }
}

/// The text of the names that are not given, made once.
static DEFAULT: LazyLock<Arc<str>> = LazyLock::new(|| "default".into());

impl Default for StoreName {
    /// `default`.
    fn default() -> Self {
        Self(DEFAULT.clone())
    }
}

impl Default for ExecutorName {
    /// `default`.
    fn default() -> Self {
        Self(DEFAULT.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_name_is_kept_as_it_is() {
        assert_eq!(JobId::new("nightly report (Berlin)").unwrap(), "nightly report (Berlin)");
    }

    #[test]
    fn every_name_is_parsed_from_text() {
        assert_eq!("backup".parse::<JobId>().unwrap(), "backup");
        assert_eq!("disk".parse::<StoreName>().unwrap(), "disk");
        assert_eq!("rayon".parse::<ExecutorName>().unwrap(), "rayon");
        assert_eq!("report".parse::<TaskName>().unwrap(), "report");
        assert_eq!("database".parse::<GroupName>().unwrap(), "database");
        assert_eq!("".parse::<JobId>(), Err(NameError::Empty { kind: "job id" }));
    }

    /// The published test vectors of FNV-1a: stored jobs depend on these numbers.
    #[test]
    fn the_seed_of_an_id_never_changes() {
        assert_eq!(JobId::new("a").unwrap().seed(), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(JobId::new("foobar").unwrap().seed(), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn what_cannot_be_a_name_is_refused_with_its_place() {
        assert!(matches!(JobId::new(""), Err(NameError::Empty { .. })));
        assert!(matches!(JobId::new("x".repeat(256)), Err(NameError::TooLong { length: 256, .. })));
        assert!(matches!(JobId::new("a\nb"), Err(NameError::Character { at: 1, .. })));
        assert!(matches!(JobId::new("ab "), Err(NameError::Character { at: 2, .. })));
        assert!(serde_json::from_str::<JobId>("\" a\"").is_err());
    }
}
