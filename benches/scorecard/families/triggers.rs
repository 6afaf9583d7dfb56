//! Triggers: the next fire, walks, reading.

use std::error::Error;
use std::hint::black_box;

use chrono::TimeZone;
use chrono_tz::Europe::Berlin;
use matins::Trigger;
use matins::triggers::CronExpression;
use matins_benches::contest::{Contest, Spread, nanos_a_call, seconds};
use matins_benches::triggers::{self, EXPRESSIONS, FAR, instants};

use super::Measuring;
use crate::card::{Family, NANOS};

const APSCHEDULER: &str = "APScheduler";

pub(crate) fn next_fire_in_utc(
    measuring: &mut Measuring,
    name: &'static str,
) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[
            ("matins", "next_after of a cron trigger in UTC, from 256 instants all over a year"),
            ("saffron", "the same; it knows UTC only"),
            ("cron", "the same; it has seconds too, and no rule that either day field may match"),
            ("croner", "the same"),
            (APSCHEDULER, "get_next_fire_time of CronTrigger.from_crontab"),
        ],
    );
    let instants = instants();
    for text in EXPRESSIONS {
        let (ours, saffron, cron, croner) = (
            triggers::matins(text, "UTC"),
            triggers::saffron(text),
            triggers::cron(text),
            triggers::croner(text),
        );
        let turns = || {
            let mut turn = instants.iter().cycle();
            move || *turn.next().expect("a cycle has no end")
        };
        let (mut one, mut two, mut three, mut four) = (turns(), turns(), turns(), turns());
        let contest = Contest::new()
            .with("matins", nanos_a_call(|| ours.next_after(one())))
            .with("saffron", nanos_a_call(|| saffron.next_after(two())))
            .with("cron", nanos_a_call(|| cron.after(&three()).next()))
            .with("croner", nanos_a_call(|| croner.find_next_occurrence(&four(), false).ok()));
        let contest = with_python(contest, measuring, text, "UTC");
        let goals = [("saffron", 2.0), ("cron", 5.0), ("croner", 10.0)];
        family.contest(text, NANOS, &contest.run(measuring.either(3, 7)), &goals);
    }
    for row in &mut family.rows {
        row.because = Some("saffron has bit sets too; ours takes 350 instructions here and saffron 440, and the rest is how well they overlap".into());
    }
    Ok(family)
}

fn with_python<'a>(
    contest: Contest<'a>,
    measuring: &'a Measuring,
    text: &'a str,
    zone: &'a str,
) -> Contest<'a> {
    match &measuring.python {
        Some(python) if !measuring.is_quick => {
            contest.with(APSCHEDULER, move || python.measure("next-fire", &[text, zone, "1000"]))
        }
        _ => contest,
    }
}

pub(crate) fn next_fire_in_berlin(
    measuring: &mut Measuring,
    name: &'static str,
) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[
            ("matins", "next_after of a cron trigger in Europe/Berlin, right at every change of the clocks"),
            (
                "cron",
                "the same; it fires neither in the place of a time that is skipped, nor once where a time comes twice",
            ),
            ("croner", "the same; it has a rule for changes of the clocks too"),
            (
                "a zone lookup",
                "chrono-tz alone, from UTC to local time: the least that any of them needs, some twice",
            ),
            (APSCHEDULER, "get_next_fire_time of CronTrigger.from_crontab, in that zone"),
        ],
    );
    let instants = instants();
    let local: Vec<_> = instants.iter().map(|instant| instant.with_timezone(&Berlin)).collect();
    for text in EXPRESSIONS {
        let (ours, cron, croner) =
            (triggers::matins(text, "Europe/Berlin"), triggers::cron(text), triggers::croner(text));
        let (mut one, mut two) = (instants.iter().cycle(), instants.iter().cycle());
        let (mut three, mut four) = (local.iter().cycle(), local.iter().cycle());
        let contest = Contest::new()
            .with("matins", nanos_a_call(|| one.next().and_then(|instant| ours.next_after(*instant))))
            .with("cron", nanos_a_call(|| three.next().and_then(|instant| cron.after(instant).next())))
            .with(
                "croner",
                nanos_a_call(|| {
                    four.next().and_then(|instant| croner.find_next_occurrence(instant, false).ok())
                }),
            )
            .with("a zone lookup", nanos_a_call(|| two.next().map(|instant| instant.with_timezone(&Berlin))));
        let contest = with_python(contest, measuring, text, "Europe/Berlin");
        let goals = [("cron", 3.0), ("croner", 5.0)];
        family.contest(text, NANOS, &contest.run(measuring.either(3, 7)), &goals);
        for row in &mut family.rows {
            row.because = Some("a fixed time of day asks the zone twice, and 29 February lies so far that no span of it is at hand".into());
        }
    }
    Ok(family)
}

