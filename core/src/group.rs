//! Concurrency groups: jobs that share a limit of runs in progress.

use std::error::Error;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{GroupName, NameError};

/// A concurrency group, as a job belongs to it: the name that the jobs of the group share, and how many runs of the group may be in
/// progress when a run of this job begins.
///
/// The runs of all jobs with the same group name in the same store are counted together. A run that finds the limit reached waits, and
/// begins when another run of the group ends: those with a higher [priority](crate::Policy::priority) first, then those with an
/// earlier fire time. With a limit of 1 the group is a mutex.
///
/// Each job obeys its own limit. Usually all jobs of a group have the same one.
///
/// It is written as `{ name = "database", limit = 2 }`, or as `"database"` for a limit of 1.
///
/// ```
/// use matins_core::Group;
///
/// let group = Group::new("database", 2).unwrap();
/// assert_eq!((group.name.as_str(), group.limit()), ("database", 2));
/// assert_eq!("database".parse::<Group>().unwrap().limit(), 1);
/// assert_eq!("database:2".parse::<Group>().unwrap(), group);
/// assert!(Group::new("database", 0).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Group {
    /// The name that the jobs of the group share.
    pub name: GroupName,
    limit: NonZeroU32,
}

/// Why a text or a pair of values is not a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupError {
    /// The name is invalid.
    Name(NameError),
    /// The limit is zero, so that no run could ever begin.
    NoRuns {
        /// The group's name.
        name: String,
    },
    /// What follows the last colon of the text is not a limit.
    Limit {
        /// The group's name.
        name: String,
        /// What was found in place of a number.
        limit: String,
    },
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::NoRuns { name } => write!(
                f,
                "the group {name:?} has the limit 0, so that no run could begin; give it at least 1"
            ),
            Self::Limit { name, limit } => write!(
                f,
                "{limit:?} is not a limit of the group {name:?}; write NAME or NAME:LIMIT, such as {name}:2"
            ),
        }
    }
}

impl Error for GroupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Name(error) => error.source(),
            _ => None,
        }
    }
}

impl From<NameError> for GroupError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

impl Group {
    /// Returns the group with this name and limit.
    ///
    /// # Errors
    /// When the name is [invalid](GroupName::new), or the limit is 0.
    pub fn new(name: impl AsRef<str>, limit: u32) -> Result<Self, GroupError> {
        let name = GroupName::new(name)?;
        let limit =
            NonZeroU32::new(limit).ok_or_else(|| GroupError::NoRuns { name: name.as_str().to_owned() })?;
        Ok(Self { name, limit })
    }

    /// Returns how many runs of the group may be in progress at once, as far as this job is concerned; at least 1.
    pub const fn limit(&self) -> usize {
        self.limit.get() as usize
    }
}

impl fmt::Display for Group {
    /// `database`, or `database:2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit() {
            1 if !self.name.as_str().contains(':') => write!(f, "{}", self.name),
            limit => write!(f, "{}:{limit}", self.name),
        }
    }
}

impl FromStr for Group {
    type Err = GroupError;

    /// Reads `NAME`, which has the limit 1, or `NAME:LIMIT`.
    fn from_str(text: &str) -> Result<Self, GroupError> {
        let Some((name, limit)) = text.rsplit_once(':') else { return Self::new(text, 1) };
        match limit.parse() {
            Ok(limit) => Self::new(name, limit),
            Err(_) => Err(GroupError::Limit { name: name.to_owned(), limit: limit.to_owned() }),
        }
    }
}

/// A group as it is written: only a name, or a table.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a group is a name, or { name = \"database\", limit = 2 }")]
enum Written {
    Name(String),
    Table(Table),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: String,
    #[serde(default = "one")]
    limit: u32,
}

const fn one() -> u32 {
    1
}

impl TryFrom<Written> for Group {
    type Error = GroupError;

    fn try_from(written: Written) -> Result<Self, GroupError> {
        match written {
            Written::Name(name) => Self::new(name, 1),
            Written::Table(Table { name, limit }) => Self::new(name, limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_reads_back_what_it_writes() {
        for (name, limit) in
            [("database", 1), ("database", 7), ("a:b", 1), ("a:b", 2), ("Datenbank Süd", u32::MAX)]
        {
            let group = Group::new(name, limit).unwrap();
            assert_eq!(group.to_string().parse(), Ok(group.clone()), "{group}");
            let json = serde_json::to_string(&group).unwrap();
            assert_eq!(serde_json::from_str::<Group>(&json).unwrap(), group, "{json}");
        }
        assert_eq!(
            serde_json::from_str::<Group>("\"database\"").unwrap(),
            Group::new("database", 1).unwrap()
        );
        assert_eq!(
            serde_json::from_str::<Group>(r#"{"name":"database"}"#).unwrap(),
            Group::new("database", 1).unwrap()
        );
    }

    #[test]
    fn what_is_not_a_group_is_refused_with_the_reason() {
        let refused = |text: &str| text.parse::<Group>().unwrap_err().to_string();
        assert!(refused("").contains("may not be empty"), "{}", refused(""));
        assert!(refused("database:0").contains("at least 1"));
        assert!(refused("database:many").contains("NAME:LIMIT"));
        assert!(refused("database:-1").contains("NAME:LIMIT"));
        assert!(refused("database:4294967296").contains("NAME:LIMIT"));
        for json in ["7", r#"{"name":""}"#, r#"{"name":"a","limit":0}"#, r#"{"name":"a","most":2}"#] {
            assert!(serde_json::from_str::<Group>(json).is_err(), "{json}");
        }
    }
}
