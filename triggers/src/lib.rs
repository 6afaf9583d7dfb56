//! Triggers: when does a job fire?
//!
//! | trigger | its instants | written as |
//! | --- | --- | --- |
//! | [`DateTrigger`] | one instant, or one local time in a zone | [`at("2026-12-24T18:00")`](at) |
//! | [`IntervalTrigger`] | a start and every so often after it | [`every(3.seconds())`](every) |
//! | [`CronTrigger`] | a cron expression in a zone: crontab's text, Quartz's, or [fields by name](CronFields) | [`cron("0 9 * * MON-FRI")`](cron()) |
//! | [`CalendarTrigger`] | every so many years, months, weeks, days, at a local time | [`CalendarTrigger::from_date`] |
//! | [`AnyTrigger`], [`AllTrigger`] | union, intersection | [`.or(...)`](Combine::or), [`.and(...)`](Combine::and) |
//! | [`ExceptTrigger`], [`ExceptDatesTrigger`] | difference: from a trigger, from dates | [`.except(...)`](Combine::except), [`.except_dates(...)`](Combine::except_dates) |
//! | [`JitterTrigger`] | each instant a little later, always by the same amount | [`.jitter(...)`](Combine::jitter) |
//! | [`NeverTrigger`] | none: a schedule that is switched off | `NeverTrigger::new("0 0 31 2 *")` |
//! | [`WindowTrigger`] | between a start and an end | [`.not_before(...)`](Combine::not_before), [`.not_after(...)`](Combine::not_after) |
//!
//! Every trigger answers [`next_after`](Trigger::next_after), [`previous_before`](Trigger::previous_before)
//! and [`includes`](Trigger::includes), iterates over its instants in any time zone
//! ([`upcoming`](TriggerExt::upcoming)), and describes itself.
//!
//! A trigger is pure: it reads no clock, and the same question has the same answer. Local time goes through
//! one module ([`Zone`]), and so does its one rule at offset changes:
//!
//! * *fixed local times* (a local date, a cron expression whose minute and hour both do not begin with `*`): one that
//!   the clocks skip fires once, at the first instant after the gap; one that occurs twice fires at its first
//!   occurrence;
//! * *elapsed time* (any other cron expression): nothing fires in the gap, and both passes of an overlap fire;
//! * *corrections*: if the clocks change by three hours or more, the new time counts at once. Recurring fixed local times
//!   that are skipped do not fire, and those that come a second time fire again. (Samoa had no 30 December 2011.) A
//!   [`DateTrigger`] fires once all the same.
//!
//! That is the rule of Debian's cron (cron(8), "Daylight Saving Time and other time changes").
//!
//! Fires are counted by arithmetic where that is possible, so that 60 years of downtime take some hundred steps: see
//! [`Trigger::fire_range_within`]. Unions and differences of different kinds of triggers
//! look at the fires of the rarer members one by one, and other intersections at each of their own.
//!
//! The rules of the zones come from the system's tz database, else from the one that is bundled: see [`tzdb`]. They
//! change when that is read again, and only then.
//!
//! ```
//! use chrono::{DateTime, Utc};
//! use matins_core::Trigger;
//! use matins_triggers::CronTrigger;
//!
//! // 02:30 does not exist on 29 March 2026 in Berlin: clocks go from 02:00 to 03:00.
//! let nightly = CronTrigger::parse("30 2 * * *", "Europe/Berlin").unwrap();
//! let evening = "2026-03-28T20:00:00Z".parse::<DateTime<Utc>>().unwrap();
//! assert_eq!(nightly.next_after(evening).unwrap().to_rfc3339(), "2026-03-29T01:00:00+00:00");
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod after;
mod at;
mod calendar;
mod calendar_count;
mod combine;
mod cron;
#[cfg(feature = "cron")]
mod cron_crate;
mod date;
mod duration;
mod interval;
mod jitter;
mod last_fire;
mod never;
mod saved;
mod sentence;
mod text;
mod trigger_error;
mod units;
mod window;
mod zone;

pub use crate::cron::{
    CronError, CronExpression, CronFields, CronTrigger, CronTriggerError, ExcludedBy, Fires,
};
/// What a program needs to use triggers without a scheduler.
pub use matins_core::{IntoDuration, IntoTrigger, Trigger, TriggerError, TriggerExt};

pub use after::{AfterDuration, AfterJob, AfterTrigger, AfterWhat, after};
pub use at::{At, AtDate, IntoDate, at};
pub use calendar::{CalendarBuilder, CalendarError, CalendarTrigger};
pub use combine::{
    AllTrigger, AnyTrigger, CombineError, ExceptDatesTrigger, ExceptTrigger, LEAP_LIMIT, SHARED_LIMIT,
};
#[cfg(feature = "cron")]
pub use cron_crate::ScheduleTrigger;
pub use date::{DateError, DateTrigger};
pub use interval::{IntervalError, IntervalTrigger};
pub use jitter::{JitterError, JitterTrigger};
pub use never::NeverTrigger;
pub use sentence::{Combine, Combined, Cron, Every, cron, every};
pub use text::{ParseTriggerError, parse_trigger, trigger_text};
pub use units::TimeUnits;
pub use window::{EndsBeforeStart, WindowTrigger};
pub use zone::tzdb;
pub use zone::{IntoZone, LocalTime, SystemZoneError, UnknownZone, Zone, ZoneOffset};
