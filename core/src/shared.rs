//! What the schedulers that share a store can ask it about each other, and about the store.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{RunId, Served, StoreError};

/// What can be asked of a store that schedulers share, beside its jobs and runs: [`ClaimStore::shared`](crate::ClaimStore::shared)
/// returns it. Nothing of this needs a membership, and nothing changes jobs or runs.
pub trait SharedStore {
    /// Returns the schedulers that have joined, the oldest first. Those that have left or died are in it for some days.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn members(&mut self) -> Result<Vec<Member>, StoreError>;

    /// Returns the labels of the schedulers that have begun these runs. A run that has not begun, or that the store does not know, is
    /// left out.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn owners(&mut self, runs: &[RunId]) -> Result<BTreeMap<RunId, String>, StoreError>;

    /// Returns facts about the store: its format, and what takes how much room.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn facts(&mut self) -> Result<SharedFacts, StoreError>;

    /// Keeps a line about what somebody did, for all who share the store. Old lines are dropped.
    ///
    /// # Errors
    /// If it cannot be written.
    fn note(&mut self, line: &str) -> Result<(), StoreError>;

    /// Returns the lines that were kept with [`note`](Self::note), the oldest first.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn notes(&mut self) -> Result<Vec<String>, StoreError>;
}

/// A scheduler that shares a store with others.
///
/// ```
/// use chrono::{DateTime, TimeDelta};
/// use matins_core::Member;
///
/// let member = Member::new(4, "rack 3", DateTime::UNIX_EPOCH).with(|member| member.lease_left = TimeDelta::seconds(12));
/// assert!(member.is_alive());
/// assert!(!member.with(|member| member.is_dead = true).is_alive());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Its number: that of this start of the scheduler, and of no other.
    pub id: u64,
    /// Its label, for people: numbers are what counts.
    pub label: String,
    /// Whether it has left, or others have declared it dead.
    pub is_dead: bool,
    /// Whether it is the scheduler that asks.
    pub is_self: bool,
    /// When it joined.
    pub joined: DateTime<Utc>,
    /// How much of its lease is left. Negative: it has ended so long ago, and whoever looks next declares the scheduler dead.
    pub lease_left: TimeDelta,
    /// How many runs it has in progress.
    pub running: u64,
    /// What it can start.
    pub served: Served,
    /// Its version.
    pub version: String,
    /// The tz database that it uses, if it said so.
    pub time_zones: String,
    /// By how much its clock was ahead of the store's when it last claimed something.
    pub clock_offset: Option<TimeDelta>,
}

impl Member {
    /// Returns a member that has just joined, and serves nothing yet.
    pub fn new(id: u64, label: impl Into<String>, joined: DateTime<Utc>) -> Self {
        Self {
            id,
            label: label.into(),
            is_dead: false,
            is_self: false,
            joined,
            lease_left: TimeDelta::zero(),
            running: 0,
            served: Served::default(),
            version: String::new(),
            time_zones: String::new(),
            clock_offset: None,
        }
    }

    /// Returns the member with changes.
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_core::Member;
    ///
    /// let busy = Member::new(4, "rack 3", DateTime::UNIX_EPOCH).with(|member| member.running = 7);
    /// assert_eq!(busy.running, 7);
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Returns whether it has neither left nor been declared dead, and its lease has not ended.
    pub fn is_alive(&self) -> bool {
        !self.is_dead && self.lease_left >= TimeDelta::zero()
    }
}

/// Facts about a store that schedulers share.
///
/// ```
/// use matins_core::SharedFacts;
///
/// let facts = SharedFacts::new(1).with(|facts| facts.sizes.push(("runs".to_owned(), 8192)));
/// assert_eq!((facts.format, facts.sizes.len()), (1, 1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedFacts {
    /// The format of its tables.
    pub format: u32,
    /// The server's name for its version.
    pub server: String,
    /// Where in the server the tables are, such as the name of a schema.
    pub place: String,
    /// Each table with its length in bytes, indexes included; the longest first.
    pub sizes: Vec<(String, u64)>,
}

impl SharedFacts {
    /// Returns the facts about a store of a format, without sizes.
    pub const fn new(format: u32) -> Self {
        Self { format, server: String::new(), place: String::new(), sizes: Vec::new() }
    }

    /// Returns the facts with changes.
    ///
    /// ```
    /// use matins_core::SharedFacts;
    ///
    /// let facts = SharedFacts::new(1).with(|facts| facts.server = "PostgreSQL 15".to_owned());
    /// assert_eq!(facts.server, "PostgreSQL 15");
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}
