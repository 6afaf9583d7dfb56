//! A table of what happened at each event of a day: the clock change, the restart, the two steps.

use std::fmt::Write;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Europe::Berlin;

use crate::jobs::{JOBS, Job, Situation, due};
use crate::page::head;
use crate::record::{Day, Fire, SCHEDULERS};
use crate::rows::{clock, local};

/// What is looked at: a job, in a span of the clock, from one local time to another.
struct Event {
    title: String,
    job: &'static str,
    span: usize,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

fn events(day: &Day) -> Vec<Event> {
    let plan = &day.plan;
    let minutes = TimeDelta::minutes;
    let is_spring = plan.name == "spring";
    let night = if is_spring { "02:30 does not exist" } else { "02:30 comes twice" };
    let change = if is_spring { "the gap" } else { "the overlap" };
    let mut events = Vec::new();
    let mut event =
        |title: String, job: &'static str, span: usize, from: DateTime<Utc>, to: DateTime<Utc>| {
            events.push(Event { title, job, span, from, to });
        };
    event(format!("**{night}**: daily at 02:30"), "at-02-30", 0, plan.on, plan.off);
    event("daily at 03:00".into(), "at-03-00", 0, plan.on, plan.off);
    event(format!("hourly at :30, from 01:30 to {}", clock(plan.off)), "half-hour", 0, plan.on, plan.off);
    let quarters = format!("every 15 minutes, from 01:45 to {} around {change}", clock(plan.off));
    event(quarters, "quarter", 0, plan.on, plan.off);
    let (back, soon) = (plan.on_again - minutes(5), plan.on_again + minutes(9));
    event("**Machine off, 03:50 to 05:20**: the one-off at 04:30".into(), "one-off", 1, back, soon);
    event("at 04:20 (fails), after the start".into(), "failing", 1, back, soon);
    event("every 15 minutes, after the start".into(), "quarter", 1, back, soon);
    event("hourly at :30, after the start".into(), "half-hour", 1, back, soon);
    let stepped = plan.forwards + minutes(90);
    event(
        "**Clock set forward, 06:10 to 07:40**: last day of the month at 07:00".into(),
        "month-end",
        2,
        stepped,
        plan.backwards,
    );
    event("at 07:20 (fails), after the step".into(), "failing", 2, stepped, stepped + minutes(35));
    event(
        "hourly at :30 (06:30 and 07:30 skipped), before 08:30".into(),
        "half-hour",
        2,
        stepped,
        stepped + minutes(49),
    );
    event("every 15 minutes (6 skipped), until 08:10".into(), "quarter", 2, stepped, stepped + minutes(31));
    let stepped = plan.backwards - minutes(90);
    event(
        "**Clock set back, 09:10 to 07:40**: at 08:20 (fails) for the second time".into(),
        "failing",
        3,
        stepped,
        plan.backwards,
    );
    event("hourly at :30, 08:30 for the second time".into(), "half-hour", 3, stepped, plan.backwards);
    event(
        "every 15 minutes, from 07:45 to 09:00 for the second time".into(),
        "quarter",
        3,
        stepped,
        plan.backwards,
    );
    events
}

/// A row for each event, and two about the whole day.
pub(crate) fn table(day: &Day) -> Result<String, std::fmt::Error> {
    let mut text = head("event");
    for event in events(day) {
        let cells = SCHEDULERS.map(|(scheduler, _)| cell(day, &event, scheduler));
        writeln!(text, "| {} | {} |", event.title, cells.join(" | "))?;
    }
    let cells = SCHEDULERS.map(|(scheduler, _)| overlaps(day, scheduler));
    writeln!(
        text,
        "| **Whole day**: runs of the long job, and how many began during another | {} |",
        cells.join(" | ")
    )?;
    let cells = SCHEDULERS.map(|(scheduler, _)| attempts(day, scheduler));
    writeln!(text, "| attempts of the failing job at 03:20 | {} |", cells.join(" | "))?;
    Ok(text)
}

