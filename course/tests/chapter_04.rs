//! Chapter 4: local time.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use proptest::prelude::*;
use scheduler::cron::Cron;
use scheduler::local_cron::{LocalCron, Rule};
use scheduler::trigger::Trigger;
use scheduler::zone::{Instants, Zone};

#[path = "laws.rs"]
mod laws;

fn at(text: &str) -> DateTime<Utc> {
    format!("{text}Z").parse().unwrap()
}

fn local(text: &str) -> NaiveDateTime {
    at(text).naive_utc()
}

fn minutes(number: i64) -> TimeDelta {
    TimeDelta::minutes(number)
}

/// Half an hour of daylight saving time, as on Lord Howe Island.
fn lord_howe() -> Zone {
    let change = |time, offset| (at(time), minutes(offset));
    Zone::new(
        minutes(630),
        vec![
            change("2026-04-04T15:00:00", 630),
            change("2026-10-03T15:30:00", 660),
            change("2027-04-03T15:00:00", 630),
        ],
    )
}

/// Fires of an expression in Berlin, later than `from` and before `to`.
fn fires(text: &str, rule: Rule, from: &str, to: &str) -> Vec<DateTime<Utc>> {
    let cron = LocalCron::new(text, Zone::berlin(), rule).unwrap();
    let next = |time: &DateTime<Utc>| cron.next_after(*time);
    let walk = std::iter::successors(next(&at(from)), next);
    walk.take_while(|fire| *fire < at(to)).collect()
}

/// Expects: `to_local` adds the offset of the span, which begins at the very
/// instant of the change.
/// Read: Spans
#[test]
fn clocks_jump_at_the_instant_of_the_change() {
    let berlin = Zone::berlin();
    for (instant, shown) in [
        ("2026-03-29T00:59:59.999", "2026-03-29T01:59:59.999"),
        ("2026-03-29T01:00:00", "2026-03-29T03:00:00"),
        ("2026-10-25T00:59:59", "2026-10-25T02:59:59"),
        ("2026-10-25T01:00:00", "2026-10-25T02:00:00"),
        ("1990-07-01T00:00:00", "1990-07-01T01:00:00"),
        ("2150-07-01T00:00:00", "2150-07-01T01:00:00"),
    ] {
        assert_eq!(berlin.to_local(at(instant)), local(shown), "{instant}");
    }
    let fixed = Zone::fixed(minutes(-90));
    assert_eq!(
        fixed.to_local(at("2026-01-01T00:00:00")),
        local("2025-12-31T22:30:00")
    );
}

/// Expects: each span has a start, an end and an offset. The first has no
/// start, the last no end, and after it comes no other one.
/// Read: Spans
#[test]
fn a_zone_is_a_row_of_spans() {
    let zone = lord_howe();
    let inside = zone.span_at(at("2026-12-01T00:00:00"));
    let span = zone.span(inside).unwrap();
    assert_eq!(span.start, Some(at("2026-10-03T15:30:00")));
    assert_eq!(span.end, Some(at("2027-04-03T15:00:00")));
    assert_eq!(span.offset, minutes(660));
    assert_eq!(zone.span_at(at("2026-10-03T15:30:00")), inside);
    assert_eq!(zone.span_at(at("2026-10-03T15:29:59")), inside - 1);
    assert_eq!(zone.span(0).unwrap().start, None);
    assert_eq!(zone.span(inside + 1).unwrap().end, None);
    assert_eq!(zone.span(inside + 2), None);
}

/// Expects: a local time belongs to one instant, to two, or to none.
/// Read: Gap and overlap
#[test]
fn a_local_time_comes_once_or_twice_or_never() {
    let berlin = Zone::berlin();
    let gap = Instants::Gap(at("2026-03-29T01:00:00"));
    let one = |time| Instants::One(at(time));
    for (time, expected) in [
        ("2026-03-29T01:59:59", one("2026-03-29T00:59:59")),
        ("2026-03-29T02:00:00", gap),
        ("2026-03-29T02:59:59", gap),
        ("2026-03-29T03:00:00", one("2026-03-29T01:00:00")),
        ("2026-10-25T01:59:59", one("2026-10-24T23:59:59")),
        (
            "2026-10-25T02:30:00",
            Instants::Two(at("2026-10-25T00:30:00"), at("2026-10-25T01:30:00")),
        ),
        ("2026-10-25T03:00:00", one("2026-10-25T02:00:00")),
    ] {
        assert_eq!(berlin.instants(local(time)), expected, "{time}");
    }
}

