//! Random instants, zones and triggers for proptest.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::Trigger;
use matins_triggers::{CronTrigger, DateTrigger, IntervalTrigger, Zone};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Zones with all kinds of offset changes: the common ones, half an hour (Lord Howe), at midnight (São Paulo, Beirut),
/// a skipped day (Apia), negative summer time (Dublin), for Ramadan (Casablanca), and none at all.
pub const ZONES: [&str; 14] = [
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/London",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
];

/// One of [`ZONES`].
pub fn zone() -> impl Strategy<Value = Zone> {
    select(&ZONES[..]).prop_map(|name| Zone::named(name).expect("a zone of the tz database"))
}

/// Instants from 1985 to 2036, to the microsecond; every third within two days of an offset change of Europe/Berlin.
pub fn instant() -> impl Strategy<Value = DateTime<Utc>> {
    let any = 473_385_600_i64..2_082_758_400;
    let at_a_change =
        (1985_i32..2036, prop::bool::ANY, -172_800_i64..172_800).prop_map(|(year, spring, shift)| {
            let month = if spring { 3 } else { 10 };
            let last = chrono::NaiveDate::from_ymd_opt(year, month, 31).expect("a day");
            let sunday =
                last - TimeDelta::days(i64::from(chrono::Datelike::weekday(&last).num_days_from_sunday()));
            sunday.and_hms_opt(1, 0, 0).expect("a time").and_utc().timestamp() + shift
        });
    (prop_oneof![2 => any, 1 => at_a_change], prop_oneof![Just(0), 0_u32..1_000_000]).prop_map(
        |(second, micro)| DateTime::from_timestamp(second, micro * 1000).expect("an instant in range"),
    )
}

/// A field of a crontab expression in the plain form: `*`, steps, ranges and lists of numbers from `min` to `max`.
pub fn field(min: u32, max: u32) -> impl Strategy<Value = String> {
    let value = min..=max;
    let range = (value.clone(), value.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b)));
    let stepped = (value.clone(), value.clone(), 1..=max)
        .prop_map(|(a, b, n)| format!("{}-{}/{n}", a.min(b), a.max(b)));
    let item = prop_oneof![4 => value.clone().prop_map(|v| v.to_string()), 2 => range, 1 => stepped];
    prop_oneof![
        3 => Just("*".to_owned()),
        2 => (1..=max).prop_map(|step| format!("*/{step}")),
        5 => vec(item, 1..4).prop_map(|items| items.join(",")),
    ]
}

/// Five plain fields.
pub fn crontab() -> impl Strategy<Value = String> {
    (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7))
        .prop_map(|(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}"))
}

/// Expressions of the whole grammar: five to seven fields, with `L`, `W` and `#`.
pub fn expression() -> impl Strategy<Value = String> {
    let day = prop_oneof![
        6 => field(1, 31),
        1 => select(&["?", "L", "LW", "L-3", "15W", "1W", "31W", "1,15,L", "*/2,L-1"][..]).prop_map(str::to_owned),
    ];
    let weekday = prop_oneof![
        6 => field(0, 7),
        1 => select(&["?", "FRI#2", "5L", "SUN#1,SUN#3", "MON-FRI", "FRI-MON", "1#5", "2,THUL"][..]).prop_map(str::to_owned),
    ];
    let second = prop_oneof![2 => Just(None), 1 => field(0, 59).prop_map(Some)];
    let year = prop_oneof![3 => Just(None), 1 => select(&["*", "2024", "1990-2030/4", "2000,2026-2030"][..]).prop_map(Some)];
    (second, field(0, 59), field(0, 23), day, field(1, 12), weekday, year).prop_map(
        |(second, minute, hour, day, month, weekday, year)| {
            let five = format!("{minute} {hour} {day} {month} {weekday}");
            match (second, year) {
                (second, Some(year)) => format!("{} {five} {year}", second.as_deref().unwrap_or("0")),
                (Some(second), None) => format!("{second} {five}"),
                (None, None) => five,
            }
        },
    )
}

/// Any trigger of `matins-triggers`. Expressions that can never fire are left out.
pub fn trigger() -> impl Strategy<Value = Arc<dyn Trigger>> {
    let date = instant().prop_map(|instant| Arc::new(DateTrigger::new(instant)) as Arc<dyn Trigger>);
    let local_date = (instant(), zone()).prop_map(|(instant, zone)| {
        Arc::new(DateTrigger::local(instant.naive_utc(), zone).expect("in range")) as Arc<dyn Trigger>
    });
    let period = prop_oneof![1_i64..5_000_000, 1_000_000_i64..90_000_000_000_000];
    let interval = (instant(), period, prop::option::of(instant())).prop_map(|(start, period, end)| {
        let trigger =
            IntervalTrigger::new(start, TimeDelta::microseconds(period)).expect("a positive period");
        let bounded = end.and_then(|end| trigger.clone().until(end).ok());
        Arc::new(bounded.unwrap_or(trigger)) as Arc<dyn Trigger>
    });
    let cron = (expression(), zone()).prop_filter_map("never fires", |(expression, zone)| {
        let trigger = CronTrigger::parse(&expression, zone.name()).ok()?;
        Some(Arc::new(trigger) as Arc<dyn Trigger>)
    });
    prop_oneof![1 => date, 1 => local_date, 2 => interval, 6 => cron]
}