fn of<'a>(day: &'a Day, scheduler: &str, job: &str) -> Vec<&'a Fire> {
    day.fires.iter().filter(|fire| fire.0 == scheduler && fire.1 == job).collect()
}

/// The times at which the job ran; where there are many, how many.
fn cell(day: &Day, event: &Event, scheduler: &str) -> String {
    let Some(job) = JOBS.iter().find(|job| job.name == event.job) else { return String::new() };
    if job.not_in.contains(&scheduler) {
        return "cannot".to_owned();
    }
    let is_here = |fire: &&&Fire| fire.2 == event.span && event.from <= fire.3 && fire.3 < event.to;
    let found = of(day, scheduler, event.job);
    let here: Vec<&&Fire> = found.iter().filter(is_here).collect();
    match here.len() {
        0 => said(day, job, event, scheduler),
        1..=3 => here.iter().map(|fire| at(fire, day)).collect::<Vec<_>>().join(", "),
        many => format!("{many} runs"),
    }
}

/// When a run began, with its offset on the day of an overlap, and for which time where its scheduler names another.
fn at(fire: &Fire, day: &Day) -> String {
    let is_in_overlap = day.plan.name == "autumn" && (2..4).contains(&chrono::Timelike::hour(&local(fire.3)));
    let zone =
        if is_in_overlap { fire.3.with_timezone(&Berlin).format(" %Z").to_string() } else { String::new() };
    let mut text = local(fire.3).format("%H:%M:%S").to_string() + &zone;
    if let Some(of) = fire.4.filter(|of| (fire.3 - *of).abs() > TimeDelta::seconds(60)) {
        text += &format!(" for {}", clock(of));
    }
    text
}

/// What a scheduler itself records of the fire times of which none ran.
fn said(day: &Day, job: &Job, event: &Event, scheduler: &str) -> String {
    let is_about = |situation| match event.span {
        1 => situation == Situation::MachineOff,
        2 => situation == Situation::SkippedByStep,
        3 => situation == Situation::AfterStepBack,
        _ => false,
    };
    let lost: Vec<DateTime<Utc>> = due(job, day)
        .iter()
        .filter(|due| is_about(due.situation))
        .filter_map(|due| due.local.and_local_timezone(Berlin).earliest().map(|at| at.to_utc()))
        .collect();
    let mut missed =
        day.missed.iter().filter(|missed| (missed.0.as_str(), missed.1.as_str()) == (scheduler, job.name));
    match missed.find(|missed| lost.iter().any(|at| missed.2 <= *at && *at <= missed.3)) {
        Some(missed) => format!("no run; reported: {}", missed.5),
        None => "no run".to_owned(),
    }
}

/// How often the long job began, and how often while an earlier run of it had not ended.
fn overlaps(day: &Day, scheduler: &str) -> String {
    let takes = TimeDelta::minutes(70);
    let begun: Vec<DateTime<Utc>> = of(day, scheduler, "long")
        .iter()
        .map(|fire| (fire.2, day.elapsed(fire.2, fire.3)))
        // A run that the machine's end has cut off is over.
        .map(|(span, at)| if span == 0 { at - TimeDelta::days(1) } else { at })
        .collect();
    let during =
        begun.iter().filter(|at| begun.iter().any(|other| *other < **at && **at < *other + takes)).count();
    let recorded: u64 = day
        .missed
        .iter()
        .filter(|missed| (missed.0.as_str(), missed.1.as_str()) == (scheduler, "long"))
        .map(|missed| missed.4)
        .sum();
    let recorded = if recorded == 0 { String::new() } else { format!("; {recorded} reported as missed") };
    format!("{} runs, {during} during another{recorded}", begun.len())
}

fn attempts(day: &Day, scheduler: &str) -> String {
    let until = day.plan.off;
    of(day, scheduler, "failing").iter().filter(|fire| fire.2 == 0 && fire.3 < until).count().to_string()
}
