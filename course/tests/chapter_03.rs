//! Chapter 3: cron.

use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, Timelike, Utc};
use proptest::prelude::*;
use scheduler::cron::{Cron, Set};
use scheduler::trigger::Trigger;

#[path = "laws.rs"]
mod laws;

fn cron(text: &str) -> Cron {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The message with which a text is refused.
fn refused(text: &str) -> String {
    match text.parse::<Cron>() {
        Ok(cron) => panic!("{text:?} was accepted: {cron:?}"),
        Err(error) => error.to_string(),
    }
}

fn at(text: &str) -> NaiveDateTime {
    let instant: DateTime<Utc> = format!("{text}Z").parse().unwrap();
    instant.naive_utc()
}

/// Asserts the fires of an expression after a time, one after the other.
fn fires(text: &str, after: &str, expected: &[&str]) {
    let (cron, mut time) = (cron(text), at(after));
    for expected in expected {
        time = cron.next_local(time).unwrap();
        assert_eq!(time, at(&format!("{expected}:00")), "{text}");
    }
}

/// The days of December 2026 on which an expression matches at midnight.
fn days(text: &str) -> Vec<u32> {
    let (cron, first) = (cron(text), at("2026-12-01T00:00:00"));
    let days = (0..31).map(|day| first + TimeDelta::days(day));
    days.filter(|day| cron.matches(*day)).map(|day| day.day()).collect()
}

/// Expects: `next` is the smallest number from a number on, and `previous` is
/// the largest one up to a number, also at 0 and at 63.
/// Read: A set in a number
#[test]
fn a_set_finds_its_next_and_its_previous_number() {
    let set = Set::range(0, 0, 1).or(Set::range(15, 45, 15));
    assert!(set.contains(30) && !set.contains(31) && !set.contains(64));
    let next = [(0, 0), (1, 15), (15, 15), (16, 30), (45, 45)];
    for (from, expected) in next {
        assert_eq!(set.next(from), Some(expected), "from {from}");
    }
    assert_eq!((set.next(46), set.next(63), set.next(64)), (None, None, None));
    let previous = [(0, 0), (14, 0), (15, 15), (44, 30), (63, 45), (99, 45)];
    for (to, expected) in previous {
        assert_eq!(set.previous(to), Some(expected), "to {to}");
    }
    assert_eq!(Set::range(5, 9, 1).previous(4), None);
    let ends = Set::range(0, 63, 63);
    assert_eq!((ends.next(1), ends.previous(62)), (Some(63), Some(0)));
    assert_eq!(ends.and(Set::range(1, 63, 1)), Set::range(63, 63, 1));
}

/// Expects: lists, ranges, steps and names, as they are in crontab(5).
/// Read: From text to sets
#[test]
fn fields_are_lists_of_ranges_with_steps() {
    let same = [
        ("*/20 * * * *", "0,20,40 * * * *"),
        ("10-50/20 * * * *", "10,30,50 * * * *"),
        ("0 9-17 * * *", "0 9,10,11,12,13,14,15,16,17 * * *"),
        ("0 0 1 jan,JUL *", "0 0 1 1,7 *"),
        ("0 0 * * mon-fri", "0 0 * * 1,2,3,4,5"),
        ("0 0 * * 1-5/2", "0 0 * * 1,3,5"),
        ("  0\t0 * *   3 ", "0 0 * * wed"),
    ];
    for (one, other) in same {
        assert_eq!(cron(one), cron(other), "{one}");
    }
}

/// Expects: bad text is refused, and the message names the field and the item.
/// Read: Messages
#[test]
fn what_is_wrong_is_said_with_the_field() {
    for (text, field, item) in [
        ("60 * * * *", "minute", "60"),
        ("* 24 * * *", "hour", "24"),
        ("* * 0 * *", "day of month", "0"),
        ("* * 1,32 * *", "day of month", "32"),
        ("* * * 13 *", "month", "13"),
        ("* * * foo *", "month", "foo"),
        ("* * * * 8", "day of week", "8"),
        ("*/0 * * * *", "minute", "*/0"),
        ("*/x * * * *", "minute", "*/x"),
        ("5/10 * * * *", "minute", "5/10"),
        ("30-10 * * * *", "minute", "30-10"),
        ("1,,2 * * * *", "minute", "\"\""),
        ("+5 * * * *", "minute", "+5"),
        ("-5 * * * *", "minute", "-5"),
        ("99999999999 * * * *", "minute", "99999999999"),
    ] {
        let message = refused(text);
        assert!(message.starts_with(field), "{text}: {message}");
        assert!(message.contains(item), "{text}: {message}");
    }
}

/// Expects: four or six fields are refused with a message that says how many.
/// Read: Messages
#[test]
fn an_expression_has_five_fields() {
    for (text, count) in [("", "0"), ("* * * *", "4"), ("0 * * * * *", "6")] {
        let message = refused(text);
        assert!(message.contains(count), "{text}: {message}");
    }
}

/// Expects: if both day fields are restricted, one of them is enough.
/// Read: Either day, or both
#[test]
fn either_day_field_is_enough() {
    assert_eq!(days("0 0 13 * fri"), [4, 11, 13, 18, 25]);
    assert_eq!(days("0 0 1,2 * 1-2"), [1, 2, 7, 8, 14, 15, 21, 22, 28, 29]);
}

/// Expects: if one of the day fields begins with a star, both must match, also
/// if a step follows the star.
/// Read: Either day, or both
#[test]
fn both_day_fields_must_match_if_one_is_a_star() {
    assert_eq!(days("0 0 * * fri"), [4, 11, 18, 25]);
    assert_eq!(days("0 0 13 * *"), [13]);
    // Fridays with an odd date.
    assert_eq!(days("0 0 */2 * fri"), [11, 25]);
    assert_eq!(days("0 0 * * *"), (1..=31).collect::<Vec<_>>());
}

/// Expects: month, day, hour and minute must all match, and the seconds do not
/// matter.
/// Read: A minute that matches
#[test]
fn a_minute_matches_with_all_its_fields() {
    let cron = cron("30 6 24 12 *");
    assert!(cron.matches(at("2026-12-24T06:30:00")));
    assert!(cron.matches(at("2026-12-24T06:30:59")));
    for other in ["11-24T06:30", "12-23T06:30", "12-24T07:30", "12-24T06:31"] {
        assert!(!cron.matches(at(&format!("2026-{other}:00"))), "{other}");
    }
}

/// Expects: Sunday is 0 and 7, also in a range.
/// Read: A minute that matches
#[test]
fn sunday_has_two_numbers() {
    let sunday = at("2026-12-27T00:00:00");
    for text in ["0 0 * * 0", "0 0 * * 7", "0 0 * * sun", "0 0 * * 5-7"] {
        assert!(cron(text).matches(sunday), "{text}");
    }
    assert!(!cron("0 0 * * 1-6").matches(sunday));
}

/// Expects: when a field has no further number, the next larger one moves on
/// and the smaller ones begin again.
/// Read: The search
#[test]
fn the_search_carries_from_minutes_to_years() {
    let after = "2026-12-31T22:59:30";
    fires("*/30 * * * *", after, &["2026-12-31T23:00", "2026-12-31T23:30"]);
    fires("15 6 * * *", after, &["2027-01-01T06:15", "2027-01-02T06:15"]);
    fires("0 0 31 * *", after, &["2027-01-31T00:00", "2027-03-31T00:00"]);
    fires("0 22,23 * * *", after, &["2026-12-31T23:00", "2027-01-01T22:00"]);
    fires("59 23 31 12 *", after, &["2026-12-31T23:59", "2027-12-31T23:59"]);
    // A later hour begins with its first minute.
    let evening = ["2026-12-24T18:00"];
    fires("0 6,18 * * *", "2026-12-24T06:30:00", &evening);
}

/// Expects: the answer is a full minute that is later than the question.
/// Read: The search
#[test]
fn the_answer_is_a_later_full_minute() {
    let every_minute = cron("* * * * *");
    for question in ["12:00:00", "12:00:00.000000001", "12:00:59.999999999"] {
        let question = at(&format!("2026-12-24T{question}"));
        let next = every_minute.next_local(question);
        assert_eq!(next, Some(at("2026-12-24T12:01:00")), "{question}");
    }
}

/// Expects: 29 February is found, also over the year 2100, which has none.
/// Read: The search
#[test]
fn leap_days_are_found() {
    let leap_days = ["2096-02-29T00:00", "2104-02-29T00:00"];
    fires("0 0 29 2 *", "2095-01-01T00:00:00", &leap_days);
}

/// Expects: at the end of chrono's calendar, the answer is `None`.
/// Read: The search
#[test]
fn the_search_ends_with_the_calendar() {
    let cron = cron("0 0 1 1 *");
    assert_eq!(cron.next_local(NaiveDateTime::MAX), None);
}

/// Expects: `0 0 30 2 *` is refused when it is read, and the search ends.
/// Read: What never comes
#[test]
fn a_date_that_never_comes_is_refused() {
    for text in ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *"] {
        let message = refused(text);
        assert!(message.contains("never"), "{text}: {message}");
    }
    cron("0 0 31 4,5 *");
}

