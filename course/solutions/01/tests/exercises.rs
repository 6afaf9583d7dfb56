//! The exercises of chapter 1: solutions, and tests below them. To test your
//! own, copy this file to `starter/tests` and replace what is above the line.

use std::cell::Cell;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use scheduler::run_loop::{Clock, ManualClock, run};
use scheduler::trigger::{Every, Once, Trigger};

#[path = "../../../tests/laws.rs"]
mod laws;

/// Exercise 1: the fire times of another trigger, moved by a duration.
struct Shifted<T> {
    inner: T,
    by: TimeDelta,
}

impl<T: Trigger> Trigger for Shifted<T> {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let inner_after = after.checked_sub_signed(self.by)?;
        self.inner.next_after(inner_after)?.checked_add_signed(self.by)
    }
}

/// Exercise 2: the fire times of both. A fire time that both have is one.
struct Either<A, B>(A, B);

impl<A: Trigger, B: Trigger> Trigger for Either<A, B> {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let answers = [self.0.next_after(after), self.1.next_after(after)];
        answers.into_iter().flatten().min()
    }
}

/// Exercise 3: leaves out what was missed, except for the latest fire time.
///
/// It remembers the last fire time, and asks from the later one of that and
/// the current time. So a wait that ends early does not fire twice.
fn run_latest(
    trigger: &dyn Trigger,
    clock: &dyn Clock,
    until: DateTime<Utc>,
    mut task: impl FnMut(DateTime<Utc>),
) {
    let mut last = clock.now();
    while let Some(mut fire) = trigger.next_after(last) {
        if fire > until {
            break;
        }
        while clock.now() < fire {
            clock.sleep_until(fire);
        }
        while let Some(later) = trigger.next_after(fire)
            && later <= clock.now().min(until)
        {
            fire = later;
        }
        task(fire);
        last = fire;
    }
}

// ---------------------------------------------------------------------------

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

fn every(start: i64, period: i64) -> Every {
    Every::new(at(start), TimeDelta::seconds(period)).unwrap()
}

proptest! {
    #[test]
    fn a_shifted_trigger_keeps_the_laws(
        period in 1_i64..1000, by in -5000_i64..5000,
        question in -10_000_i64..10_000, later in 0_i64..2000,
    ) {
        let by = TimeDelta::seconds(by);
        let shifted = Shifted { inner: every(0, period), by };
        laws::check(&shifted, at(question), at(question + later));
        let plain = every(0, period).next_after(at(question) - by).unwrap();
        prop_assert_eq!(shifted.next_after(at(question)), Some(plain + by));
    }

    #[test]
    fn either_keeps_the_laws(
        one in 1_i64..1000, other in 1_i64..1000, start in -1000_i64..1000,
        question in -10_000_i64..10_000, later in 0_i64..2000,
    ) {
        let either = Either(every(0, one), every(start, other));
        laws::check(&either, at(question), at(question + later));
    }
}

#[test]
fn what_both_fire_is_one_fire() {
    let either = Either(every(0, 10), Either(every(0, 15), Once(at(12))));
    let mut fires = vec![at(0)];
    while fires.len() < 6 {
        fires.push(either.next_after(*fires.last().unwrap()).unwrap());
    }
    assert_eq!(fires, [0, 10, 12, 15, 20, 30].map(at));
}

#[test]
fn run_latest_leaves_out_what_was_missed() {
    let clock = ManualClock::new(at(5));
    let mut calls = Vec::new();
    run_latest(&every(0, 10), &clock, at(60), |fire| {
        calls.push((fire, clock.now()));
        clock.advance(TimeDelta::seconds(25));
    });
    let expected = [(10, 10), (30, 35), (60, 60)];
    assert_eq!(calls, expected.map(|(fire, called)| (at(fire), at(called))));
}

#[test]
fn run_latest_fires_nothing_twice_when_it_wakes_early() {
    struct Hasty(Cell<DateTime<Utc>>);
    impl Clock for Hasty {
        fn now(&self) -> DateTime<Utc> {
            self.0.get()
        }
        fn sleep_until(&self, time: DateTime<Utc>) {
            let half = (time - self.now()) / 2;
            self.0.set(self.now() + half.max(TimeDelta::milliseconds(1)));
        }
    }
    let (latest, all) = (Hasty(Cell::new(at(5))), Hasty(Cell::new(at(5))));
    let (mut one, mut other) = (Vec::new(), Vec::new());
    run_latest(&every(0, 10), &latest, at(60), |fire| one.push(fire));
    run(&every(0, 10), &all, at(60), |fire| other.push(fire));
    assert_eq!(one, [10, 20, 30, 40, 50, 60].map(at));
    assert_eq!(one, other);
}
