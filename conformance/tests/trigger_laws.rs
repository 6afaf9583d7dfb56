//! The laws hold for random triggers, and crontab expressions mean what a literal reading says.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use matins_conformance::literal::{LiteralCrontab, LiteralFields, calendar_dates};
use matins_conformance::proof::config;
use matins_conformance::{laws, strategies};
use matins_core::Trigger;
use matins_triggers::{
    AllTrigger, AnyTrigger, CalendarTrigger, CronExpression, CronTrigger, DateTrigger, ExceptDatesTrigger,
    ExceptTrigger, IntervalTrigger, JitterTrigger, LocalTime, WindowTrigger, Zone,
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn every_trigger_keeps_the_laws(
        trigger in strategies::trigger(),
        at in strategies::instant(),
        other in strategies::instant(),
    ) {
        laws::all(&trigger, at, other);
    }

    #[test]
    fn an_expression_reads_back_what_it_writes(text in strategies::expression()) {
        if let Ok(expression) = CronExpression::parse(&text) {
            let written = expression.to_string();
            let read = CronExpression::parse(&written);
            prop_assert_eq!(read.as_ref(), Ok(&expression), "{} was written as {}", text, written);
            prop_assert_eq!(read.unwrap().to_string(), written);
        }
    }
}

fn fires(trigger: &dyn Trigger, after: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let mut fires = Vec::new();
    let mut last = after;
    while let Some(next) = trigger.next_after(last).filter(|next| *next <= until) {
        fires.push(next);
        last = next;
    }
    fires
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn a_crontab_expression_fires_as_a_literal_reading_says(
        text in strategies::crontab(),
        zone in strategies::zone(),
        after in strategies::instant(),
    ) {
        if let Ok(trigger) = CronTrigger::parse(&text, zone.name()) {
            let until = after + TimeDelta::days(4);
            let literal = LiteralCrontab::new(&text).fires(zone, after, until);
            prop_assert_eq!(fires(&trigger, after, until), literal, "{} in {} after {}", text, zone, after);
        }
    }
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn a_walk_gives_what_asking_from_fire_to_fire_gives(
        trigger in strategies::frequent(),
        expression in strategies::expression(),
        after in strategies::instant(),
    ) {
        let rare = CronTrigger::parse(&expression, trigger.zone().name());
        for trigger in [Some(trigger), rare.ok()].into_iter().flatten() {
            let walked: Vec<_> = trigger.fires_after(after).take(300).collect();
            prop_assert_eq!(walked, walk(&trigger, after, 300), "{} after {}", trigger, after);
        }
    }
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn fields_by_name_fire_as_a_literal_reading_says(
        fields in strategies::fields(),
        zone in strategies::zone(),
        after in strategies::instant(),
    ) {
        if let Ok(expression) = strategies::named(&fields) {
            let read: Result<CronExpression, _> = expression.to_string().parse();
            prop_assert_eq!(read.as_ref(), Ok(&expression));
            let until = after + TimeDelta::days(10);
            let literal = LiteralFields::new(fields.each_ref().map(String::as_str)).fires(zone, after, until);
            let trigger = CronTrigger::new(expression, zone);
            prop_assert_eq!(fires(&trigger, after, until), literal, "{} after {}", trigger, after);
        }
    }
}

/// What is written by `Display` reads back as the same.
fn reads_back(text: &str, trigger: &Arc<dyn Trigger>) {
    let read: Option<Arc<dyn Trigger>> = if let Ok(read) = text.parse::<DateTrigger>() {
        Some(Arc::new(read))
    } else if let Ok(read) = text.parse::<IntervalTrigger>() {
        Some(Arc::new(read))
    } else if let Ok(read) = text.parse::<CalendarTrigger>() {
        Some(Arc::new(read))
    } else {
        text.parse::<CronTrigger>().ok().map(|read| Arc::new(read) as Arc<dyn Trigger>)
    };
    let read = read.unwrap_or_else(|| panic!("{text:?} does not read back"));
    assert_eq!(&*read, &**trigger, "{text}");
}

