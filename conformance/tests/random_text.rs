//! Whatever text a parser is given, it reads it or refuses it with an error that can be shown.

use std::fmt::Display;
use std::hint::black_box;
use std::str::FromStr;

use matins_conformance::proof::config_times;
use matins_triggers::{CalendarTrigger, CronExpression, CronTrigger, DateTrigger, IntervalTrigger};
use proptest::prelude::*;

/// Pieces of the grammar in a wrong order, and anything else.
fn text() -> impl Strategy<Value = String> {
    const PIECES: &str = "(\\*|/|-|,|\\?|#|\\+| |L|W|LW|MON|feb|@daily|CRON_TZ=|UTC|hour=|day='|'|2nd|last|[0-9]{1,4}|P1D|T|:|Z| from | until |P|.){0,12}";
    prop_oneof![4 => PIECES, 1 => ".{0,80}", 1 => "[ -~]{0,40}"]
}

fn attempt<T: FromStr<Err: Display>>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => drop(black_box(value)),
        Err(error) => drop(black_box(error.to_string())),
    }
}

proptest! {
    // Two million in the proof of 10,000.
    #![proptest_config(config_times(200, 1_000))]

    #[test]
    fn any_text_is_read_or_refused(text in text()) {
        attempt::<CronExpression>(&text);
        attempt::<CronTrigger>(&text);
        attempt::<DateTrigger>(&text);
        attempt::<IntervalTrigger>(&text);
        attempt::<CalendarTrigger>(&text);
        let _ = black_box(CronExpression::parse_quartz(&text));
    }
}
