//! Chapter 1: a loop that fires.

use std::cell::Cell;
use std::iter;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use scheduler::run_loop::{Clock, ManualClock, run};
use scheduler::trigger::{BadPeriod, Every, Once, Trigger};

#[path = "laws.rs"]
mod laws;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// An instant of 18:00 to 19:00, by its minute and second.
fn clock(minute_and_second: &str) -> DateTime<Utc> {
    at(&format!("2026-12-24T18:{minute_and_second}Z"))
}

fn seconds(number: i64) -> TimeDelta {
    TimeDelta::seconds(number)
}

/// Every ten seconds from 18:00.
fn every_ten() -> Every {
    Every::new(clock("00:00"), seconds(10)).unwrap()
}

/// Expects: `Once` answers with its instant until that has come, and then
/// with `None`. At the instant itself, the answer is `None` already.
/// Read: A set of instants
#[test]
fn a_single_instant_fires_once() {
    let once = Once(clock("00:30"));
    assert_eq!(once.next_after(clock("00:29")), Some(clock("00:30")));
    assert_eq!(once.next_after(clock("00:30")), None);
    assert_eq!(once.next_after(clock("00:31")), None);
}

/// Expects: asked before its start, `Every` answers with its start.
/// Read: Number the fires
#[test]
fn the_first_fire_time_of_an_interval_is_its_start() {
    let long_before = at("1970-01-01T00:00:00Z");
    assert_eq!(every_ten().next_after(long_before), Some(clock("00:00")));
}

/// Expects: asked at a fire time, `Every` answers with the one after it.
/// Read: Number the fires
#[test]
fn the_answer_is_later_than_the_question() {
    assert_eq!(every_ten().next_after(clock("00:00")), Some(clock("00:10")));
    assert_eq!(every_ten().next_after(clock("00:10")), Some(clock("00:20")));
}

/// Expects: between two fire times, every question has the same answer.
/// Read: Number the fires
#[test]
fn fire_times_do_not_depend_on_when_one_asks() {
    for second in ["00:30", "00:31", "00:39", "00:39.999999999"] {
        let next = every_ten().next_after(clock(second));
        assert_eq!(next, Some(clock("00:40")), "asked at {second}");
    }
}

/// Expects: fire number n of an interval is at start + n * period.
/// Read: Number the fires
#[test]
fn an_interval_is_a_walk_in_even_steps() {
    let every = Every::new(clock("00:05"), seconds(7)).unwrap();
    let walk = iter::successors(every.next_after(clock("00:00")), |fire| {
        every.next_after(*fire)
    });
    let fires: Vec<_> = walk.take(4).collect();
    let expected = ["00:05", "00:12", "00:19", "00:26"].map(clock);
    assert_eq!(fires, expected);
}

/// Expects: `Every::new` refuses a period of zero, a negative one, and one
/// that is not a whole number of milliseconds.
/// Read: Refuse what has no meaning
#[test]
fn a_period_that_makes_no_progress_is_refused() {
    let start = clock("00:00");
    for period in [seconds(0), seconds(-1), TimeDelta::nanoseconds(1_500_000)] {
        let refused =
            Every::new(start, period).map(|every| every.next_after(start));
        assert_eq!(refused, Err(BadPeriod(period)));
    }
}

/// Expects: a question about a far year costs what one about now costs, and
/// an interval ends where chrono's calendar ends, without a panic.
/// Read: The end of the calendar
#[test]
fn an_interval_ends_with_the_calendar() {
    let far = at("9999-12-31T23:59:55Z");
    let next = at("9999-12-31T23:59:55.001Z");
    let every = Every::new(clock("00:00"), TimeDelta::milliseconds(1)).unwrap();
    assert_eq!(every.next_after(far), Some(next));
    let end = DateTime::<Utc>::MAX_UTC;
    assert_eq!(every_ten().next_after(end), None);
}

proptest! {
    /// Expects: progress, order and no skips, for any start, period and
    /// questions.
    /// Read: Three laws
    #[test]
    fn an_interval_keeps_the_laws(
        start in -4_000_000_000_000_i64..4_000_000_000_000,
        period in 1_i64..4_000_000_000,
        question in -4_000_000_000_000_i64..4_000_000_000_000,
        nanoseconds in 0_i64..1_000_000,
        later in 0_i64..10_000_000_000,
    ) {
        let start = DateTime::from_timestamp_millis(start).unwrap();
        let every = Every::new(start, TimeDelta::milliseconds(period)).unwrap();
        let question = DateTime::from_timestamp_millis(question).unwrap()
            + TimeDelta::nanoseconds(nanoseconds);
        laws::check(&every, question, question + TimeDelta::milliseconds(later));
    }
}

/// Runs from 18:00:05 until 18:00:45. Returns each fire time with the time
/// at which the task was called, of which each call takes `work` seconds.
fn run_with(work: i64) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let time = ManualClock::new(clock("00:05"));
    let mut calls = Vec::new();
    run(&every_ten(), &time, clock("00:45"), |fire| {
        calls.push((fire, time.now()));
        time.advance(seconds(work));
    });
    calls
}

fn pairs(expected: [(&str, &str); 4]) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    expected.map(|(fire, called)| (clock(fire), clock(called))).to_vec()
}

/// Expects: the task is called at each fire time after now, up to `until`.
/// Read: The loop
#[test]
fn the_loop_calls_the_task_at_each_fire_time() {
    let on_time = ["00:10", "00:20", "00:30", "00:40"];
    assert_eq!(run_with(0), pairs(on_time.map(|time| (time, time))));
}

/// Expects: a task that takes 3 s does not make the next fire late.
/// Read: The loop
#[test]
fn the_time_that_work_takes_does_not_add_up() {
    let on_time = ["00:10", "00:20", "00:30", "00:40"];
    assert_eq!(run_with(3), pairs(on_time.map(|time| (time, time))));
}

/// Expects: the loop ends when its trigger has no further fire time.
/// Read: The loop
#[test]
fn the_loop_ends_with_its_trigger() {
    let time = ManualClock::new(clock("00:00"));
    let mut fires = 0;
    run(&Once(clock("00:30")), &time, at("2100-01-01T00:00:00Z"), |_| {
        fires += 1
    });
    assert_eq!((fires, time.now()), (1, clock("00:30")));
}

/// Expects: with a task that takes 15 s, each fire is still made once and in
/// order. Those whose time has passed follow at once.
/// Read: When work takes longer than the period
#[test]
fn late_fires_are_made_in_order_and_none_is_left_out() {
    let late = [
        ("00:10", "00:10"),
        ("00:20", "00:25"),
        ("00:30", "00:40"),
        ("00:40", "00:55"),
    ];
    assert_eq!(run_with(15), pairs(late));
}

/// A clock that wakes whoever waits too early: each wait passes only half of
/// the time, or the last millisecond.
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

/// Expects: if a wait ends too early, the loop waits again. No fire is made
/// before its time, and none is made twice.
/// Read: Sleep is a hint
#[test]
fn a_wait_that_ends_early_fires_nothing_early() {
    let time = Hasty(Cell::new(clock("00:05")));
    let mut fires = Vec::new();
    run(&every_ten(), &time, clock("00:45"), |fire| {
        assert!(time.now() >= fire, "{fire} was fired at {}", time.now());
        fires.push(fire);
    });
    assert_eq!(fires, ["00:10", "00:20", "00:30", "00:40"].map(clock));
}