fn written(trigger: &dyn Trigger) -> Option<String> {
    let any: &dyn std::any::Any = trigger;
    let written = any.downcast_ref::<DateTrigger>().map(ToString::to_string);
    let written = written.or_else(|| any.downcast_ref::<IntervalTrigger>().map(ToString::to_string));
    let written = written.or_else(|| any.downcast_ref::<CalendarTrigger>().map(ToString::to_string));
    written.or_else(|| any.downcast_ref::<CronTrigger>().map(ToString::to_string))
}

/// The first fires after an instant; fewer where there are no more.
fn walk(trigger: &dyn Trigger, after: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
    std::iter::successors(trigger.next_after(after), |last| trigger.next_after(*last)).take(count).collect()
}

/// The instants of two triggers as sets, up to where both are known.
fn sets(
    one: &dyn Trigger,
    other: &dyn Trigger,
    after: DateTime<Utc>,
) -> (BTreeSet<DateTime<Utc>>, BTreeSet<DateTime<Utc>>, DateTime<Utc>) {
    const COUNT: usize = 60;
    let (mut one, mut other): (BTreeSet<_>, BTreeSet<_>) =
        (walk(one, after, COUNT).into_iter().collect(), walk(other, after, COUNT).into_iter().collect());
    let known = |set: &BTreeSet<DateTime<Utc>>| if set.len() < COUNT { None } else { set.last().copied() };
    let until = [known(&one), known(&other)].into_iter().flatten().min().unwrap_or(DateTime::<Utc>::MAX_UTC);
    one.retain(|fire| *fire <= until);
    other.retain(|fire| *fire <= until);
    (one, other, until)
}