/// Expects: Samoa skipped the whole of 30 December 2011.
/// Read: Gap and overlap
#[test]
fn a_gap_can_be_a_whole_day() {
    let change = (at("2011-12-30T10:00:00"), TimeDelta::hours(14));
    let samoa = Zone::new(TimeDelta::hours(-10), vec![change]);
    let gap = Instants::Gap(at("2011-12-30T10:00:00"));
    for time in ["2011-12-30T00:00:00", "2011-12-30T23:59:59"] {
        assert_eq!(samoa.instants(local(time)), gap, "{time}");
    }
    let day_after = Instants::One(at("2011-12-30T10:00:00"));
    assert_eq!(samoa.instants(local("2011-12-31T00:00:00")), day_after);
}

proptest! {
    /// Expects: for any instant, `instants` of what the clocks show has that
    /// instant.
    /// Read: Gap and overlap
    #[test]
    fn local_time_leads_back_to_its_instant(second in 0_i64..4_200_000_000) {
        let instant = DateTime::from_timestamp(second, 0).unwrap();
        for zone in [Zone::berlin(), lord_howe(), Zone::fixed(minutes(-90))] {
            let found = zone.instants(zone.to_local(instant));
            let leads_back = match found {
                Instants::One(one) => one == instant,
                Instants::Two(one, two) => {
                    one < two && (one == instant || two == instant)
                }
                Instants::Gap(_) => false,
            };
            prop_assert!(leads_back, "{instant}: {found:?}");
        }
    }
}

/// Expects: `Wall` fires whenever the clocks show the time: never in a gap,
/// twice in an overlap.
/// Read: As the clocks show it
#[test]
fn the_wall_clock_skips_gaps_and_repeats_overlaps() {
    let spring = fires(
        "30 2 * * *",
        Rule::Wall,
        "2026-03-28T12:00:00",
        "2026-03-31T00:00:00",
    );
    assert_eq!(spring, [at("2026-03-30T00:30:00")]);
    let autumn = fires(
        "30 2 * * *",
        Rule::Wall,
        "2026-10-24T12:00:00",
        "2026-10-26T00:00:00",
    );
    let both = [at("2026-10-25T00:30:00"), at("2026-10-25T01:30:00")];
    assert_eq!(autumn, both);
}

/// Expects: `Once` fires in the first pass of an overlap, and not in a gap.
/// Read: Once
#[test]
fn once_fires_in_the_first_pass_only() {
    let spring = fires(
        "30 2 * * *",
        Rule::Once,
        "2026-03-28T12:00:00",
        "2026-03-31T00:00:00",
    );
    assert_eq!(spring, [at("2026-03-30T00:30:00")]);
    let autumn = fires(
        "30 2 * * *",
        Rule::Once,
        "2026-10-24T12:00:00",
        "2026-10-26T00:00:00",
    );
    assert_eq!(autumn, [at("2026-10-25T00:30:00")]);
    // Asked in the second pass.
    let late = fires(
        "30 2 * * *",
        Rule::Once,
        "2026-10-25T01:10:00",
        "2026-10-26T12:00:00",
    );
    assert_eq!(late, [at("2026-10-26T01:30:00")]);
}

/// Expects: what a gap skips fires at its end, once, however much was skipped.
/// Read: Debian's rule
#[test]
fn debian_makes_up_for_a_gap_at_its_end() {
    for text in ["30 2 * * *", "0,15,30,59 2 * * *", "0 2,3 * * *"] {
        let found = fires(
            text,
            Rule::Debian,
            "2026-03-29T00:00:00",
            "2026-03-29T02:00:00",
        );
        assert_eq!(found, [at("2026-03-29T01:00:00")], "{text}");
    }
    let not_in_it = fires(
        "30 4 * * *",
        Rule::Debian,
        "2026-03-29T00:00:00",
        "2026-03-30T00:00:00",
    );
    assert_eq!(not_in_it, [at("2026-03-29T02:30:00")]);
}

/// Expects: an expression with a star in the minute or the hour goes by
/// elapsed time: it fires evenly, also in both passes of an overlap.
/// Read: Debian's rule
#[test]
fn debian_keeps_frequent_jobs_even() {
    for (from, to) in [
        ("2026-03-29T00:00:00", "2026-03-29T03:00:01"),
        ("2026-10-25T00:00:00", "2026-10-25T03:00:01"),
    ] {
        let found = fires("*/30 * * * *", Rule::Debian, from, to);
        let even = (1..=6).map(|number| at(from) + minutes(30 * number));
        assert_eq!(found, even.collect::<Vec<_>>());
    }
}

