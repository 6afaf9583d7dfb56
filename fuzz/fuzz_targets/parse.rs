//! No text makes a parser panic or hang. What is read is written so that it reads back as the same.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use matins_triggers::{CalendarTrigger, CronExpression, CronTrigger, DateTrigger, IntervalTrigger};

fn reads_back<T: FromStr<Err: Display> + Display + PartialEq + Debug>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => {
            let written = value.to_string();
            let again = written.parse::<T>().unwrap_or_else(|error| panic!("{text:?} became {written:?}: {error}"));
            assert_eq!(again, value, "{text:?} became {written:?}");
        }
        // The error must be showable, its mark included.
        Err(error) => drop(error.to_string()),
    }
}

fuzz_target!(|text: &str| {
    reads_back::<CronExpression>(text);
    reads_back::<CronTrigger>(text);
    reads_back::<DateTrigger>(text);
    reads_back::<IntervalTrigger>(text);
    reads_back::<CalendarTrigger>(text);
    if let Ok(expression) = CronExpression::parse_quartz(text) {
        assert_eq!(expression.to_string().parse(), Ok(expression));
    }
});
