//! Fires are counted by arithmetic or in slices, as a walk from fire to fire would count them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use matins_conformance::laws::in_slices;
use matins_conformance::proof::config;
use matins_conformance::strategies;
use matins_core::{CountBudget, CountProgress, FireRange, Trigger};
use matins_triggers::{
    AllTrigger, AnyTrigger, CalendarTrigger, CronTrigger, DateTrigger, ExceptDatesTrigger, ExceptTrigger,
    IntervalTrigger, JitterTrigger, NeverTrigger, WindowTrigger, Zone, tzdb,
};
use proptest::prelude::*;

/// The fires in `(after, until]`, found one by one; up to `most`, and the instant up to which they are all.
fn walk(
    trigger: &dyn Trigger,
    after: DateTime<Utc>,
    until: DateTime<Utc>,
    most: u64,
) -> (Option<FireRange>, DateTime<Utc>) {
    let (mut fires, mut last) = (None::<FireRange>, after);
    while let Some(next) = trigger.next_after(last).filter(|next| *next <= until) {
        if fires.is_some_and(|fires| fires.count >= most) {
            return (fires, next - TimeDelta::nanoseconds(1));
        }
        fires = FireRange::concat(fires, Some(FireRange::single(next)));
        last = next;
    }
    (fires, until)
}

fn agrees(trigger: &dyn Trigger, after: DateTime<Utc>, until: DateTime<Utc>, most: u64) {
    let (walked, until) = walk(trigger, after, until, most);
    assert_eq!(trigger.fire_range(after, until), walked, "{trigger:?} from {after} to {until}");
}

/// Pairs of frequent crons, mostly in one zone, so that they share much.
fn pair_of_crons() -> impl Strategy<Value = [Arc<dyn Trigger>; 2]> {
    (strategies::frequent(), strategies::frequent(), prop::bool::weighted(0.8)).prop_map(
        |(one, other, same_zone)| {
            let zone = if same_zone { one.zone() } else { other.zone() };
            let other = CronTrigger::new(other.expression().clone(), zone);
            [Arc::new(one) as Arc<dyn Trigger>, Arc::new(other)]
        },
    )
}

/// Triggers that are made of others, of which some are frequent.
fn combined() -> impl Strategy<Value = Arc<dyn Trigger>> {
    let any =
        (pair_of_crons(), strategies::simple_trigger(), 0..4).prop_map(|([one, other], third, which)| {
            let members = match which {
                0 => vec![one, other],
                1 => vec![one, third],
                2 => vec![third, one, other],
                _ => vec![one.clone(), other, one],
            };
            Arc::new(AnyTrigger::new(members).expect("members")) as Arc<dyn Trigger>
        });
    let all = pair_of_crons()
        .prop_filter_map("never meet", |of| Some(Arc::new(AllTrigger::new(of).ok()?) as Arc<dyn Trigger>));
    let except = (pair_of_crons(), strategies::simple_trigger(), 0..4).prop_filter_map(
        "nothing is left",
        |([one, other], third, which)| {
            let [of, without] = match which {
                0 => [one, other],
                1 => [one, third],
                2 => [third, one],
                _ => {
                    let rare = JitterTrigger::new(other.clone(), TimeDelta::zero(), 1).expect("a jitter");
                    [one, Arc::new(rare)]
                }
            };
            Some(Arc::new(ExceptTrigger::new(of, without).ok()?) as Arc<dyn Trigger>)
        },
    );
    let intervals = (strategies::instant(), 1..20_i64, 1..20_i64, 0..20_i64, prop::bool::ANY)
        .prop_filter_map("nothing is left", |(start, one, other, shift, is_union)| {
            let interval = |start, period| {
                let trigger = IntervalTrigger::new(start, TimeDelta::minutes(period)).expect("a period");
                Arc::new(trigger) as Arc<dyn Trigger>
            };
            let of = [interval(start, one), interval(start + TimeDelta::minutes(shift), other)];
            if is_union {
                return Some(Arc::new(AnyTrigger::new(of).expect("members")) as Arc<dyn Trigger>);
            }
            let [of, without] = of;
            Some(Arc::new(ExceptTrigger::new(of, without).ok()?))
        });
    let dates = prop::collection::vec(strategies::instant(), 0..40);
    let except_dates = (strategies::frequent(), dates, strategies::zone(), prop::bool::ANY).prop_map(
        |(of, dates, zone, jitters)| {
            let dates = dates.into_iter().map(|date| zone.local(date).date());
            let of = Arc::new(of) as Arc<dyn Trigger>;
            let of = if jitters {
                Arc::new(JitterTrigger::new(of, TimeDelta::minutes(20), 3).expect("a jitter"))
            } else {
                of
            };
            Arc::new(ExceptDatesTrigger::new(of, dates, zone)) as Arc<dyn Trigger>
        },
    );
    prop_oneof![any, all, except, intervals, except_dates]
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn every_trigger_counts_as_a_walk_does(
        trigger in strategies::trigger(),
        after in strategies::instant(),
        until in strategies::instant(),
    ) {
        agrees(&*trigger, after.min(until), after.max(until), 1000);
    }

    #[test]
    fn combinations_of_frequent_triggers_count_as_a_walk_does(
        trigger in combined(),
        after in strategies::instant(),
        days in 1..400_i64,
        steps in 0..3000_u64,
    ) {
        let (walked, until) = walk(&*trigger, after, after + TimeDelta::days(days), 1500);
        prop_assert_eq!(trigger.fire_range(after, until), walked, "{:?} from {} to {}", trigger, after, until);
        prop_assert_eq!(in_slices(&*trigger, after, until, steps), walked, "{:?} in slices", trigger);
    }
}