/// The instants of a recurring fixed local time.
fn fixed(zone: Zone, local: NaiveDateTime) -> Vec<DateTime<Utc>> {
    match zone.local_time(local).unwrap() {
        LocalTime::Once(one) => vec![one],
        LocalTime::Skipped { at, from, to } => {
            if to - from < TimeDelta::hours(3) {
                vec![at]
            } else {
                vec![]
            }
        }
        LocalTime::Twice { first, second } => {
            if second - first < TimeDelta::hours(3) {
                vec![first]
            } else {
                vec![first, second]
            }
        }
    }
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn what_a_trigger_writes_reads_back(trigger in strategies::simple_trigger()) {
        let text = written(&*trigger).expect("each has a text");
        reads_back(&text, &trigger);
    }

    #[test]
    fn a_calendar_goes_from_date_to_date_as_its_rule_says(
        builder in strategies::calendar(),
        start in strategies::instant(),
        (years, months, weeks, days) in (0_u32..2, 0_u32..14, 0_u32..3, 0_u32..9),
        last_day in prop::bool::ANY,
        zone in strategies::zone(),
    ) {
        prop_assert!(builder.build().is_ok());
        let date = start.date_naive();
        let builder = CalendarTrigger::from_date(date).years(years).months(months).weeks(weeks).days(days);
        let builder = if last_day { builder.last_day() } else { builder };
        if let Ok(trigger) = builder.at(start.time()).zone(zone.name()).build() {
            let dates = calendar_dates(date, years * 12 + months, weeks * 7 + days, last_day);
            let mut expected: Vec<_> =
                dates.take(20).flat_map(|date| fixed(zone, date.and_time(start.time()))).collect();
            expected.dedup();
            let before = start - TimeDelta::days(3);
            prop_assert_eq!(walk(&trigger, before, expected.len()), expected, "{}", trigger);
        }
    }

    #[test]
    fn combining_is_set_algebra(
        one in strategies::simple_trigger(),
        other in strategies::simple_trigger(),
        after in strategies::instant(),
    ) {
        let (set, other_set, until) = sets(&*one, &*other, after);
        let members = || [one.clone(), other.clone()];
        let any = AnyTrigger::new(members()).unwrap();
        let union: Vec<_> = set.union(&other_set).copied().collect();
        prop_assert_eq!(fires(&any, after, until), union);
        if let Ok(all) = AllTrigger::new(members()) {
            let intersection: Vec<_> = set.intersection(&other_set).copied().collect();
            prop_assert_eq!(fires(&all, after, until), intersection);
        } else {
            prop_assert!(set.intersection(&other_set).next().is_none());
        }
        if let Ok(except) = ExceptTrigger::new(one.clone(), other.clone()) {
            let difference: Vec<_> = set.difference(&other_set).copied().collect();
            prop_assert_eq!(fires(&except, after, until), difference);
        } else {
            prop_assert!(set.difference(&other_set).next().is_none());
        }
    }

    #[test]
    fn a_difference_of_crons_is_exact(
        (one, other) in (strategies::frequent(), strategies::frequent()),
        after in strategies::instant(),
    ) {
        // Two weeks of minutes at most, by the literal definition.
        let until = after + TimeDelta::days(14);
        let without: BTreeSet<_> = fires(&other, after, until).into_iter().collect();
        let difference: Vec<_> =
            fires(&one, after, until).into_iter().filter(|fire| !without.contains(fire)).collect();
        if let Ok(except) = ExceptTrigger::new(Arc::new(one), Arc::new(other)) {
            prop_assert_eq!(fires(&except, after, until), difference, "{}", except);
        } else {
            prop_assert!(difference.is_empty());
        }
    }

    #[test]
    fn excepted_dates_and_windows_are_restrictions(
        trigger in strategies::simple_trigger(),
        after in strategies::instant(),
        zone in strategies::zone(),
        which in prop::collection::vec(0_usize..40, 0..6),
        ends in (0_usize..40, 0_usize..40),
    ) {
        let all = walk(&*trigger, after, 40);
        if let Some(last) = all.last().copied() {
            let dates: BTreeSet<_> =
                which.iter().filter_map(|index| all.get(*index)).map(|fire| zone.local(*fire).date()).collect();
            let except = ExceptDatesTrigger::new(trigger.clone(), dates.clone(), zone);
            let left: Vec<_> =
                all.iter().copied().filter(|fire| !dates.contains(&zone.local(*fire).date())).collect();
            prop_assert_eq!(fires(&except, after, last), left);

            let (start, end) = (all[ends.0.min(ends.1).min(all.len() - 1)], all[ends.0.max(ends.1).min(all.len() - 1)]);
            let window = WindowTrigger::new(trigger.clone()).starting(start).unwrap().until(end).unwrap();
            let inside: Vec<_> = all.iter().copied().filter(|fire| *fire >= start && *fire <= end).collect();
            prop_assert_eq!(fires(&window, after, last), inside);
        }
    }

    #[test]
    fn jitter_moves_each_instant_within_its_bounds(
        trigger in strategies::simple_trigger(),
        after in strategies::instant(),
        max in 0_i64..10_000_000_000,
        seed in 0..u64::MAX,
    ) {
        let max = TimeDelta::microseconds(max);
        let jitter = JitterTrigger::new(trigger.clone(), max, seed).unwrap();
        let instants = walk(&*trigger, after, 20);
        for (position, instant) in instants.iter().enumerate() {
            let moved = jitter.next_after(*instant - TimeDelta::nanoseconds(1)).unwrap();
            prop_assert!(moved >= *instant && moved <= *instant + max, "{} became {}", instant, moved);
            if let Some(next) = instants.get(position + 1) {
                prop_assert!(moved < *next, "{} became {}, and {} follows", instant, moved, next);
                prop_assert!(jitter.next_after(moved).unwrap() >= *next, "one for each");
            }
        }
    }
}

/// One date a year has a way of its own; leap years are not every four.
#[test]
fn a_yearly_date_comes_in_each_year_that_has_it() {
    for (text, month, day) in
        [("0 0 29 2 *", 2, 29), ("0 0 31 12 *", 12, 31), ("@yearly", 1, 1), ("0 0 28 2 *", 2, 28)]
    {
        let trigger: CronTrigger = text.parse().unwrap();
        let dates = (1970..=9999).filter_map(|year| chrono::NaiveDate::from_ymd_opt(year, month, day));
        let expected: Vec<_> = dates.map(|date| date.and_hms_opt(0, 0, 0).unwrap().and_utc()).collect();
        let before = DateTime::<Utc>::UNIX_EPOCH - TimeDelta::seconds(1);
        assert_eq!(walk(&trigger, before, usize::MAX), expected, "{text}");
        for (index, fire) in expected.iter().enumerate() {
            // From any month of the year before.
            let earlier = *fire - TimeDelta::days(((index * 37) % 365) as i64) - TimeDelta::seconds(1);
            let next = expected.get(expected.partition_point(|fire| *fire <= earlier)).copied();
            assert_eq!(trigger.next_after(earlier), next, "{text} after {earlier}");
        }
    }
}