/// Expects: `previous_local` is the last full minute that is earlier than the
/// question.
/// Read: Backwards
#[test]
fn the_previous_minute_is_found() {
    for (text, before, expected) in [
        ("*/30 * * * *", "2027-01-01T00:00:00", "2026-12-31T23:30:00"),
        (
            "*/30 * * * *",
            "2027-01-01T00:00:00.000000001",
            "2027-01-01T00:00:00",
        ),
        ("15 6 * * *", "2027-01-01T06:15:00", "2026-12-31T06:15:00"),
        ("0 0 31 * *", "2027-03-01T12:00:00", "2027-01-31T00:00:00"),
        ("0 0 29 2 *", "2021-12-07T12:00:00", "2020-02-29T00:00:00"),
        ("0 0 29 2 *", "2103-01-01T00:00:00", "2096-02-29T00:00:00"),
        ("0 22,23 * * *", "2026-12-31T22:30:00", "2026-12-31T22:00:00"),
        // No hour is earlier than the first one of a day.
        ("0 6 * * *", "2026-12-24T00:30:00", "2026-12-23T06:00:00"),
    ] {
        let previous = cron(text).previous_local(at(before));
        assert_eq!(previous, Some(at(expected)), "{text} before {before}");
    }
}

/// Expects: at the beginning of chrono's calendar, the answer is `None`.
/// Read: Backwards
#[test]
fn the_search_backwards_ends_with_the_calendar() {
    let cron = cron("0 0 1 1 *");
    assert_eq!(cron.previous_local(NaiveDateTime::MIN), None);
}

