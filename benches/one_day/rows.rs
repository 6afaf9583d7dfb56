//! Puts what fired beside what was due: a row for each fire time, a cell for each scheduler.

use std::collections::BTreeMap;

use chrono::{DateTime, DurationRound, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Europe::Berlin;

use crate::jobs::{Due, Job, Situation, due};
use crate::record::{Day, Fire, SCHEDULERS};

/// A run counts for a fire time if it begins within this time after it.
const NEAR: TimeDelta = TimeDelta::seconds(60);
/// A run that begins later than this is late. The machine is slow, and starts five schedulers' runs at the same instant.
const LATE: TimeDelta = TimeDelta::seconds(5);

/// What the schedulers did at a fire time, or in another minute in which something ran.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) local: NaiveDateTime,
    pub(crate) situation: Situation,
    pub(crate) cells: [String; 6],
    order: DateTime<Utc>,
}

impl Row {
    /// Whether all schedulers that have the job ran it in time, or none did.
    pub(crate) fn is_alike(&self, other: &Self) -> bool {
        self.situation == other.situation
            && self.situation != Situation::Unscheduled
            && self.cells == other.cells
    }
}

/// All rows of a job, in the order of what happened.
pub(crate) fn rows(job: &Job, day: &Day) -> Vec<Row> {
    let dues = due(job, day);
    let mut fired: BTreeMap<(usize, usize), Vec<&Fire>> = BTreeMap::new();
    let mut unscheduled: BTreeMap<(usize, DateTime<Utc>), [Vec<&Fire>; 6]> = BTreeMap::new();
    let since = local(day.plan.on);
    for fire in day.fires.iter().filter(|fire| fire.1 == job.name && local(fire.3) >= since) {
        let Some(column) = SCHEDULERS.iter().position(|(name, _)| *name == fire.0) else { continue };
        let near =
            |due: &Due| due.at.is_some_and(|(span, at)| span == fire.2 && at <= fire.3 && fire.3 < at + NEAR);
        if let Some(row) = dues.iter().position(near) {
            fired.entry((row, column)).or_default().push(fire);
        } else {
            let minute = fire.3.duration_trunc(TimeDelta::minutes(1)).unwrap_or(fire.3);
            unscheduled.entry((fire.2, minute)).or_default()[column].push(fire);
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    for (number, due) in dues.iter().enumerate() {
        let cell = |column: usize| {
            let scheduler = SCHEDULERS[column].0;
            match fired.get(&(number, column)) {
                _ if job.not_in.contains(&scheduler) => String::new(),
                Some(fires) => ran(fires, due.at.map(|(_, at)| at)),
                None => said(day, job, scheduler, due),
            }
        };
        rows.push(Row {
            local: due.local,
            situation: due.situation,
            cells: std::array::from_fn(cell),
            order: due.order,
        });
    }
    for ((span, minute), columns) in unscheduled {
        let cells =
            columns.each_ref().map(|fires| if fires.is_empty() { String::new() } else { ran(fires, None) });
        let order = day.elapsed(span, minute);
        rows.push(Row { local: local(minute), situation: Situation::Unscheduled, cells, order });
    }
    rows.sort_by_key(|row| row.order);
    rows
}

pub(crate) fn local(at: DateTime<Utc>) -> NaiveDateTime {
    at.with_timezone(&Berlin).naive_local()
}

/// What is said of runs: when they began where that is not the fire time, and for which time if it is another.
fn ran(fires: &[&Fire], due: Option<DateTime<Utc>>) -> String {
    let text = |fire: &&Fire| {
        let mut text = match due {
            Some(due) if fire.3 - due < LATE => "ran".to_owned(),
            Some(due) => format!("ran {} s late", (fire.3 - due).num_seconds()),
            None => format!("ran at {}", local(fire.3).format("%H:%M:%S")),
        };
        if let Some(of) = fire.4.filter(|of| due.is_none_or(|due| (*of - due).abs() >= TimeDelta::seconds(1)))
        {
            text += &format!(" for {}", clock(of));
        }
        text
    };
    match fires {
        [one] => text(one),
        several if several.iter().all(|fire| text(fire) == "ran") => format!("ran {} times", several.len()),
        several => several.iter().map(text).collect::<Vec<_>>().join(", "),
    }
}

/// Hours and minutes, and seconds if there are any.
pub(crate) fn clock(at: DateTime<Utc>) -> String {
    let text = local(at).format("%H:%M:%S").to_string();
    text.strip_suffix(":00").map_or_else(|| text.clone(), str::to_owned)
}

/// What is said of a fire time at which nothing ran: the scheduler's own record of it, if it has one.
fn said(day: &Day, job: &Job, scheduler: &str, due: &Due) -> String {
    let Some(at) = due.at.map(|(_, at)| at).or_else(|| instant(due)) else { return "no".to_owned() };
    let mut rows =
        day.missed.iter().filter(|missed| (missed.0.as_str(), missed.1.as_str()) == (scheduler, job.name));
    match rows.find(|missed| missed.2 <= at && at <= missed.3) {
        Some(missed) => format!("no, reported: {}", missed.5),
        None => "no".to_owned(),
    }
}

/// The instant of a local time that the clock did not show because the machine was off, or because the clock was set.
fn instant(due: &Due) -> Option<DateTime<Utc>> {
    let is_real = matches!(due.situation, Situation::MachineOff | Situation::SkippedByStep);
    is_real.then(|| due.local.and_local_timezone(Berlin).earliest()).flatten().map(|at| at.to_utc())
}