proptest! {
    #![proptest_config(config(150))]

    /// Years of fires, so that many changes of the clocks lie in between.
    #[test]
    fn crons_and_calendars_count_years_as_a_walk_does(
        cron in strategies::expression(),
        fields in strategies::fields(),
        calendar in strategies::calendar(),
        zone in strategies::zone(),
        after in strategies::instant(),
    ) {
        let until = after + TimeDelta::days(30_000);
        let crons = [matins_triggers::CronExpression::parse(&cron), strategies::named(&fields)];
        for expression in crons.into_iter().flatten() {
            agrees(&CronTrigger::new(expression, zone), after, until, 4000);
        }
        agrees(&calendar.build().unwrap(), after, until, 4000);
    }
}

/// Counts how often another trigger is called.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Metered {
    of: Arc<dyn Trigger>,
    #[serde(skip)]
    calls: Arc<AtomicU64>,
}

impl Metered {
    fn around(of: Arc<dyn Trigger>) -> (Arc<dyn Trigger>, Arc<AtomicU64>) {
        let calls = Arc::<AtomicU64>::default();
        (Arc::new(Self { of, calls: calls.clone() }), calls)
    }
}

#[typetag::serde(name = "metered")]
impl Trigger for Metered {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.of.next_after(after)
    }

    fn fire_range_within(
        &self,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
        budget: &mut CountBudget,
    ) -> CountProgress {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.of.fire_range_within(after, until, budget)
    }
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn cron(text: &str) -> Arc<dyn Trigger> {
    tzdb::use_bundled();
    Arc::new(text.parse::<CronTrigger>().unwrap())
}

fn interval(start: &str, period: TimeDelta) -> Arc<dyn Trigger> {
    Arc::new(IntervalTrigger::new(instant(start), period).unwrap())
}

fn jitter(of: Arc<dyn Trigger>, seconds: i64) -> Arc<dyn Trigger> {
    Arc::new(JitterTrigger::new(of, TimeDelta::seconds(seconds), 7).unwrap())
}

fn calendar(text: &str) -> Arc<dyn Trigger> {
    tzdb::use_bundled();
    Arc::new(text.parse::<CalendarTrigger>().unwrap())
}

