//! Local time: the one module in which an instant becomes a clock on a wall, and back.
//!
//! | file | what |
//! | --- | --- |
//! | `mod` | [`Zone`], [`LocalTime`] |
//! | `span` | the table of a zone's offsets, and the search for fixed local times |
//! | `count` | how many fires at local times lie between two instants |
//! | `table` | builds such a table, by the crate `jiff` |
//! | `registry` | all zones of this process, and how they follow a database that is read again |
//! | `database` | a tz database: a directory, or the bundled data |
//! | `posix` | POSIX rules in place of names |
//! | `system` | the zone of this machine, as tzset(3) finds it |
//! | `chrono_zone` | a zone as chrono's `TimeZone` |
//! | `into_zone` | what a zone may be given as |
//! | `tzdb` | what the public module of that name offers |

mod chrono_zone;
mod count;
mod database;
mod error;
mod into_zone;
mod posix;
mod registry;
mod span;
mod system;
mod table;
pub mod tzdb;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset, NaiveDateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use chrono_zone::ZoneOffset;
pub(crate) use count::Clocks;
pub use error::UnknownZone;
pub use into_zone::IntoZone;
pub(crate) use span::{Rules, Span};
pub use system::SystemZoneError;

/// A time zone: one of the tz database by its name, such as `Europe/Berlin`, or one that a POSIX rule or a TZif file describes.
///
/// A zone is a pointer: it is copied for free. Its rules come from the [database](crate::tzdb) in use; when that is
/// read again, every `Zone` has the new rules at once. Two zones are equal if their names are.
///
/// ```
/// use matins_triggers::Zone;
///
/// let berlin = Zone::named("Europe/Berlin").unwrap();
/// let same_rules = Zone::named("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
/// let noon = "2026-07-01T10:00:00Z".parse().unwrap();
/// assert_eq!(berlin.local(noon).to_string(), "2026-07-01 12:00:00");
/// assert_eq!(same_rules.local(noon), berlin.local(noon));
/// ```
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    rules: &'static Rules,
}

/// What a local time comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalTime {
    /// The clocks show it once.
    Once(DateTime<Utc>),
    /// They skip it: they go from `from` to `to`, both local, at the instant `at`.
    Skipped {
        /// The instant at which they jump.
        at: DateTime<Utc>,
        /// What they would show then.
        from: NaiveDateTime,
        /// What they show instead.
        to: NaiveDateTime,
    },
    /// They show it twice.
    Twice {
        /// The first time.
        first: DateTime<Utc>,
        /// The second time.
        second: DateTime<Utc>,
    },
}

impl LocalTime {
    /// Returns whether the clocks change there by three hours or more: that is a correction, and the new time counts at
    /// once. Recurring fixed local times that are skipped do not fire, and those that come twice fire twice.
    ///
    /// ```
    /// use matins_triggers::Zone;
    ///
    /// // Samoa had no 30 December 2011.
    /// let apia = Zone::named("Pacific/Apia").unwrap();
    /// assert!(apia.local_time("2011-12-30T12:00:00".parse().unwrap()).unwrap().is_correction());
    /// ```
    pub fn is_correction(&self) -> bool {
        let change = match *self {
            Self::Once(_) => TimeDelta::zero(),
            Self::Skipped { from, to, .. } => to - from,
            Self::Twice { first, second } => second - first,
        };
        change >= span::CORRECTION
    }
}

impl Zone {
    /// Returns Coordinated Universal Time, the zone of everything that names none.
    ///
    /// ```
    /// use matins_triggers::Zone;
    ///
    /// assert_eq!(Zone::utc().name(), "UTC");
    /// ```
    pub fn utc() -> Self {
        Self { rules: registry::utc() }
    }

