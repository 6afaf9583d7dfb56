//! `previous_before` mirrors `next_after` at every kind of offset change, and costs no more.

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use matins_conformance::proof::config;
use matins_conformance::{laws, strategies};
use matins_core::{Trigger, TriggerExt};
use matins_triggers::{AnyTrigger, CalendarTrigger, CronTrigger, ExceptTrigger, Zone, tzdb};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Those of the strategies, and zones with corrections: skipped days, and a rule by which the clocks change by four hours twice a year.
static CHANGES: LazyLock<Vec<(Zone, DateTime<Utc>)>> = LazyLock::new(|| {
    tzdb::use_bundled();
    let more = ["Pacific/Kwajalein", "Pacific/Kiritimati", "Antarctica/Casey", "AAA0BBB-4,M3.5.0,M10.5.0"];
    strategies::ZONES.iter().chain(&more).flat_map(|name| changes(Zone::named(name).unwrap())).collect()
});

fn offset(zone: Zone, instant: DateTime<Utc>) -> i32 {
    zone.with_offset(instant).offset().local_minus_utc()
}

/// The instants from 1970 to 2040 at which a zone has another offset.
fn changes(zone: Zone) -> Vec<(Zone, DateTime<Utc>)> {
    let days = (0..70 * 365).map(|day| DateTime::UNIX_EPOCH + TimeDelta::days(day));
    let changed = days.filter(|day| offset(zone, *day) != offset(zone, *day + TimeDelta::days(1)));
    let exact = changed.map(|day| {
        let (mut before, mut after) = (day, day + TimeDelta::days(1));
        while after - before > TimeDelta::seconds(1) {
            let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
            if offset(zone, middle) == offset(zone, day) { before = middle } else { after = middle }
        }
        (zone, after)
    });
    exact.collect()
}

fn near() -> impl Strategy<Value = TimeDelta> {
    let nanosecond = (-1_i64..=1).prop_map(TimeDelta::nanoseconds);
    let hour = (-8_i64..=8, -1_i64..=1)
        .prop_map(|(half_hours, nanos)| TimeDelta::minutes(half_hours * 30) + TimeDelta::nanoseconds(nanos));
    let second = (-200_000_i64..200_000).prop_map(TimeDelta::seconds);
    prop_oneof![nanosecond, hour, second]
}

/// A daily time, at an hour at which clocks change, or a random expression.
fn expression() -> impl Strategy<Value = String> {
    let daily = (select(&[0, 1, 15, 30, 59][..]), 0..24_u32)
        .prop_map(|(minute, hour)| format!("{minute} {hour} * * *"));
    let elapsed = (select(&["*", "*/7", "30", "0,59"][..]), select(&["*", "*/2", "1-3"][..]))
        .prop_map(|(minute, hour)| format!("{minute} {hour} * * *"));
    prop_oneof![daily, elapsed, strategies::crontab(), strategies::expression()]
}

fn all_laws(trigger: &Arc<dyn Trigger>, at: DateTime<Utc>, other: DateTime<Utc>) {
    laws::mirror(&**trigger, at);
    laws::previous_order(&**trigger, at, other);
    laws::includes(&**trigger, at);
    laws::there_and_back(&**trigger, at);
    if let Some(next) = trigger.next_after(at) {
        laws::mirror(&**trigger, next);
        laws::mirror(&**trigger, next + TimeDelta::nanoseconds(1));
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn cron_triggers_mirror_at_gaps_overlaps_and_corrections(
        text in expression(),
        change in any::<Index>(),
        shift in near(),
        other in near(),
    ) {
        let (zone, change) = *change.get(&CHANGES);
        if let Ok(trigger) = CronTrigger::parse(&text, zone.name()) {
            all_laws(&(Arc::new(trigger) as Arc<dyn Trigger>), change + shift, change + other);
        }
    }

    #[test]
    fn calendar_triggers_mirror_at_gaps_overlaps_and_corrections(
        (days, months, last_day) in (0..3_u32, 0..3_u32, any::<bool>()),
        start in (0..40_000_i64, 0..86_400_u32),
        change in any::<Index>(),
        (shift, other) in (near(), near()),
    ) {
        let (zone, change) = *change.get(&CHANGES);
        let date = NaiveDate::default() + TimeDelta::days(start.0 / 2);
        let time = NaiveTime::from_num_seconds_from_midnight_opt(start.1 / 1800 * 1800, 0).unwrap();
        let builder = CalendarTrigger::from_date(date).days(days).months(months).at(time).zone(zone.name());
        if let Ok(trigger) = if last_day { builder.last_day() } else { builder }.build() {
            all_laws(&(Arc::new(trigger) as Arc<dyn Trigger>), change + shift, change + other);
        }
    }
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn a_difference_looks_back_over_what_is_shared_for_years() {
    let seconds: CronTrigger = "* * * * * *".parse().unwrap();
    let later: CronTrigger = "* * * * * * 2000-2030".parse().unwrap();
    let trigger = ExceptTrigger::new(Arc::new(seconds), Arc::new(later)).unwrap();
    assert_eq!(trigger.previous_before(utc("2029-07-01T00:00:00Z")), Some(utc("1999-12-31T23:59:59Z")));
    laws::mirror(&trigger, utc("2031-01-01T00:00:00Z"));
}

#[test]
fn the_last_fire_before_a_far_instant_is_found_at_once() {
    let start = utc("2026-01-01T00:00:00Z");
    let daily: CronTrigger = "0 0 * * * until 2026-12-31T00:00:00Z".parse().unwrap();
    let any = AnyTrigger::new([Arc::new(daily) as Arc<dyn Trigger>]).unwrap();
    assert_eq!(any.previous_before(DateTime::<Utc>::MAX_UTC), Some(utc("2026-12-31T00:00:00Z")));
    assert_eq!(any.previous_before(start), Some(start - TimeDelta::days(1)));
}

#[test]
fn an_iterator_shows_local_times_in_any_zone() {
    tzdb::use_bundled();
    let nightly = CronTrigger::parse("30 2 * * *", "Europe/Berlin").unwrap();
    let evening = utc("2026-03-27T20:00:00Z");
    let shown: Vec<String> = nightly
        .iter_after(evening.with_timezone(&nightly.zone()))
        .take(3)
        .map(|fire| fire.to_string())
        .collect();
    // The clocks skip 02:30 on 29 March.
    assert_eq!(
        shown,
        ["2026-03-28 02:30:00 +01:00", "2026-03-29 03:00:00 +02:00", "2026-03-30 02:30:00 +02:00"]
    );
    let back: Vec<String> = nightly
        .iter_before(utc("2026-03-30T00:30:00Z").with_timezone(&nightly.zone()))
        .take(2)
        .map(|fire| fire.to_rfc3339())
        .collect();
    assert_eq!(back, ["2026-03-29T03:00:00+02:00", "2026-03-28T02:30:00+01:00"]);
    let dynamic: Arc<dyn Trigger> = Arc::new(nightly);
    assert_eq!(dynamic.upcoming(Utc).take(2).count(), 2);
}
