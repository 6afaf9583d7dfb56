//! Which of the fire times that are due run, and which are missed: decided from the trigger, the policy and the time
//! alone.

use std::error::Error;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    Coalesce, CountBudget, CountProgress, FireRange, Policy, Trigger, round_up_to_microsecond,
};

/// With [`Coalesce::All`], how many fires of one job a tick takes; the rest stays due for the next.
const ALL_AT_ONCE: usize = 100;

/// What is decided about the fire times of one job that are due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Missed: beyond the misfire grace.
    pub(crate) too_late: Option<FireRange>,
    /// Missed: a later one stands for them, which is not reached yet.
    pub(crate) coalesced: Option<FireRange>,
    /// The others, in order.
    pub(crate) fires: Fires,
    /// The job's next fire time. It may be due too: what was missed for long is counted in slices.
    pub(crate) next: Option<DateTime<Utc>>,
}

/// The fire times that are not too late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fires {
    None,
    /// One runs; those folded into it stand before it or after it.
    One {
        before: Option<FireRange>,
        fire: DateTime<Utc>,
        after: Option<FireRange>,
    },
    /// Each runs.
    Each(Vec<DateTime<Utc>>),
}

/// A trigger that answers with an instant that is not later than the one that it was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StandsStill {
    asked: DateTime<Utc>,
    answer: DateTime<Utc>,
}

impl fmt::Display for StandsStill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, answer } = self;
        write!(
            f,
            "its trigger answers with {answer} for the first fire time after {asked}, which is not later"
        )
    }
}

impl Error for StandsStill {}

/// Decides at `now` about the job whose next fire time, `due`, has come. Where the fires up to now cannot be counted within `budget`,
/// it decides about those that it has counted.
pub(crate) fn plan(
    trigger: &dyn Trigger,
    policy: &Policy,
    due: DateTime<Utc>,
    now: DateTime<Utc>,
    budget: &mut CountBudget,
) -> Result<Plan, StandsStill> {
    let mut next = later(trigger, due)?;
    // Fire times before this one are too late.
    let earliest = policy
        .misfire_grace
        .and_then(|grace| TimeDelta::from_std(grace).ok())
        .and_then(|grace| now.checked_sub_signed(grace));
    let mut first = due;
    let mut too_late = None;
    let part = |too_late, coalesced, next| Plan { too_late, coalesced, fires: Fires::None, next };
    if let Some(earliest) = earliest.filter(|earliest| due < *earliest) {
        let (late, is_whole) = counted(trigger, due, earliest - TimeDelta::nanoseconds(1), budget);
        too_late = Some(late);
        next = later(trigger, late.last)?;
        match next.filter(|next| *next <= now && is_whole) {
            Some(in_time) => first = in_time,
            None => return Ok(part(too_late, None, next)),
        }
        next = later(trigger, first)?;
    }
    if next.is_none_or(|next| next > now) {
        let fires = Fires::One { before: None, fire: first, after: None };
        return Ok(Plan { too_late, coalesced: None, fires, next });
    }
    let fires = match policy.coalesce {
        Coalesce::Earliest => {
            Fires::One { before: None, fire: first, after: trigger.fire_range(first, now).map(rounded) }
        }
        Coalesce::All => {
            let mut fires = vec![first];
            while let Some(fire) = next.filter(|next| *next <= now && fires.len() < ALL_AT_ONCE) {
                fires.push(fire);
                next = later(trigger, fire)?;
            }
            return Ok(Plan { too_late, coalesced: None, fires: Fires::Each(fires), next });
        }
        _ => {
            let (until_now, is_whole) = counted(trigger, first, now, budget);
            let next = later(trigger, until_now.last)?;
            if !is_whole && next.is_some_and(|next| next <= now) {
                return Ok(part(too_late, Some(until_now), next));
            }
            let last = until_now.last;
            let before =
                (until_now.count > 1).then(|| beginning(trigger, first, last - TimeDelta::microseconds(1)));
            Fires::One { before, fire: last, after: None }
        }
    };
    let after = fires.whole().map_or(now, |whole| whole.last.max(now));
    Ok(Plan { too_late, coalesced: None, fires, next: later(trigger, after)? })
}

impl Fires {
    /// All of them as one range.
    pub(crate) fn whole(&self) -> Option<FireRange> {
        match self {
            Self::None => None,
            Self::One { before, fire, after } => {
                let until =
                    before.map_or(FireRange::single(*fire), |before| before.joined(FireRange::single(*fire)));
                Some(after.map_or(until, |after| until.joined(after)))
            }
            Self::Each(fires) => {
                Some(FireRange { first: *fires.first()?, last: *fires.last()?, count: fires.len() as u64 })
            }
        }
    }
}

/// The next fire time, as a store keeps it.
pub(crate) fn next_after(trigger: &dyn Trigger, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    trigger.next_after(after).map(round_up_to_microsecond)
}

/// The range from `first`, which is a fire time, to `until`.
pub(crate) fn beginning(trigger: &dyn Trigger, first: DateTime<Utc>, until: DateTime<Utc>) -> FireRange {
    let single = FireRange::single(first);
    trigger.fire_range(first, until).map_or(single, |rest| single.joined(rounded(rest)))
}

