//! The instants of a trigger in order, forwards and backwards, and the search for an earlier one.

use std::iter::FusedIterator;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};

use crate::Trigger;

/// Iterators over the instants of a trigger; every [`Trigger`] has these methods, also behind `Arc<dyn Trigger>`.
///
/// ```
/// use chrono::{DateTime, Utc};
/// use matins_core::{Trigger, TriggerExt};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize)]
/// struct EachMinute;
///
/// #[typetag::serde(name = "each minute, one after the other")]
/// impl Trigger for EachMinute {
///     fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
///         DateTime::from_timestamp((after.timestamp().div_euclid(60) + 1) * 60, 0)
///     }
/// }
///
/// for fire in EachMinute.upcoming(chrono::Local).take(3) {
///     println!("{}", fire.format("%H:%M"));
/// }
/// let noon = DateTime::parse_from_rfc3339("2026-12-24T12:00:00+01:00").unwrap();
/// let second = EachMinute.iter_after(noon).nth(1).unwrap();
/// assert_eq!(second.to_rfc3339(), "2026-12-24T12:02:00+01:00");
/// let last = EachMinute.iter_before(noon).next().unwrap();
/// assert_eq!(last.to_rfc3339(), "2026-12-24T11:59:00+01:00");
/// ```
pub trait TriggerExt: Trigger {
    /// Returns the instants later than now, in order and in a time zone: one of chrono's, one of chrono-tz, or a `Zone` of
    /// `matins-triggers`.
    ///
    /// It reads the system's clock once. [`iter_after`](Self::iter_after) begins at a given instant and reads no clock.
    fn upcoming<Tz: TimeZone>(&self, zone: Tz) -> Upcoming<'_, Self, Tz> {
        self.iter_after(Utc::now().with_timezone(&zone))
    }

    /// Returns the instants later than `after`, in order and in the time zone of `after`.
    fn iter_after<Tz: TimeZone>(&self, after: DateTime<Tz>) -> Upcoming<'_, Self, Tz> {
        Upcoming { trigger: self, last: Some(after.to_utc()), zone: after.timezone() }
    }

    /// Returns the instants earlier than `before`, the latest first, in the time zone of `before`.
    fn iter_before<Tz: TimeZone>(&self, before: DateTime<Tz>) -> Preceding<'_, Self, Tz> {
        Preceding { trigger: self, last: Some(before.to_utc()), zone: before.timezone() }
    }
}

impl<T: Trigger + ?Sized> TriggerExt for T {}

/// The instants of a trigger from the earlier to the later, in a time zone; made by [`TriggerExt::upcoming`] and
/// [`TriggerExt::iter_after`].
#[derive(Debug, Clone)]
#[must_use = "an iterator does nothing until it is used"]
pub struct Upcoming<'a, T: ?Sized, Tz> {
    trigger: &'a T,
    last: Option<DateTime<Utc>>,
    zone: Tz,
}

/// The instants of a trigger from the later to the earlier, in a time zone; made by [`TriggerExt::iter_before`].
#[derive(Debug, Clone)]
#[must_use = "an iterator does nothing until it is used"]
pub struct Preceding<'a, T: ?Sized, Tz> {
    trigger: &'a T,
    last: Option<DateTime<Utc>>,
    zone: Tz,
}

// An answer that makes no progress (of a trigger that breaks that law) ends the iteration.

impl<T: Trigger + ?Sized, Tz: TimeZone> Iterator for Upcoming<'_, T, Tz> {
    type Item = DateTime<Tz>;

    fn next(&mut self) -> Option<DateTime<Tz>> {
        let last = self.last?;
        self.last = self.trigger.next_after(last).filter(|next| *next > last);
        self.last.map(|next| next.with_timezone(&self.zone))
    }
}

