//! The last fire before an instant, found with the successor function alone.

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{CountBudget, Trigger, previous_by_search};

/// Returns the last fire of a trigger at or before `until`. `first` is one of its fires, at or before `until`. Each call of the
/// successor function is a step of the budget; there are some sixty at most.
pub(crate) fn last_fire(
    trigger: &dyn Trigger,
    first: DateTime<Utc>,
    until: DateTime<Utc>,
    budget: &mut CountBudget,
) -> DateTime<Utc> {
    let next_after = |from| {
        budget.spend(1);
        trigger.next_after(from)
    };
    previous_by_search(next_after, just_after(until)).unwrap_or(first)
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