pub(crate) fn far_fires(measuring: &mut Measuring, name: &'static str) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[
            ("matins", "next_after of an expression whose answer lies years away, in UTC"),
            (
                "matins, near",
                "`*/5 * * * *`: the cost should not grow with the distance. The goal is 10x its cost at most",
            ),
        ],
    );
    let instants = instants();
    for text in [EXPRESSIONS[2], FAR[0], FAR[1]] {
        let (far, near) = (triggers::matins(text, "UTC"), triggers::matins(EXPRESSIONS[0], "UTC"));
        let (mut one, mut two) = (instants.iter().cycle(), instants.iter().cycle());
        let contest = Contest::new()
            .with("matins", nanos_a_call(|| one.next().and_then(|instant| far.next_after(*instant))))
            .with("matins, near", nanos_a_call(|| two.next().and_then(|instant| near.next_after(*instant))));
        family.contest(text, NANOS, &contest.run(measuring.either(3, 7)), &[("matins, near", 0.1)]);
    }
    Ok(family)
}

pub(crate) fn walk(measuring: &mut Measuring, name: &'static str) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[
            ("matins", "fires_after, per fire of a walk of a million (quick: of 100,000)"),
            ("matins, asked", "the same by next_after, from fire to fire: the row of its own"),
            ("cron", "its iterator of upcoming fires"),
        ],
    );
    let fires = measuring.either(100_000, 1_000_000);
    let start = triggers::start();
    for (text, zone) in [
        ("*/5 * * * *", chrono_tz::UTC),
        ("*/5 * * * *", Berlin),
        ("30 2 * * SUN", chrono_tz::UTC),
        ("30 2 * * SUN", Berlin),
    ] {
        // The crate cron knows no year after 2100.
        let fires = if text.starts_with('*') { fires } else { fires.min(3_000) };
        let (ours, cron) = (triggers::matins(text, zone.name()), triggers::cron(text));
        let from = zone.from_utc_datetime(&start.naive_utc());
        let per_fire = |work: &dyn Fn() -> bool| {
            let taken = seconds(|| assert!(black_box(work()), "the walk ends too early"));
            taken * 1e9 / fires as f64
        };
        let contest = Contest::new()
            .with("matins", || per_fire(&|| ours.fires_after(start).take(fires).count() == fires))
            .with("matins, asked", || {
                per_fire(&|| (0..fires).try_fold(start, |after, _| ours.next_after(after)).is_some())
            })
            .with("cron", || per_fire(&|| cron.after(&from).take(fires).count() == fires));
        let measured = contest.run(measuring.either(2, 3));
        let of = |name: &str| -> Spread {
            measured
                .iter()
                .find(|(other, _)| *other == name)
                .map_or(Spread::exactly(f64::NAN), |(_, spread)| *spread)
        };
        let work = format!("{text}, {}", zone.name());
        family.versus(&work, NANOS, of("matins"), "cron", of("cron"), Some(5.0));
        family.because("fires that lie a week apart in a zone: each is a new day to look for, and two lookups of the zone");
        family.versus(format!("{work}, asked"), NANOS, of("matins, asked"), "cron", of("cron"), Some(5.0));
        family.because("a trigger that is asked knows nothing of what it was asked before: the walk is what fires_after is for");
    }
    Ok(family)
}

pub(crate) fn parse(measuring: &mut Measuring, name: &'static str) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[
            ("matins", "a cron expression read to bit sets"),
            ("cron", "the same, to sets of numbers; with a seconds field"),
            ("croner", "the same"),
            ("saffron", "the same; a smaller grammar"),
            (
                "of 100 bytes",
                "a text that is refused costs no more a byte when it is a thousand times as long. The goal is twice it at most",
            ),
        ],
    );
    for text in EXPRESSIONS {
        let contest = Contest::new()
            .with("matins", nanos_a_call(|| CronExpression::parse(black_box(text))))
            .with("cron", nanos_a_call(|| triggers::cron(black_box(text))))
            .with("croner", nanos_a_call(|| triggers::croner(black_box(text))))
            .with("saffron", nanos_a_call(|| triggers::saffron(black_box(text))));
        let goals = [("cron", 5.0), ("croner", 20.0)];
        family.contest(text, NANOS, &contest.run(measuring.either(3, 7)), &goals);
    }
    for (kind, piece, end) in
        [("one list", "1,", " * * * MOM"), ("many words", "* ", ""), ("one name", "é", "")]
    {
        let text = |length: usize| format!("{}{end}", piece.repeat(length / piece.len()));
        let (long, short) = (text(100_000), text(100));
        let refused = |text: &str| CronExpression::parse(black_box(text)).is_err();
        let (mut of_long, mut of_short) = (nanos_a_call(|| refused(&long)), nanos_a_call(|| refused(&short)));
        let contest = Contest::new()
            .with("matins", || of_long() / long.len() as f64)
            .with("of 100 bytes", || of_short() / short.len() as f64);
        let work = format!("{kind} of 100,000 bytes refused, a byte");
        family.contest(&work, NANOS, &contest.run(measuring.either(5, 9)), &[("of 100 bytes", 0.5)]);
    }
    Ok(family)
}
