//! The ten jobs: when each is due by its definition, whatever a scheduler makes of it.

use chrono::{
    DateTime, Datelike, Days, MappedLocalTime, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc, Weekday,
};
use chrono_tz::Europe::Berlin;

use crate::record::{Day, Plan};

/// A job: its name in logs, what it is for readers, and when it is due.
pub(crate) struct Job {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) expression: &'static str,
    /// Whether it is due at this local time; `None` for the interval, which has no local times.
    pub(crate) is_due: Option<fn(NaiveDateTime, &Plan) -> bool>,
    /// The schedulers that cannot express it, by their names in logs.
    pub(crate) not_in: &'static [&'static str],
}

pub(crate) const JOBS: [Job; 10] = [
    Job {
        name: "quarter",
        title: "Every 15 minutes",
        expression: "`*/15 * * * *`",
        is_due: Some(|at, _| at.minute() % 15 == 0),
        not_in: &[],
    },
    Job {
        name: "interval",
        title: "Every 90 minutes",
        expression: "90 minutes after the previous one",
        is_due: None,
        not_in: &["cron", "apalis-cron"],
    },
    Job {
        name: "at-02-30",
        title: "Daily at 02:30",
        expression: "`30 2 * * *`",
        is_due: Some(|at, _| (at.hour(), at.minute()) == (2, 30)),
        not_in: &[],
    },
    Job {
        name: "at-03-00",
        title: "Daily at 03:00",
        expression: "`0 3 * * *`",
        is_due: Some(|at, _| (at.hour(), at.minute()) == (3, 0)),
        not_in: &[],
    },
    Job {
        name: "half-hour",
        title: "Hourly at :30",
        expression: "`30 * * * *`",
        is_due: Some(|at, _| at.minute() == 30),
        not_in: &[],
    },
    Job {
        name: "weekday",
        title: "Weekdays at 09:00",
        expression: "`0 9 * * 1-5`",
        is_due: Some(|at, _| {
            (at.hour(), at.minute()) == (9, 0) && !matches!(at.weekday(), Weekday::Sat | Weekday::Sun)
        }),
        not_in: &[],
    },
    Job {
        name: "month-end",
        title: "Last day of the month at 07:00",
        expression: "`0 7 L * *`",
        is_due: Some(|at, _| (at.hour(), at.minute()) == (7, 0) && (at.date() + Days::new(1)).day() == 1),
        not_in: &["cron", "apalis-cron"],
    },
    Job {
        name: "one-off",
        title: "Once, on the day at 04:30",
        expression: "a date",
        is_due: Some(|at, plan| at.date() == plan.date && (at.hour(), at.minute()) == (4, 30)),
        not_in: &["cron"],
    },
    Job {
        name: "long",
        title: "Hourly at :05, takes 70 minutes",
        expression: "`5 * * * *`",
        is_due: Some(|at, _| at.minute() == 5),
        not_in: &[],
    },
    Job {
        name: "failing",
        title: "Four times a day, always fails",
        expression: "`20 3,4,7,8 * * *`",
        is_due: Some(|at, _| at.minute() == 20 && [3, 4, 7, 8].contains(&at.hour())),
        not_in: &[],
    },
];

/// What is particular about a fire time of the definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Situation {
    Ordinary,
    /// The local time is skipped by daylight saving time.
    InGap,
    FirstOfTwo,
    SecondOfTwo,
    MachineOff,
    /// The clock was set past it.
    SkippedByStep,
    BeforeStepBack,
    AfterStepBack,
    /// Not a fire time of the definition: something ran all the same.
    Unscheduled,
}

impl Situation {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Ordinary => "",
            Self::InGap => "does not exist",
            Self::FirstOfTwo => "first of two",
            Self::SecondOfTwo => "second of two",
            Self::MachineOff => "machine is off",
            Self::SkippedByStep => "skipped by the step",
            Self::BeforeStepBack => "before the step back",
            Self::AfterStepBack => "again, after the step back",
            Self::Unscheduled => "not in the schedule",
        }
    }
}

/// A fire time of a definition.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) local: NaiveDateTime,
    /// What the clock shows; `None` where it never shows the local time.
    pub(crate) at: Option<(usize, DateTime<Utc>)>,
    pub(crate) situation: Situation,
    /// The place in the order of what happened: the time that has really passed.
    pub(crate) order: DateTime<Utc>,
}

/// The fire times of a job from midnight to the end, in the order in which the clock shows them.
pub(crate) fn due(job: &Job, day: &Day) -> Vec<Due> {
    let Some(is_due) = job.is_due else { return Vec::new() };
    let first = day.plan.on.with_timezone(&Berlin).naive_local();
    let end = day.plan.end.with_timezone(&Berlin).naive_local();
    let minutes = (0..).map(|minute| first + TimeDelta::minutes(minute)).take_while(|at| *at < end);
    let mut found: Vec<Due> =
        minutes.filter(|at| is_due(*at, &day.plan)).flat_map(|at| shown(at, day)).collect();
    found.sort_by_key(|due| (due.order, due.local));
    found
}

/// When the clock shows a local time: never, once or twice.
fn shown(local: NaiveDateTime, day: &Day) -> Vec<Due> {
    let in_zone = match Berlin.from_local_datetime(&local) {
        MappedLocalTime::None => {
            // The first instant after the gap, which is at a full hour.
            let before = Berlin.from_local_datetime(&(local - TimeDelta::hours(1))).earliest();
            let order = before.map_or(day.plan.on, |before| (before + TimeDelta::hours(1)).to_utc());
            let order = order - TimeDelta::minutes(i64::from(local.minute())) - TimeDelta::seconds(1);
            return vec![Due { local, at: None, situation: Situation::InGap, order }];
        }
        MappedLocalTime::Single(at) => vec![(Situation::Ordinary, at.to_utc())],
        MappedLocalTime::Ambiguous(first, second) => {
            vec![(Situation::FirstOfTwo, first.to_utc()), (Situation::SecondOfTwo, second.to_utc())]
        }
    };
    in_zone.into_iter().flat_map(|(situation, at)| on_the_clock(local, situation, at, day)).collect()
}

fn on_the_clock(local: NaiveDateTime, situation: Situation, at: DateTime<Utc>, day: &Day) -> Vec<Due> {
    let spans: Vec<usize> = day
        .spans
        .iter()
        .enumerate()
        .filter(|(_, span)| span.from <= at && at < span.to)
        .map(|(span, _)| span)
        .collect();
    if spans.is_empty() {
        let is_off = at < day.plan.on_again + TimeDelta::minutes(5);
        let (situation, order) = if is_off {
            (Situation::MachineOff, at)
        } else {
            (Situation::SkippedByStep, day.plan.forwards - TimeDelta::seconds(1))
        };
        return vec![Due { local, at: None, situation, order }];
    }
    let is_twice = spans.len() > 1;
    let due = |span: usize| {
        let situation = match (is_twice, span) {
            (true, 2) => Situation::BeforeStepBack,
            (true, _) => Situation::AfterStepBack,
            _ => situation,
        };
        Due { local, at: Some((span, at)), situation, order: day.elapsed(span, at) }
    };
    spans.into_iter().map(due).collect()
}