/// A field: its text, and the numbers that it stands for.
type Field = (String, Vec<u32>);

/// Any field with numbers from `first` to `last`.
fn field(first: u32, last: u32) -> impl Strategy<Value = Field> {
    let item = (first..=last, first..=last, 1..=last).prop_map(
        |(one, other, step)| {
            let (from, to) = (one.min(other), one.max(other));
            let text = format!("{from}-{to}/{step}");
            (text, (from..=to).step_by(step as usize).collect::<Vec<_>>())
        },
    );
    let single = (first..=last).prop_map(|one| (one.to_string(), vec![one]));
    let items = prop::collection::vec(prop_oneof![item, single], 1..3);
    let list = items.prop_map(|items| {
        let (texts, numbers): (Vec<_>, Vec<_>) = items.into_iter().unzip();
        (texts.join(","), numbers.concat())
    });
    let all = move |step: u32| {
        (format!("*/{step}"), (first..=last).step_by(step as usize).collect())
    };
    prop_oneof![
        2 => list,
        1 => Just(("*".to_owned(), (first..=last).collect())),
        1 => (1..=last).prop_map(all),
    ]
}

// ANCHOR: oracle
/// Says whether a minute matches, by the words of crontab(5) and without any
/// of the code that is tested.
fn literally(fields: &[Field; 5], time: NaiveDateTime) -> bool {
    let [minute, hour, day, month, weekday] = fields;
    let has = |field: &Field, number| field.1.contains(&number);
    let by_day = has(day, time.day());
    let number = time.weekday().num_days_from_sunday();
    let by_weekday = has(weekday, number) || number == 0 && has(weekday, 7);
    let star = day.0.starts_with('*') || weekday.0.starts_with('*');
    let is_day = match star {
        true => by_day && by_weekday,
        false => by_day || by_weekday,
    };
    is_day
        && has(month, time.month())
        && has(hour, time.hour())
        && has(minute, time.minute())
}
// ANCHOR_END: oracle

