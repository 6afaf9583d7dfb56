//! How many instants some triggers have in common, where arithmetic tells.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{CountBudget, Trigger};

use super::as_a;
use crate::cron::{CronTrigger, count_common};
use crate::interval::IntervalTrigger;

/// Counts the instants in `(after, until]` that all of these have: intervals, or cron triggers of one zone. `None` for others.
pub(super) fn count(
    triggers: &[Arc<dyn Trigger>],
    after: DateTime<Utc>,
    until: DateTime<Utc>,
    budget: &mut CountBudget,
) -> Option<u64> {
    if let Some(crons) = all_of::<CronTrigger>(triggers) {
        return count_common(&crons, after, until, budget);
    }
    let intervals = all_of::<IntervalTrigger>(triggers)?;
    let (first, others) = intervals.split_first()?;
    budget.spend(intervals.len() as u64);
    let common = others.iter().try_fold((*first).clone(), |common, other| common.intersection(other));
    let count = |interval: IntervalTrigger| interval.count(after, until).map_or(0, |fires| fires.count);
    Some(common.map_or(0, count))
}

fn all_of<T: Trigger>(triggers: &[Arc<dyn Trigger>]) -> Option<Vec<&T>> {
    triggers.iter().map(as_a::<T>).collect()
}
