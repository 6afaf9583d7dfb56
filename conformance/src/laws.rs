//! The laws of triggers, as functions that panic with a counterexample.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{CountBudget, FireRange, Trigger, TriggerExt};

/// Every law below, at one instant.
pub fn all(trigger: &Arc<dyn Trigger>, at: DateTime<Utc>, other: DateTime<Utc>) {
    progress(&**trigger, at);
    order(&**trigger, at, other);
    no_skips(&**trigger, at);
    mirror(&**trigger, at);
    previous_order(&**trigger, at, other);
    includes(&**trigger, at);
    there_and_back(&**trigger, at);
    round_trip(trigger, at);
    fire_range(&**trigger, at);
    slices(&**trigger, at, at.max(other).min(at + TimeDelta::days(2)));
}

/// The answer is later than the question.
pub fn progress(trigger: &dyn Trigger, after: DateTime<Utc>) {
    if let Some(next) = trigger.next_after(after) {
        assert!(next > after, "progress: {trigger:?} answers {next} after {after}");
    }
}

/// A later question never has an earlier answer.
pub fn order(trigger: &dyn Trigger, one: DateTime<Utc>, other: DateTime<Utc>) {
    let (earlier, later) = (one.min(other), one.max(other));
    if let Some(second) = trigger.next_after(later) {
        let first = trigger.next_after(earlier);
        assert!(
            first.is_some_and(|first| first <= second),
            "order: {trigger:?} answers {first:?} after {earlier}, and {second} after {later}"
        );
    }
}

/// Every instant from the question up to the answer has that answer.
pub fn no_skips(trigger: &dyn Trigger, after: DateTime<Utc>) {
    let Some(next) = trigger.next_after(after) else { return };
    let width = next - after;
    let between = [width / 2, width / 3, width - TimeDelta::nanoseconds(1), width - TimeDelta::seconds(1)];
    for instant in between.iter().filter(|step| **step >= TimeDelta::zero()).map(|step| after + *step) {
        let answer = trigger.next_after(instant);
        assert_eq!(
            answer,
            Some(next),
            "no skips: {trigger:?} answers {next} after {after}, asked at {instant}"
        );
    }
}

/// The last instant before a question is the predecessor in the same set: no other instant of the set is between the two, and each instant
/// between them has the same answer.
pub fn mirror(trigger: &dyn Trigger, before: DateTime<Utc>) {
    let Some(previous) = trigger.previous_before(before) else {
        let first = trigger.next_after(DateTime::<Utc>::MIN_UTC);
        assert!(
            first.is_none_or(|first| first >= before),
            "mirror: {trigger:?} has nothing before {before}, and first fires at {first:?}"
        );
        return;
    };
    assert!(previous < before, "mirror: {trigger:?} answers {previous} before {before}");
    assert!(
        trigger.includes(previous),
        "mirror: {trigger:?} answers {previous} before {before}, which it does not include"
    );
    let next = trigger.next_after(previous);
    assert!(
        next.is_none_or(|next| next >= before),
        "mirror: {trigger:?} answers {previous} before {before}, but fires at {next:?}"
    );
    let width = before - previous;
    let between = [width / 2, width / 3, TimeDelta::nanoseconds(1), TimeDelta::seconds(1), width];
    for instant in between
        .iter()
        .filter(|step| **step > TimeDelta::zero() && **step <= width)
        .map(|step| previous + *step)
    {
        let answer = trigger.previous_before(instant);
        assert_eq!(
            answer,
            Some(previous),
            "no skips: {trigger:?} answers {previous} before {before}, asked at {instant}"
        );
    }
}

/// An earlier question about what precedes it never has a later answer.
pub fn previous_order(trigger: &dyn Trigger, one: DateTime<Utc>, other: DateTime<Utc>) {
    let (earlier, later) = (one.min(other), one.max(other));
    if let Some(first) = trigger.previous_before(earlier) {
        let second = trigger.previous_before(later);
        assert!(
            second.is_some_and(|second| first <= second),
            "order: {trigger:?} answers {first} before {earlier}, and {second:?} before {later}"
        );
    }
}

