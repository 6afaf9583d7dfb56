//! Random instants, zones and triggers for proptest.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::Trigger;
use matins_triggers::{
    AllTrigger, AnyTrigger, CalendarBuilder, CalendarTrigger, CronError, CronExpression, CronFields,
    CronTrigger, DateTrigger, ExceptDatesTrigger, ExceptTrigger, IntervalTrigger, JitterTrigger,
    WindowTrigger, Zone, tzdb,
};
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

/// Any text: all characters, those that JSON escapes more often than others.
pub fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => any::<char>(),
        2 => select(&['"', '\\', '/', '\0', '\n', '\r', '\u{7f}', '\u{2028}', '\u{feff}', '[', '{', '}', ']', ':'][..]),
    ];
    vec(character, 0..12).prop_map(|characters| characters.into_iter().collect())
}

/// Any JSON value: numbers of each kind and size, each float there is, any text and any keys, nested up to as deep as the default
/// limits allow.
pub fn json_value() -> BoxedStrategy<serde_json::Value> {
    use serde_json::Value;
    let float = any::<u64>().prop_map(f64::from_bits);
    let decimal = (any::<i32>(), -320..309_i32)
        .prop_map(|(digits, exponent)| format!("{digits}e{exponent}").parse().unwrap_or(0.0));
    let edges = select(
        &[0.0, -0.0, 0.1, 1e23, 5e-324, f64::MIN_POSITIVE, f64::MAX, f64::MIN, 1e16, 9_007_199_254_740_993.0]
            [..],
    );
    let float = prop_oneof![3 => float, 3 => decimal, 1 => edges];
    // What is not finite is no JSON: serde makes null of it.
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        4 => float.prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => select(&[i64::MIN, i64::MAX, 0, -1, 1 << 53, (1 << 53) + 1][..]).prop_map(Value::from),
        3 => text().prop_map(Value::from),
    ];
    let nested = leaf.prop_recursive(5, 24, 6, |inner| {
        let object = vec((text(), inner.clone()), 0..6).prop_map(|fields| fields.into_iter().collect());
        prop_oneof![vec(inner, 0..6).prop_map(Value::Array), object.prop_map(Value::Object)]
    });
    let deep = prop_oneof![9 => Just(0), 1 => 0..95_usize];
    (nested, deep, any::<bool>())
        .prop_map(|(value, levels, in_list)| {
            let wrap =
                |value| if in_list { Value::Array(vec![value]) } else { serde_json::json!({ "in": value }) };
            (0..levels).fold(value, |value, _| wrap(value))
        })
        .boxed()
}

/// One of [`ZONES`].
pub fn zone() -> impl Strategy<Value = Zone> {
    // The same on every machine, whatever tz database it has.
    tzdb::use_bundled();
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
        1 => select(&["?", "L", "LW", "L-3", "15W", "1W", "31W", "1,15,L", "*/2,L-1", "L-5W", "2-30/2", "1-20/3,LW"][..]).prop_map(str::to_owned),
    ];
    let weekday = prop_oneof![
        6 => field(0, 7),
        1 => select(&["?", "FRI#2", "5L", "SUN#1,SUN#3", "MON-FRI", "FRI-MON", "1#5", "2,THUL", "MON-FRI/2", "FRI#L,SUN#1"][..]).prop_map(str::to_owned),
    ];
    let second = prop_oneof![2 => Just(None), 1 => field(0, 59).prop_map(Some)];
    let year = prop_oneof![3 => Just(None), 1 => select(&["*", "2024", "1990-2030/4", "2026-2030/6", "2000,2026-2030", "2016/4", "*/2,2027"][..]).prop_map(Some)];
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

/// Fields by name in the plain form: year, month, day, week, day of week, hour, minute. Most are stars, so that they match
/// now and then.
pub fn fields() -> impl Strategy<Value = [String; 7]> {
    let rare = |field: BoxedStrategy<String>| prop_oneof![4 => Just("*".to_owned()), 1 => field];
    let year = select(&["2024-2030", "*/2", "1990,2026", "2000-2040/3"][..]).prop_map(str::to_owned);
    (
        rare(year.boxed()),
        rare(field(1, 12).boxed()),
        rare(field(1, 31).boxed()),
        rare(field(1, 52).boxed()),
        rare(prop_oneof![field(0, 5), Just("mon-fri".to_owned())].boxed()),
        field(0, 23),
        field(0, 59),
    )
        .prop_map(|(year, month, day, week, weekday, hour, minute)| {
            [year, month, day, week, weekday, hour, minute]
        })
}

/// The expression of [`fields`].
///
/// # Errors
/// When it never fires, or a step is larger than its field's range.
pub fn named(fields: &[String; 7]) -> Result<CronExpression, CronError> {
    let [year, month, day, week, weekday, hour, minute] = fields;
    let fields = CronFields::new().year(year).month(month).day(day).week(week).day_of_week(weekday);
    fields.hour(hour).minute(minute).build()
}

/// A calendar trigger of any period up to a few years.
pub fn calendar() -> BoxedStrategy<CalendarBuilder> {
    let period = prop_oneof![
        (0_u32..3, 0_u32..30, Just(0), Just(0)),
        (Just(0), Just(0), 0_u32..5, 0_u32..40),
        (0_u32..2, 0_u32..14, 0_u32..3, 0_u32..10),
    ];
    (instant(), zone(), period, prop::bool::ANY, prop::option::of(instant()))
        .prop_map(|(start, zone, (years, months, weeks, days), last_day, end)| {
            let date = start.date_naive();
            let builder = CalendarTrigger::from_date(date).years(years).months(months).weeks(weeks);
            let none = years + months + weeks + days == 0;
            let builder = builder.days(if none { 1 } else { days }).at(start.time()).zone(zone.name());
            let builder = if last_day { builder.last_day() } else { builder };
            match end.map(|end| end.date_naive()).filter(|end| *end >= date) {
                Some(end) => builder.until(end),
                None => builder,
            }
        })
        .boxed()
}