/// As [`beginning`], as far as the budget allows, and whether it is the whole.
fn counted(
    trigger: &dyn Trigger,
    first: DateTime<Utc>,
    until: DateTime<Utc>,
    budget: &mut CountBudget,
) -> (FireRange, bool) {
    if until <= first {
        return (FireRange::single(first), true);
    }
    let CountProgress { fires, through } = trigger.fire_range_within(first, until, budget);
    let single = FireRange::single(first);
    let counted = fires.map_or(single, |rest| single.joined(rounded(rest)));
    (counted, through >= until)
}

/// The next fire time, as a store keeps it, of a trigger that may be broken.
fn later(trigger: &dyn Trigger, after: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, StandsStill> {
    match trigger.next_after(after) {
        Some(answer) if answer <= after => Err(StandsStill { asked: after, answer }),
        answer => Ok(answer.map(round_up_to_microsecond)),
    }
}

fn rounded(range: FireRange) -> FireRange {
    let FireRange { first, last, count } = range;
    FireRange { first: round_up_to_microsecond(first), last: round_up_to_microsecond(last), count }
}

#[cfg(test)]
mod tests {
    use super::*;
    use matins_triggers::IntervalTrigger;
    use proptest::prelude::*;
    use std::time::Duration;

    fn second(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn fire_range(first: i64, last: i64, count: u64) -> FireRange {
        FireRange { first: second(first), last: second(last), count }
    }

    fn planned(policy: &Policy, due: i64, now: i64) -> Plan {
        let trigger = IntervalTrigger::new(second(0), TimeDelta::seconds(10)).unwrap();
        plan(&trigger, policy, second(due), second(now), &mut CountBudget::unlimited()).unwrap()
    }

    fn policy(grace: Option<u64>, coalesce: Coalesce) -> Policy {
        Policy::default().with(|policy| {
            policy.misfire_grace = grace.map(Duration::from_secs);
            policy.coalesce = coalesce;
        })
    }

    #[test]
    fn a_fire_in_time_runs() {
        let fires = Fires::One { before: None, fire: second(50), after: None };
        let expected = Plan { too_late: None, coalesced: None, fires, next: Some(second(60)) };
        assert_eq!(planned(&policy(Some(5), Coalesce::Latest), 50, 51), expected);
    }

    #[test]
    fn however_late_a_fire_runs_without_a_grace() {
        assert_eq!(planned(&policy(None, Coalesce::Latest), 50, 59).too_late, None);
    }

    #[test]
    fn beyond_the_grace_it_is_missed_and_at_the_grace_it_runs() {
        let late = planned(&policy(Some(5), Coalesce::Latest), 50, 56);
        assert_eq!(
            late,
            Plan {
                too_late: Some(fire_range(50, 50, 1)),
                coalesced: None,
                fires: Fires::None,
                next: Some(second(60))
            }
        );
        assert_eq!(planned(&policy(Some(5), Coalesce::Latest), 50, 55).too_late, None);
    }

    #[test]
    fn of_several_due_together_the_latest_runs() {
        let fires = Fires::One { before: Some(fire_range(50, 80, 4)), fire: second(90), after: None };
        let expected = Plan { too_late: None, coalesced: None, fires, next: Some(second(100)) };
        assert_eq!(planned(&policy(None, Coalesce::Latest), 50, 99), expected);
    }

    #[test]
    fn or_the_earliest() {
        let fires = Fires::One { before: None, fire: second(50), after: Some(fire_range(60, 90, 4)) };
        let expected = Plan { too_late: None, coalesced: None, fires, next: Some(second(100)) };
        assert_eq!(planned(&policy(None, Coalesce::Earliest), 50, 99), expected);
    }

    #[test]
    fn or_each() {
        let fires = Fires::Each([50, 60, 70, 80, 90].map(second).to_vec());
        assert_eq!(planned(&policy(None, Coalesce::All), 50, 99).fires, fires);
        let much = planned(&policy(None, Coalesce::All), 0, 1_000_000);
        assert_eq!(much.fires.whole().unwrap().count, ALL_AT_ONCE as u64);
        assert_eq!(much.next, Some(second(ALL_AT_ONCE as i64 * 10)));
    }

    #[test]
    fn the_grace_is_for_each_fire() {
        let plan = planned(&policy(Some(25), Coalesce::Latest), 50, 99);
        assert_eq!(plan.too_late, Some(fire_range(50, 70, 3)));
        assert_eq!(
            plan.fires,
            Fires::One { before: Some(fire_range(80, 80, 1)), fire: second(90), after: None }
        );
    }

    proptest! {
        /// Whatever the policy: what is missed, what runs and what is still to come are all fire times, each once.
        #[test]
        fn every_fire_time_is_accounted_for_once(
            due in 0_i64..20,
            lateness in 0_i64..3000,
            grace in prop::option::of(0_u64..3000),
            coalesce in prop_oneof![Just(Coalesce::Latest), Just(Coalesce::Earliest), Just(Coalesce::All)],
        ) {
            let (due, now) = (due * 10, due * 10 + lateness);
            let plan = planned(&policy(grace, coalesce), due, now);
            let whole = match (plan.too_late, plan.fires.whole()) {
                (Some(late), Some(fires)) => late.joined(fires),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => return Err(TestCaseError::fail("nothing is due")),
            };
            prop_assert_eq!(whole.first, second(due));
            prop_assert_eq!((whole.last - whole.first).num_seconds(), (whole.count as i64 - 1) * 10);
            prop_assert_eq!(plan.next, Some(whole.last + TimeDelta::seconds(10)));
            if coalesce != Coalesce::All {
                prop_assert!(plan.next.unwrap() > second(now));
            }
        }
    }
}