impl<T: Trigger + ?Sized, Tz: TimeZone> Iterator for Preceding<'_, T, Tz> {
    type Item = DateTime<Tz>;

    fn next(&mut self) -> Option<DateTime<Tz>> {
        let last = self.last?;
        self.last = self.trigger.previous_before(last).filter(|previous| *previous < last);
        self.last.map(|previous| previous.with_timezone(&self.zone))
    }
}

impl<T: Trigger + ?Sized, Tz: TimeZone> FusedIterator for Upcoming<'_, T, Tz> {}
impl<T: Trigger + ?Sized, Tz: TimeZone> FusedIterator for Preceding<'_, T, Tz> {}

/// Returns the last instant earlier than `before`, found with the successor function alone.
///
/// This is the default of [`Trigger::previous_before`]. The successor function is monotone: the search doubles its distance from
/// `before` until it finds an instant, and then halves the time in which a later one can lie. It takes some hundred calls at most.
///
/// ```
/// use chrono::{DateTime, TimeDelta};
/// use matins_core::previous_by_search;
///
/// let whole_hour = |after: DateTime<chrono::Utc>| DateTime::from_timestamp(after.timestamp().div_euclid(3600) * 3600 + 3600, 0);
/// let half_past_two = DateTime::UNIX_EPOCH + TimeDelta::minutes(150);
/// assert_eq!(previous_by_search(whole_hour, half_past_two), Some(DateTime::UNIX_EPOCH + TimeDelta::hours(2)));
/// ```
pub fn previous_by_search(
    mut next_after: impl FnMut(DateTime<Utc>) -> Option<DateTime<Utc>>,
    before: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let mut fire_after = |from: DateTime<Utc>| next_after(from).filter(|fire| *fire > from && *fire < before);
    let mut step = TimeDelta::seconds(1);
    // There is no instant between this one and `before`.
    let mut none_after = before;
    let mut last = loop {
        let from = before.checked_sub_signed(step).unwrap_or(DateTime::<Utc>::MIN_UTC);
        if let Some(fire) = fire_after(from) {
            break fire;
        }
        if from == DateTime::<Utc>::MIN_UTC {
            return None;
        }
        none_after = from;
        step = step.checked_mul(2).unwrap_or(TimeDelta::MAX);
    };
    while let Some(fire) = fire_after(last) {
        last = fire;
        let middle = last + (none_after - last) / 2;
        match fire_after(middle) {
            Some(fire) => last = fire,
            None => none_after = middle,
        }
    }
    Some(last)
}

/// The instant just before another one, or `None` for the first of all.
pub(crate) fn just_before(instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
    instant.checked_sub_signed(TimeDelta::nanoseconds(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    /// Fires at these seconds.
    fn of(seconds: &[i64]) -> impl Fn(DateTime<Utc>) -> Option<DateTime<Utc>> + use<'_> {
        |after| seconds.iter().map(|second| at(*second)).find(|fire| *fire > after)
    }

    #[test]
    fn the_search_finds_the_last_instant_however_far_away() {
        let seconds = [-60_000_000_000, 3, 4, 5, 100, 2_000_000_000];
        for (index, second) in seconds.iter().enumerate() {
            let earlier = index.checked_sub(1).map(|index| at(seconds[index]));
            assert_eq!(previous_by_search(of(&seconds), at(*second)), earlier);
            let just_after = at(*second) + TimeDelta::nanoseconds(1);
            assert_eq!(previous_by_search(of(&seconds), just_after), Some(at(*second)));
        }
        assert_eq!(previous_by_search(of(&seconds), DateTime::<Utc>::MAX_UTC), Some(at(2_000_000_000)));
        assert_eq!(previous_by_search(of(&seconds), DateTime::<Utc>::MIN_UTC), None);
    }

    #[test]
    fn the_search_ends_for_a_function_that_makes_no_progress() {
        assert_eq!(previous_by_search(Some, at(0)), None);
        assert_eq!(previous_by_search(|after| after.checked_sub_signed(TimeDelta::seconds(1)), at(0)), None);
    }
}