/// Each kind of trigger, and the combinations of them that people write, which are counted by arithmetic.
fn kinds() -> Vec<Arc<dyn Trigger>> {
    let seconds = || interval("1969-01-01T00:00:00Z", TimeDelta::seconds(5));
    let berlin = || cron("*/5 * * * * * Europe/Berlin");
    let night = || cron("*/10 0-5 * * MON-FRI Europe/Berlin");
    let holidays = (1970..2030).map(|year| chrono::NaiveDate::from_ymd_opt(year, 12, 25).unwrap());
    let zone = Zone::named("Europe/Berlin").unwrap();
    let window = WindowTrigger::new(jitter(seconds(), 3)).starting(instant("1971-01-01T00:00:00Z")).unwrap();
    vec![
        Arc::new(DateTrigger::new(instant("2000-01-01T00:00:00Z"))),
        Arc::new(NeverTrigger::new("0 0 31 2 *")),
        seconds(),
        cron("* * * * * *"),
        berlin(),
        night(),
        cron("*/7 2-3 * * * Europe/Berlin"),
        cron("0 0 29 2 1#5 America/New_York"),
        cron("30 2 * * * Africa/Casablanca"),
        cron("week=9 Europe/Berlin"),
        calendar("P1D from 1969-01-01T02:30:00 Europe/Berlin"),
        calendar("P1M from 1969-01-31T02:30:00 Europe/Berlin"),
        calendar("P1M1D from 1969-01-31T02:30:00 Europe/Berlin or last day"),
        jitter(seconds(), 3),
        jitter(berlin(), 60),
        jitter(jitter(berlin(), 3), 2),
        Arc::new(window.until(instant("2029-01-01T00:00:00Z")).unwrap()),
        Arc::new(AnyTrigger::new([berlin(), night(), cron("30 12 * * * Europe/Berlin")]).unwrap()),
        Arc::new(
            AnyTrigger::new([seconds(), interval("1969-01-01T00:00:01Z", TimeDelta::seconds(7))]).unwrap(),
        ),
        Arc::new(
            AnyTrigger::new([
                jitter(seconds(), 3),
                Arc::new(DateTrigger::new(instant("2000-01-01T00:00:00Z"))),
            ])
            .unwrap(),
        ),
        Arc::new(AllTrigger::new([berlin(), night()]).unwrap()),
        Arc::new(
            AllTrigger::new([seconds(), interval("1969-01-01T00:00:10Z", TimeDelta::seconds(7))]).unwrap(),
        ),
        Arc::new(ExceptTrigger::new(berlin(), night()).unwrap()),
        Arc::new(ExceptTrigger::new(seconds(), calendar("P1Y from 1970-12-25T00:00:00 UTC")).unwrap()),
        Arc::new(ExceptDatesTrigger::new(jitter(berlin(), 2), holidays, zone)),
    ]
}

/// Clocks that were set by three hours or more, in both directions: the new time counts at once.
#[test]
fn a_correction_of_the_clocks_is_counted_as_a_walk_counts_it() {
    let corrections = [
        ("Antarctica/Casey", "2010-03-04T15:00:00Z"),
        ("Antarctica/Casey", "2009-10-17T18:00:00Z"),
        ("Pacific/Kwajalein", "1993-08-21T12:00:00Z"),
        ("Pacific/Kwajalein", "1969-09-30T13:00:00Z"),
        ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ];
    for (zone, change) in corrections {
        for text in ["*/20 0-23 * * *", "15 0-22/2 * * *", "30 12 * * *", "0 0 * * *", "*/20 * * * *"] {
            let trigger = cron(&format!("{text} {zone}"));
            for hours in -30..30 {
                let after = instant(change) + TimeDelta::hours(hours) + TimeDelta::minutes(7);
                agrees(&*trigger, after, after + TimeDelta::days(3), u64::MAX);
            }
        }
        for time in ["00:00:00", "01:15:00", "12:00:00"] {
            let daily = calendar(&format!("P1D from 1960-01-01T{time} {zone}"));
            agrees(
                &*daily,
                instant(change) - TimeDelta::days(40),
                instant(change) + TimeDelta::days(40),
                100,
            );
        }
    }
}

/// In St. John's, the clocks were set back at 00:01, so that an hour of the day before was shown again.
#[test]
fn a_date_that_is_shown_in_two_pieces_is_excluded_piece_by_piece() {
    let zone = Zone::named("America/St_Johns").unwrap();
    let minutes = cron("* * * * * America/St_Johns");
    let except = ExceptDatesTrigger::new(minutes, ["2006-10-29".parse().unwrap()], zone);
    let (after, until) = (instant("2006-10-29T00:00:00Z"), instant("2006-10-31T00:00:00Z"));
    let mut last = after;
    let mut fires = Vec::new();
    while let Some(next) = except.next_after(last).filter(|next| *next <= until) {
        fires.push(next);
        last = next;
    }
    let again = |fire: &&DateTime<Utc>| zone.local(**fire).date().to_string() == "2006-10-28";
    // From 21:30 to midnight, and from 23:01 to midnight once more.
    assert_eq!(fires.iter().filter(again).count(), 149 + 59);
    assert!(fires.iter().all(|fire| zone.local(*fire).date().to_string() != "2006-10-29"));
    agrees(&except, after, until, u64::MAX);
}

/// A store made in 1970, on a board whose clock began there, is opened in 2030 (node-schedule#431, robfig/cron#480).
#[test]
fn sixty_years_are_counted_in_some_thousand_steps_by_every_kind_of_trigger() {
    const STEPS: u64 = 10_000;
    let (after, until) = (instant("1970-01-01T00:00:00Z"), instant("2030-01-01T00:00:00Z"));
    for trigger in kinds() {
        let mut budget = CountBudget::new(STEPS);
        let counted = trigger.fire_range_within(after, until, &mut budget);
        assert_eq!(counted.through, until, "{} needs more than {STEPS} steps", trigger.describe());
        assert!(!budget.is_spent(), "{}", trigger.describe());
    }
}

