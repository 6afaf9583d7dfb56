//! The tests of the exercises of chapter 1.

use std::cell::Cell;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use scheduler::run_loop::{Clock, ManualClock, run};
use scheduler::trigger::{Every, Once, Trigger};

use super::{Either, Shifted, run_latest};

#[path = "laws.rs"]
mod laws;

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
