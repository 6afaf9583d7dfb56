//! The tests of the exercises of chapter 3.

use proptest::prelude::*;

use super::{count, parse};

#[test]
fn nicknames_are_expressions() {
    assert_eq!(parse("@daily"), "0 0 * * *".parse());
    assert_eq!(parse("@Hourly"), parse("0 * * * *"));
    assert_eq!(parse("@weekly"), parse("0 0 * * sun"));
    assert!(parse("@never").is_err());
}

/// Whoever visits each of these fires has to wait for minutes.
#[test]
fn the_minutes_of_400_years_are_counted() {
    let every_minute = parse("* * * * *").unwrap();
    let midnight = |year| {
        let day = chrono::NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
        day.and_time(chrono::NaiveTime::MIN)
    };
    let counted = count(&every_minute, midnight(2000), midnight(2400));
    assert_eq!(counted, 146_097 * 24 * 60);
}

proptest! {
    #[test]
    fn counting_agrees_with_a_walk(
        index in 0_usize..6, from in 0_i64..4_000_000_000,
        length in 0_i64..10_000_000,
    ) {
        let texts = ["*/7 3-5 * * *", "0 0 29 2 *", "30 2 13 * fri",
            "0 12 * * mon-fri", "5,6 23,0 31 * *", "59 23 * * *"];
        let cron = parse(texts[index]).unwrap();
        let instant = |second| {
            chrono::DateTime::from_timestamp(second, 0).unwrap().naive_utc()
        };
        let (from, to) = (instant(from), instant(from + length));
        let mut walked = 0;
        let mut time = from;
        while let Some(next) = cron.next_local(time).filter(|it| *it <= to) {
            (time, walked) = (next, walked + 1);
        }
        prop_assert_eq!(count(&cron, from, to), walked);
    }
}
