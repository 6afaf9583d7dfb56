//! How many instants a union has: those that several members have count once.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{CountBudget, CountProgress, FireRange, Trigger};

use super::common;
use super::except::has;

/// So many members are counted by inclusion and exclusion, which doubles with each.
const MOST_MEMBERS: usize = 4;

/// Counts by inclusion and exclusion, where the instants in common can be counted by arithmetic.
pub(super) fn by_arithmetic(
    members: &[Arc<dyn Trigger>],
    after: DateTime<Utc>,
    until: DateTime<Utc>,
    budget: &mut CountBudget,
) -> Option<u64> {
    if members.len() > MOST_MEMBERS {
        return None;
    }
    let mut count: i128 = 0;
    for set in 1_u32..1 << members.len() {
        let chosen = members.iter().enumerate().filter(|(index, _)| set >> index & 1 == 1);
        let chosen: Vec<_> = chosen.map(|(_, member)| member.clone()).collect();
        let common = i128::from(common::count(&chosen, after, until, budget)?);
        count += if chosen.len() % 2 == 1 { common } else { -common };
    }
    u64::try_from(count).ok()
}

/// Counts the member with the most instants in its own way, and looks at the instants of the others one by one: those that
/// it does not have count too.
pub(super) fn by_the_rarer(
    members: &[Arc<dyn Trigger>],
    after: DateTime<Utc>,
    until: DateTime<Utc>,
    budget: &mut CountBudget,
) -> CountProgress {
    // Half of the budget to find the member with the most, the rest to look at the others.
    let share = budget.left() / 2 / members.len().max(1) as u64;
    let mut through = until;
    let mut most: Option<(u64, &Arc<dyn Trigger>)> = None;
    for member in members {
        let mut part = CountBudget::new(share);
        let counted = member.fire_range_within(after, through, &mut part);
        budget.spend((share - part.left()).max(1));
        through = counted.through;
        let count = counted.fires.map_or(0, |fires| fires.count);
        if most.is_none_or(|(most, _)| count > most) {
            most = Some((count, member));
        }
    }
    let Some((_, most)) = most else { return CountProgress { fires: None, through: until } };
    let others = || members.iter().filter(|member| !Arc::ptr_eq(member, most));
    let mut own: Option<FireRange> = None;
    let mut last = after;
    loop {
        budget.spend(members.len() as u64);
        let next = others().filter_map(|other| other.next_after(last)).min();
        let Some(next) = next.filter(|next| *next > last && *next <= through) else { break };
        last = next;
        if !has(&**most, next) {
            own = FireRange::concat(own, Some(FireRange::single(next)));
        }
        if budget.is_spent() {
            through = last;
            break;
        }
    }
    let fires = match (most.fire_range(after, through), own) {
        (Some(most), Some(own)) => Some(FireRange {
            first: most.first.min(own.first),
            last: most.last.max(own.last),
            count: most.count.saturating_add(own.count),
        }),
        (most, own) => most.or(own),
    };
    CountProgress { fires, through }
}