type Around = Box<dyn Fn(Arc<dyn Trigger>) -> Arc<dyn Trigger>>;

#[test]
fn a_trigger_around_another_calls_it_some_hundred_times_in_sixty_years() {
    const CALLS: u64 = 500;
    let (after, until) = (instant("1970-01-01T00:00:00Z"), instant("2030-01-01T00:00:00Z"));
    let holidays: Vec<_> =
        (1970..2030).map(|year| chrono::NaiveDate::from_ymd_opt(year, 12, 25).unwrap()).collect();
    let yearly = calendar("P1Y from 1970-12-25T00:00:00 UTC");
    let around: [(&str, Around); 5] = [
        ("jitter", Box::new(|of| jitter(of, 3))),
        ("window", Box::new(move |of| Arc::new(WindowTrigger::new(of).starting(after).unwrap()))),
        ("any", {
            let yearly = yearly.clone();
            Box::new(move |of| Arc::new(AnyTrigger::new([of, yearly.clone()]).unwrap()))
        }),
        ("except", Box::new(move |of| Arc::new(ExceptTrigger::new(of, yearly.clone()).unwrap()))),
        ("except dates", {
            Box::new(move |of| Arc::new(ExceptDatesTrigger::new(of, holidays.clone(), Zone::utc())))
        }),
    ];
    for (name, around) in around {
        for of in [cron("*/5 * * * * *"), interval("1969-01-01T00:00:00Z", TimeDelta::seconds(5))] {
            let (metered, calls) = Metered::around(of.clone());
            let trigger = around(metered);
            calls.store(0, Ordering::Relaxed);
            let counted = trigger.fire_range(after, until).unwrap();
            let calls = calls.load(Ordering::Relaxed);
            assert!(calls <= CALLS, "{name} called {} {calls} times", of.describe());
            let whole = of.fire_range(after, until).unwrap();
            let days = counted.count.abs_diff(whole.count) / 17_280;
            assert!(days <= 60, "{name} counted {} of {}", counted.count, whole.count);
        }
    }
}

/// What cannot be counted by arithmetic is counted in slices, each of which does a bounded amount of work.
#[test]
fn what_needs_a_walk_is_counted_in_bounded_slices() {
    const STEPS: u64 = 1000;
    let (after, until) = (instant("1970-01-01T00:00:00Z"), instant("1970-03-01T00:00:00Z"));
    let (seconds, calls) = Metered::around(cron("*/5 * * * * * Europe/Berlin"));
    let (tokyo, other_calls) = Metered::around(cron("*/7 * * * * * Asia/Tokyo"));
    let members = || [seconds.clone(), tokyo.clone()];
    let triggers: [Arc<dyn Trigger>; 3] = [
        Arc::new(AnyTrigger::new(members()).unwrap()),
        Arc::new(AllTrigger::new(members()).unwrap()),
        Arc::new(ExceptTrigger::new(seconds.clone(), tokyo.clone()).unwrap()),
    ];
    for trigger in triggers {
        let (mut fires, mut from) = (None, after);
        while from < until {
            for calls in [&calls, &other_calls] {
                calls.store(0, Ordering::Relaxed);
            }
            let part = trigger.fire_range_within(from, until, &mut CountBudget::new(STEPS));
            let called = calls.load(Ordering::Relaxed) + other_calls.load(Ordering::Relaxed);
            assert!(called <= 2 * STEPS, "{} called its members {called} times", trigger.describe());
            assert!(part.through > from);
            fires = FireRange::concat(fires, part.fires);
            from = part.through;
        }
        assert_eq!(fires, walk(&*trigger, after, until, u64::MAX).0, "{}", trigger.describe());
    }
}

/// Nothing overflows at the ends of the calendar, and all of it is counted at once.
#[test]
fn the_whole_calendar_is_counted_by_every_kind_of_trigger() {
    let (first, last) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
    for trigger in kinds() {
        let _ = trigger.next_after(last);
        let start = trigger.next_after(first);
        let mut budget = CountBudget::new(500_000);
        let counted = trigger.fire_range_within(first, last, &mut budget);
        assert_eq!(counted.fires.map(|fires| fires.first), start, "{}", trigger.describe());
        assert_eq!(counted.through, last, "{}", trigger.describe());
        for (after, until) in [(last, first), (last, last), (first, first)] {
            assert_eq!(trigger.fire_range(after, until), None, "{}", trigger.describe());
        }
    }
}