/// Any trigger of `matins-triggers` that is not made of others. Expressions that can never fire are left out.
pub fn simple_trigger() -> BoxedStrategy<Arc<dyn Trigger>> {
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
    let expression = prop_oneof![
        3 => expression().prop_map(|text| CronExpression::parse(&text)),
        2 => fields().prop_map(|fields| named(&fields)),
    ];
    let cron = (expression, zone(), prop::option::of(instant()), prop::option::of(instant()))
        .prop_filter_map("never fires", |(expression, zone, start, end)| {
            let trigger = CronTrigger::new(expression.ok()?, zone);
            let trigger = start.map_or(Ok(trigger.clone()), |start| trigger.clone().starting(start)).ok()?;
            let trigger = end.map_or(Ok(trigger.clone()), |end| trigger.clone().until(end)).ok()?;
            Some(Arc::new(trigger) as Arc<dyn Trigger>)
        });
    let calendar = calendar()
        .prop_map(|calendar| Arc::new(calendar.build().expect("a sound calendar")) as Arc<dyn Trigger>);
    prop_oneof![1 => date, 1 => local_date, 2 => interval, 6 => cron, 2 => calendar].boxed()
}

/// A cron trigger with many fires a day on many days, so that two of them share long ranges.
pub fn frequent() -> impl Strategy<Value = CronTrigger> {
    let hour = select(&["*", "*/2", "0-11", "1-5", "2"][..]);
    let minute = select(&["*", "*/5", "0,30", "*/15", "17"][..]);
    let day = select(&["*", "1-30", "*/2", "L", "5-25"][..]);
    let weekday = select(&["*", "*", "MON-FRI", "*/2"][..]);
    let limit = prop::option::of(instant());
    (hour, minute, day, weekday, zone(), limit).prop_map(|(hour, minute, day, weekday, zone, end)| {
        let text = format!("{minute} {hour} {day} * {weekday}");
        let trigger = CronTrigger::parse(&text, zone.name()).expect("an expression");
        end.map_or(trigger.clone(), |end| trigger.until(end).expect("no start"))
    })
}

/// Pairs that meet often enough for their intersection to be looked for: two crontabs of a zone, two intervals.
fn companions() -> BoxedStrategy<[Arc<dyn Trigger>; 2]> {
    let crontabs =
        (crontab(), field(0, 59), zone()).prop_filter_map("never fires", |(text, minute, zone)| {
            let one = CronTrigger::parse(&text, zone.name()).ok()?;
            let other = CronTrigger::parse(&format!("{minute} * * * *"), zone.name()).ok()?;
            Some([Arc::new(one) as Arc<dyn Trigger>, Arc::new(other) as Arc<dyn Trigger>])
        });
    let periods = (1_i64..5_000, 1_i64..5_000);
    let intervals = (instant(), periods, -500_i64..500, -500_i64..500).prop_map(|(start, periods, a, b)| {
        let interval = |steps: i64, period: i64| {
            let period = TimeDelta::milliseconds(period);
            let start = start + period * steps as i32;
            Arc::new(IntervalTrigger::new(start, period).expect("a positive period")) as Arc<dyn Trigger>
        };
        [interval(a, periods.0), interval(b, periods.1)]
    });
    prop_oneof![crontabs, intervals].boxed()
}

/// Any trigger of `matins-triggers`, made of others too.
pub fn trigger() -> BoxedStrategy<Arc<dyn Trigger>> {
    let any = vec(simple_trigger(), 1..4)
        .prop_map(|of| Arc::new(AnyTrigger::new(of).expect("members")) as Arc<dyn Trigger>);
    let all = companions()
        .prop_filter_map("never meet", |of| Some(Arc::new(AllTrigger::new(of).ok()?) as Arc<dyn Trigger>));
    let except = companions().prop_filter_map("nothing is left", |[of, without]| {
        Some(Arc::new(ExceptTrigger::new(of, without).ok()?) as Arc<dyn Trigger>)
    });
    let except_dates = (simple_trigger(), vec(instant(), 0..4), zone()).prop_map(|(of, dates, zone)| {
        let dates = dates.into_iter().map(|date| date.date_naive());
        Arc::new(ExceptDatesTrigger::new(of, dates, zone)) as Arc<dyn Trigger>
    });
    let jitter = (simple_trigger(), 0_i64..10_000_000_000, 0..u64::MAX).prop_map(|(of, max, seed)| {
        let max = TimeDelta::microseconds(max);
        Arc::new(JitterTrigger::new(of, max, seed).expect("a sound jitter")) as Arc<dyn Trigger>
    });
    let window = (simple_trigger(), instant(), instant()).prop_map(|(of, one, other)| {
        let window = WindowTrigger::new(of).starting(one.min(other)).expect("no end yet");
        Arc::new(window.until(one.max(other)).expect("in order")) as Arc<dyn Trigger>
    });
    prop_oneof![8 => simple_trigger(), 1 => any, 1 => all, 1 => except, 1 => except_dates, 1 => jitter, 1 => window]
    .boxed()
}