    /// Returns the zone that a text names: a name of the tz database (`Europe/Berlin`), the absolute path of a TZif file
    /// (`/etc/localtime`), or a POSIX rule (`CET-1CEST,M3.5.0,M10.5.0/3`, `<+03>-3`).
    ///
    /// A process keeps at most 256 zones that are given by rules and files.
    ///
    /// # Errors
    /// If the text names no zone and is no rule, or its file cannot be read. A misspelt name gets a suggestion. `UTC-3` and the like
    /// are refused: as POSIX rules they are hours *east*.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        registry::named(name).map(|rules| Self { rules })
    }

    /// Returns the zone of this machine, as tzset(3) finds it: what the environment variable `TZ` says, else
    /// `/etc/localtime`, else UTC.
    ///
    /// `TZ` may hold a name, a path, either with `:` before it, or a POSIX rule; empty, it means UTC. The zone of
    /// `/etc/localtime` is named by the link that it is, or, if it is a copy, by the zone of the database that has the
    /// same content. Where no zone has it, its name is the path. Every name can be read by [`named`](Self::named).
    ///
    /// # Errors
    /// If `TZ` or the file cannot be understood. The error names the variable or the file.
    ///
    /// ```
    /// match matins_triggers::Zone::system() {
    ///     Ok(zone) => println!("times are in {zone}"),
    ///     Err(error) => eprintln!("{error}; times are in UTC"),
    /// }
    /// ```
    pub fn system() -> Result<Self, SystemZoneError> {
        system::zone()
    }

    /// Whether a zone of the bundled database has this name.
    pub(crate) fn exists(name: &str) -> bool {
        database::is_bundled(name)
    }

    /// Whether it is [`utc`](Self::utc), which never changes.
    #[inline]
    pub(crate) fn is_utc(self) -> bool {
        std::ptr::eq(self.rules, registry::utc())
    }

    /// Its rules of now. They stay the same while a caller works with them, even if the database is read again.
    #[inline]
    pub(crate) fn rules(self) -> &'static Rules {
        self.rules.newest()
    }

    /// Returns its name in the tz database, or the path or the rule that it was given by.
    ///
    /// ```
    /// use matins_triggers::Zone;
    ///
    /// assert_eq!(Zone::named("Europe/Berlin")?.name(), "Europe/Berlin");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(self) -> &'static str {
        self.rules.name
    }

    /// Returns the local date and time at `instant`.
    ///
    /// ```
    /// use matins_triggers::Zone;
    ///
    /// let berlin = Zone::named("Europe/Berlin")?;
    /// assert_eq!(berlin.local("2026-07-01T10:00:00Z".parse()?).to_string(), "2026-07-01 12:00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn local(self, instant: DateTime<Utc>) -> NaiveDateTime {
        let (rules, utc) = (self.rules(), instant.naive_utc());
        rules.spans()[rules.span_at(utc)].local(utc)
    }

    /// Returns `instant` with the offset of this zone, to show it.
    ///
    /// ```
    /// use matins_triggers::Zone;
    ///
    /// let berlin = Zone::named("Europe/Berlin")?;
    /// assert_eq!(berlin.with_offset("2026-07-01T10:00:00Z".parse()?).to_rfc3339(), "2026-07-01T12:00:00+02:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_offset(self, instant: DateTime<Utc>) -> DateTime<FixedOffset> {
        let rules = self.rules();
        instant.with_timezone(&rules.spans()[rules.span_at(instant.naive_utc())].offset)
    }

    /// Returns the instant of one local time: that of the first occurrence if it occurs twice, and the first instant after
    /// the gap if the clocks skip it. `None` only beyond the years that chrono can hold.
    ///
    /// ```
    /// use matins_triggers::Zone;
    ///
    /// let berlin = Zone::named("Europe/Berlin")?;
    /// // The clocks skip the hour from 02:00 to 03:00.
    /// let skipped = berlin.instant_of("2026-03-29T02:30:00".parse()?).unwrap();
    /// assert_eq!(skipped.to_rfc3339(), "2026-03-29T01:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn instant_of(self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        instant_of(self.rules(), local)
    }

    /// Returns what a local time comes to here. `None` only beyond the years that chrono can hold.
    ///
    /// ```
    /// use matins_triggers::{LocalTime, Zone};
    ///
    /// let berlin = Zone::named("Europe/Berlin").unwrap();
    /// let night = "2026-03-29T02:30:00".parse().unwrap();
    /// let Some(LocalTime::Skipped { from, to, .. }) = berlin.local_time(night) else { panic!("the clocks skip it") };
    /// assert_eq!((from.to_string(), to.to_string()), ("2026-03-29 02:00:00".to_owned(), "2026-03-29 03:00:00".to_owned()));
    /// ```
    pub fn local_time(self, local: NaiveDateTime) -> Option<LocalTime> {
        let rules = self.rules();
        let first = instant_of(rules, local)?;
        let index = rules.span_at(first.naive_utc());
        let span = &rules.spans()[index];
        if span.local(first.naive_utc()) != local {
            return Some(LocalTime::Skipped { at: first, from: span.shown_before, to: span.local_start });
        }
        // What is shown once more is shown by the next span, after it has set the clocks back.
        let next = rules.spans().get(index + 1);
        let second = next.map(|next| next.utc(local)).filter(|second| {
            next.is_some_and(|next| *second >= next.start)
                && rules.spans()[rules.span_at(*second)].local(*second) == local
        });
        Some(
            second.map_or(LocalTime::Once(first), |second| LocalTime::Twice {
                first,
                second: second.and_utc(),
            }),
        )
    }
}

fn instant_of(rules: &Rules, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    let utc = rules.resolve(local);
    // At the ends of time there is nothing to add an offset to.
    (utc != NaiveDateTime::MIN && utc != NaiveDateTime::MAX).then(|| utc.and_utc())
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.rules, other.rules) || self.name() == other.name()
    }
}

impl Eq for Zone {}

impl Default for Zone {
    /// [`Zone::utc`].
    fn default() -> Self {
        Self::utc()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        Self::named(name)
    }
}

impl TryFrom<String> for Zone {
    type Error = UnknownZone;

    fn try_from(name: String) -> Result<Self, UnknownZone> {
        Self::named(&name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name().to_owned()
    }
}

#[cfg(test)]
mod tests;