/// Expects: a change of half an hour works as well as one of an hour.
/// Read: Debian's rule
#[test]
fn changes_need_not_be_whole_hours() {
    let cron = |text| LocalCron::new(text, lord_howe(), Rule::Debian).unwrap();
    // 02:00 to 02:30 is skipped on 4 October.
    let next = cron("15 2 * * *").next_after(at("2026-10-03T12:00:00"));
    assert_eq!(next, Some(at("2026-10-03T15:30:00")));
    // 01:30 to 02:00 comes twice on 4 April.
    let quarter = cron("45 1 * * *");
    let first = at("2027-04-03T14:45:00");
    assert_eq!(quarter.next_after(at("2027-04-03T12:00:00")), Some(first));
    assert_eq!(quarter.next_after(first), Some(at("2027-04-04T15:15:00")));
}

/// Expects: a text that is no expression is refused as in chapter 3.
/// Read: Debian's rule
#[test]
fn a_bad_expression_is_refused() {
    for text in ["", "60 * * * *", "0 0 30 2 *"] {
        let error = text.parse::<Cron>().unwrap_err();
        let found = LocalCron::new(text, Zone::berlin(), Rule::Debian);
        assert_eq!(found.unwrap_err(), error);
    }
}

/// Expects: in a year, a daily job in Berlin at 02:30 fires on 365 days by
/// Debian's rule, on 364 by `Once`; by `Wall` 365 times, but not on each day.
/// Read: The rules compared
#[test]
fn a_year_has_as_many_fires_as_the_rule_says() {
    let count = |text, rule| {
        fires(text, rule, "2025-12-31T23:00:00", "2026-12-31T23:00:00").len()
    };
    let daily = "30 2 * * *";
    assert_eq!(count(daily, Rule::Debian), 365);
    assert_eq!(count(daily, Rule::Once), 364);
    assert_eq!(count(daily, Rule::Wall), 365);
    let often = "*/30 * * * *";
    // The fire at the beginning of the year is not later than it.
    assert_eq!(count(often, Rule::Debian), 365 * 48 - 1);
    assert_eq!(count(often, Rule::Wall), 365 * 48 - 1);
    assert_eq!(count(often, Rule::Once), 365 * 48 - 1 - 2);
}

// ANCHOR: oracle
/// Says whether there is a fire at a full minute, by looking at what the
/// clocks show there and in the hours before.
fn literally(
    cron: &Cron,
    is_fixed: bool,
    zone: &Zone,
    rule: Rule,
    minute: DateTime<Utc>,
) -> bool {
    let shown = zone.to_local(minute);
    let before = |number| zone.to_local(minute - minutes(number));
    let is_repeated = (1..180).any(|number| before(number) == shown);
    let skipped = (shown - before(1)).num_minutes() - 1;
    let gap = (1..=skipped).map(|number| before(1) + minutes(number));
    match rule {
        Rule::Debian if is_fixed => {
            let made_up = gap.into_iter().any(|time| cron.matches(time));
            made_up || cron.matches(shown) && !is_repeated
        }
        Rule::Once => cron.matches(shown) && !is_repeated,
        Rule::Wall | Rule::Debian => cron.matches(shown),
    }
}
// ANCHOR_END: oracle

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Expects: around changes of the clocks, each rule has the fires that a
    /// walk from minute to minute finds, and keeps the laws of chapter 1.
    /// Read: An oracle for local time
    #[test]
    fn each_rule_agrees_with_a_walk_through_the_minutes(
        minute in prop_oneof![
            Just("*".to_owned()), Just("*/20".to_owned()),
            (0_u32..60).prop_map(|it| it.to_string()), Just("0,30".to_owned()),
        ],
        hour in prop_oneof![
            Just("*".to_owned()), Just("*/2".to_owned()),
            (0_u32..5).prop_map(|it| it.to_string()), Just("1-3".to_owned()),
        ],
        island: bool, spring: bool, start in -300_i64..120, later in 0_i64..90,
    ) {
        let text = format!("{minute} {hour} * * *");
        let is_fixed = !minute.starts_with('*') && !hour.starts_with('*');
        let (zone, change) = match (island, spring) {
            (false, true) => (Zone::berlin(), at("2026-03-29T01:00:00")),
            (false, false) => (Zone::berlin(), at("2026-10-25T01:00:00")),
            (true, true) => (lord_howe(), at("2026-10-03T15:30:00")),
            (true, false) => (lord_howe(), at("2027-04-03T15:00:00")),
        };
        let cron: Cron = text.parse().unwrap();
        let from = change + minutes(start);
        for rule in [Rule::Wall, Rule::Once, Rule::Debian] {
            let local = LocalCron::new(&text, zone.clone(), rule).unwrap();
            let walk = (1..3000).map(|number| from + minutes(number));
            let expected = walk.clone().find(|minute| {
                literally(&cron, is_fixed, &zone, rule, *minute)
            });
            let next = local.next_after(from);
            prop_assert_eq!(next, expected, "{} {:?} {}", text, rule, from);
            laws::check(&local, from, from + minutes(later));
        }
    }
}
