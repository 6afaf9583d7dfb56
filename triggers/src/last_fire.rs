//! The last fire before an instant, found with the successor function alone.

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{CountBudget, Trigger};

/// Returns the last fire of a trigger at or before `until`. `first` is one of its fires, at or before `until`.
///
/// The successor function is monotone, so the time in which that fire can lie is halved with each call: there are some
/// sixty calls at most, each a step of the budget.
pub(crate) fn last_fire(
    trigger: &dyn Trigger,
    first: DateTime<Utc>,
    until: DateTime<Utc>,
    budget: &mut CountBudget,
) -> DateTime<Utc> {
    let mut fire_after = |from: DateTime<Utc>| {
        budget.spend(1);
        trigger.next_after(from).filter(|fire| *fire > from && *fire <= until)
    };
    // A fire; and an instant after which there is none.
    let (mut last, mut none_after) = (first, until);
    // The last fire is often near the end.
    let mut step = TimeDelta::seconds(1);
    while let Some(from) = until.checked_sub_signed(step).filter(|from| *from > last) {
        if let Some(fire) = fire_after(from) {
            last = fire;
            break;
        }
        none_after = from;
        let Some(double) = step.checked_mul(2) else { break };
        step = double;
    }
    while let Some(fire) = fire_after(last) {
        last = fire;
        let middle = last + (none_after - last) / 2;
        match fire_after(middle) {
            Some(fire) => last = fire,
            None => none_after = middle,
        }
    }
    last
}

/// The instant just after another, or the last of all.
#[inline]
pub(crate) fn just_after(instant: DateTime<Utc>) -> DateTime<Utc> {
    instant.checked_add_signed(TimeDelta::nanoseconds(1)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The instant just before another, or the first of all.
pub(crate) fn just_before(instant: DateTime<Utc>) -> DateTime<Utc> {
    instant.checked_sub_signed(TimeDelta::nanoseconds(1)).unwrap_or(DateTime::<Utc>::MIN_UTC)
}