/// As many instants as a walk would take hours for: arithmetic passes over them.
#[test]
fn a_difference_passes_over_what_is_shared_for_years() {
    let cron = |text: &str| Arc::new(text.parse::<CronTrigger>().unwrap()) as Arc<dyn Trigger>;
    let next = |of: &str, without: &str, after: &str| {
        let except = ExceptTrigger::new(cron(of), cron(without)).unwrap();
        except.next_after(after.parse().unwrap()).map(|next| next.to_rfc3339())
    };
    let even = "second=* year=*/2 Europe/Berlin";
    assert_eq!(
        next("* * * * * *", even, "2025-12-31T22:59:59Z").as_deref(),
        Some("2026-12-31T23:00:00+00:00")
    );
    let from_2030 = "* * * * * * from 2030-01-01T00:00:00Z";
    assert_eq!(next("* * * * * *", from_2030, "2030-05-01T00:00:00Z"), None);
    let bounded = "*/30 * * * * * from 2030-01-01T00:00:00Z until 2039-12-31T23:59:30Z";
    assert_eq!(
        next("0 * * * * *", bounded, "2031-05-01T00:00:00Z").as_deref(),
        Some("2040-01-01T00:00:00+00:00")
    );
    let refused = ExceptTrigger::new(cron("0 9 * * MON"), cron("*/5 * * * *"));
    assert!(refused.unwrap_err().to_string().contains("no fire was found"));
}

#[test]
fn an_intersection_that_fields_or_periods_exclude_is_refused_at_once() {
    let cron = |text: &str| Arc::new(text.parse::<CronTrigger>().unwrap()) as Arc<dyn Trigger>;
    let refused =
        |one: Arc<dyn Trigger>, other| AllTrigger::new([one, other]).expect_err("empty").to_string();
    assert!(refused(cron("5 * * * *"), cron("*/2 * * * *")).contains("no minute is in both"));
    assert!(refused(cron("0 0 * 1 *"), cron("0 0 * 7 *")).contains("no month is in both"));
    let start = "2026-01-01T00:00:00.5Z".parse().unwrap();
    let halves = Arc::new(IntervalTrigger::new(start, TimeDelta::seconds(1)).unwrap());
    assert!(refused(halves, cron("* * * * *")).contains("no whole second is in both"));
    // In Berlin both fire at the end of the gap, once a year.
    let in_gap = ["15 2 * * * Europe/Berlin", "45 2 * * * Europe/Berlin"].map(cron);
    let once_a_year = AllTrigger::new(in_gap).unwrap();
    let fire = once_a_year.next_after("2026-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(fire, Some("2026-03-29T01:00:00Z".parse().unwrap()));
    // Periods that meet on a whole second once in 11 days.
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    let odd: Arc<dyn Trigger> =
        Arc::new(IntervalTrigger::new(start, TimeDelta::microseconds(1_000_003)).unwrap());
    let all = AllTrigger::new([odd, cron("* * * * * *")]).unwrap();
    assert_eq!(all.next_after(start), Some(start + TimeDelta::seconds(1_000_003)));
}

/// Far answers pass over the zone's offset changes; none of the second passes on the way may be lost.
#[test]
fn a_second_pass_is_not_passed_over_on_the_way_to_a_far_answer() {
    let trigger = CronTrigger::parse("*/30 2 25 10 *", "Europe/Berlin").unwrap();
    let first_pass = "2026-10-25T00:50:00Z".parse().unwrap();
    assert_eq!(trigger.next_after(first_pass), Some("2026-10-25T01:00:00Z".parse().unwrap()));
    let literal = LiteralCrontab::new("*/30 2 25 10 *");
    let (from, until) = ("2026-10-20T00:00:00Z".parse().unwrap(), "2027-10-30T00:00:00Z".parse().unwrap());
    assert_eq!(
        fires(&trigger, from, until),
        literal.fires(Zone::named("Europe/Berlin").unwrap(), from, until)
    );
}