/// A trigger includes its instants and nothing between them.
pub fn includes(trigger: &dyn Trigger, at: DateTime<Utc>) {
    let just_after = at + TimeDelta::nanoseconds(1);
    let is_included = trigger.previous_before(just_after) == Some(at);
    assert_eq!(trigger.includes(at), is_included, "{trigger:?} includes {at}");
    if let Some(next) = trigger.next_after(at) {
        assert!(trigger.includes(next), "{trigger:?} includes {next}, its answer after {at}");
        let middle = at + (next - at) / 2;
        assert!(middle <= at || middle == next || !trigger.includes(middle), "{trigger:?} includes {middle}");
    }
}

/// The next few instants, walked back, are the same.
pub fn there_and_back(trigger: &dyn Trigger, after: DateTime<Utc>) {
    let mut forward: Vec<_> = trigger.iter_after(after).take(6).collect();
    let Some(last) = forward.pop() else { return };
    let mut back: Vec<_> = trigger.iter_before(last).take(forward.len()).collect();
    back.reverse();
    assert_eq!(back, forward, "{trigger:?} from {after} to {last}, and back");
}

/// Saved and loaded, a trigger answers as before, and is saved alike.
pub fn round_trip(trigger: &Arc<dyn Trigger>, after: DateTime<Utc>) {
    let saved = serde_json::to_string(trigger).expect("a trigger can be saved");
    let loaded: Arc<dyn Trigger> =
        serde_json::from_str(&saved).unwrap_or_else(|error| panic!("{saved}: {error}"));
    assert_eq!(loaded.next_after(after), trigger.next_after(after), "round trip of {saved} at {after}");
    assert_eq!(
        loaded.previous_before(after),
        trigger.previous_before(after),
        "round trip of {saved} before {after}"
    );
    assert_eq!(serde_json::to_string(&loaded).expect("a trigger can be saved"), saved);
}

/// Counting by arithmetic agrees with walking, over the next few fires.
pub fn fire_range(trigger: &dyn Trigger, after: DateTime<Utc>) {
    let mut walked: Option<FireRange> = None;
    let mut last = after;
    for _ in 0..5 {
        let Some(next) = trigger.next_after(last) else {
            assert_eq!(
                trigger.fire_range(after, DateTime::<Utc>::MAX_UTC),
                walked,
                "range of {trigger:?} to its end"
            );
            return;
        };
        let one_before = next - TimeDelta::nanoseconds(1);
        assert_eq!(
            trigger.fire_range(after, one_before),
            walked,
            "range of {trigger:?} from {after} to {one_before}"
        );
        let single = FireRange::single(next);
        walked = Some(walked.map_or(single, |walked| walked.joined(single)));
        assert_eq!(trigger.fire_range(after, next), walked, "range of {trigger:?} from {after} to {next}");
        last = next;
    }
}

/// Counting in slices advances with each slice, and agrees with counting at once, over a part of the time that has not too
/// many fires.
pub fn slices(trigger: &dyn Trigger, after: DateTime<Utc>, until: DateTime<Utc>) {
    const MOST_FIRES: u64 = 2000;
    let mut until = until;
    let mut at_once = trigger.fire_range(after, until);
    while at_once.is_some_and(|fires| fires.count > MOST_FIRES) {
        until = after + (until - after) / 2;
        at_once = trigger.fire_range(after, until);
    }
    for steps in [0, 1, 7, 100] {
        assert_eq!(
            in_slices(trigger, after, until, steps),
            at_once,
            "{trigger:?} from {after} to {until}, counted in slices of {steps} steps"
        );
    }
}

/// Counts in slices of so many steps.
pub fn in_slices(
    trigger: &dyn Trigger,
    after: DateTime<Utc>,
    until: DateTime<Utc>,
    steps: u64,
) -> Option<FireRange> {
    let (mut fires, mut from) = (None, after);
    while from < until {
        let part = trigger.fire_range_within(from, until, &mut CountBudget::new(steps));
        assert!(part.through > from && part.through <= until, "{trigger:?} does not advance from {from}");
        if let Some(fires) = part.fires {
            let is_in = from < fires.first && fires.first <= fires.last && fires.last <= part.through;
            assert!(is_in, "{trigger:?} counts {fires:?} from {from} through {}", part.through);
        }
        fires = FireRange::concat(fires, part.fires);
        from = part.through;
    }
    fires
}