/// How many minutes the oracle looks at: ten days.
const WINDOW: i64 = 10 * 24 * 60;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Expects: `next_local` and `previous_local` find what a walk from minute
    /// to minute finds, for any expression and any time.
    /// Read: An oracle
    #[test]
    fn the_search_agrees_with_a_walk_through_the_minutes(
        fields in [
            field(0, 59).boxed(), field(0, 23).boxed(), field(1, 31).boxed(),
            field(1, 12).boxed(), field(0, 7).boxed(),
        ],
        second in 0_i64..5_000_000_000,
    ) {
        let text = fields.clone().map(|field| field.0).join(" ");
        let Ok(cron) = text.parse::<Cron>() else {
            // The only fault can be a date that never comes: no month has it.
            prop_assert!(!fields[2].1.iter().any(|day| *day <= 28), "{text}");
            return Ok(());
        };
        let time = DateTime::from_timestamp(second, 0).unwrap().naive_utc();
        let minute = time - TimeDelta::seconds(second % 60);
        let minutes = |number| minute + TimeDelta::minutes(number);

        let next = cron.next_local(time).unwrap();
        let walk = (1..WINDOW).map(minutes);
        match walk.clone().find(|time| literally(&fields, *time)) {
            Some(found) => prop_assert_eq!(next, found, "{} next", text),
            None => {
                prop_assert!(literally(&fields, next), "{text}: {next}");
                prop_assert!(next >= minutes(WINDOW), "{text}: {next}");
            }
        }
        let before = time + TimeDelta::nanoseconds(1);
        let previous = cron.previous_local(before).unwrap();
        let mut walk = (0..WINDOW).map(|number| minutes(-number));
        match walk.find(|time| literally(&fields, *time)) {
            Some(found) => prop_assert_eq!(previous, found, "{} previous", text),
            None => {
                prop_assert!(literally(&fields, previous), "{text}: {previous}");
                prop_assert!(previous <= minutes(-WINDOW), "{text}: {previous}");
            }
        }
        prop_assert_eq!(cron.matches(time), literally(&fields, minute));
    }

    /// Expects: as a trigger in UTC, an expression keeps the laws of chapter 1.
    /// Read: An oracle
    #[test]
    fn an_expression_keeps_the_laws(
        minute in field(0, 59), hour in field(0, 23), weekday in field(0, 7),
        second in 0_i64..5_000_000_000, later in 0_i64..1_000_000,
    ) {
        let cron = cron(&format!("{} {} * * {}", minute.0, hour.0, weekday.0));
        let question = DateTime::from_timestamp(second, 0).unwrap();
        laws::check(&cron, question, question + TimeDelta::seconds(later));
        prop_assert!(cron.next_after(question).is_some());
    }
}
