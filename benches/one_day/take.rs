//! Makes the record from what the virtual machines have logged.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::Deserialize;

use crate::Failure;
use crate::record::{Day, Fire, Missed, Plan, Record, SCHEDULERS, Span};

const PLAN: &str = include_str!("plan.json");
const LOCK: &str = include_str!("../../Cargo.lock");

#[derive(Deserialize)]
struct Days {
    days: Vec<Plan>,
}

/// A line of the log.
struct Line {
    kind: String,
    scheduler: String,
    job: String,
    boot: usize,
    at: DateTime<Utc>,
    /// Since the boot.
    up: f64,
    due: Option<DateTime<Utc>>,
}

/// Reads the logs of both days below a directory.
pub(crate) fn take(directory: &Path) -> Result<Record, Failure> {
    let plan: Days = serde_json::from_str(PLAN)?;
    let mut versions: BTreeMap<String, String> = BTreeMap::new();
    let mut days = Vec::new();
    for plan in plan.days {
        let logs = directory.join(&plan.name);
        let file = logs.join("versions");
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        versions.extend(
            text.lines()
                .filter_map(|line| line.split_once('\t'))
                .map(|(name, version)| (name.to_owned(), version.to_owned())),
        );
        days.push(day(plan, &logs).map_err(|error| format!("{}: {error}", logs.display()))?);
    }
    for name in ["tokio-cron-scheduler", "apalis-cron", "cron", "croner", "matins-cli"] {
        let mut packages =
            LOCK.split("[[package]]").filter(|package| package.contains(&format!("name = \"{name}\"\n")));
        let version =
            packages.next().and_then(|package| package.split("version = \"").nth(1)?.split('"').next());
        versions.insert(format!("crate {name}"), version.ok_or("a peer is not in Cargo.lock")?.to_owned());
    }
    Ok(Record { versions, days })
}

fn day(plan: Plan, logs: &Path) -> Result<Day, Failure> {
    let Log { spans, mut fires, mut missed } = log(&logs.join("one-day/log"), &plan)?;
    // One scheduler may have run in a machine of its own.
    for (scheduler, _) in SCHEDULERS {
        let own = logs.join(scheduler).join("log");
        if own.exists() {
            fires.retain(|fire| fire.0 != scheduler);
            fires.extend(log(&own, &plan)?.fires.into_iter().filter(|fire| fire.0 == scheduler));
        }
    }
    missed.extend(ledger(&fs::read_to_string(logs.join("one-day/matins-runs.json"))?)?);
    Ok(Day { plan, spans, missed, fires })
}

/// What a log says.
struct Log {
    spans: Vec<Span>,
    /// The runs that began.
    fires: Vec<Fire>,
    missed: Vec<Missed>,
}

fn log(file: &Path, plan: &Plan) -> Result<Log, Failure> {
    let lines = read(&fs::read_to_string(file)?)?;
    let origins = origins(&lines)?;
    let spans = spans(&lines, &origins)?;
    agree(&spans, plan)?;
    let submitted: Vec<&Line> = lines.iter().filter(|line| line.kind == "submitted").collect();
    let mut fires = Vec::new();
    for line in lines.iter().filter(|line| line.kind == "start") {
        // The work does not know for when it runs: the scheduler says it at about the same time.
        let nearest = submitted
            .iter()
            .filter(|other| {
                (&other.scheduler, &other.job, other.boot) == (&line.scheduler, &line.job, line.boot)
            })
            .min_by(|one, other| (one.up - line.up).abs().total_cmp(&(other.up - line.up).abs()))
            .filter(|nearest| (nearest.up - line.up).abs() < 30.0);
        let due = line.due.or_else(|| nearest.and_then(|nearest| nearest.due));
        let due = due.map(|due| due.round_subsecs(3));
        let span = span(&spans, line, &origins)?;
        fires.push(Fire(line.scheduler.clone(), line.job.clone(), span, line.at.round_subsecs(3), due));
    }
    let mut missed = Vec::new();
    for line in lines.iter().filter(|line| ["too-late", "still-running"].contains(&line.kind.as_str())) {
        let due = line.due.ok_or("a missed fire has no time")?;
        missed.push(Missed(
            line.scheduler.clone(),
            line.job.clone(),
            due,
            due,
            1,
            line.kind.replace('-', " "),
        ));
    }
    Ok(Log { spans, fires, missed })
}

fn read(log: &str) -> Result<Vec<Line>, Failure> {
    let mut boots: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    for line in log.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [kind, scheduler, job, boot, at, up, due] = fields[..] else {
            return Err(format!("a line of the log has other fields: {line}").into());
        };
        let boot = boots.iter().position(|known| *known == boot).unwrap_or_else(|| {
            boots.push(boot);
            boots.len() - 1
        });
        let (seconds, fraction) = at.split_once('.').ok_or("a time has no fraction")?;
        let nanoseconds: u32 = format!("{fraction:0<9}").parse()?;
        lines.push(Line {
            kind: kind.to_owned(),
            scheduler: scheduler.to_owned(),
            job: job.to_owned(),
            boot,
            at: DateTime::from_timestamp(seconds.parse()?, nanoseconds).ok_or("a time is out of range")?,
            up: up.parse()?,
            due: if due.is_empty() { None } else { Some(DateTime::parse_from_rfc3339(due)?.to_utc()) },
        });
    }
    Ok(lines)
}

/// What the clock showed at each boot, when the kernel began to count.
fn origins(lines: &[Line]) -> Result<[DateTime<Utc>; 2], Failure> {
    let mut boots = lines.iter().filter(|line| line.kind == "boot").map(|line| line.at - since_boot(line));
    match [boots.next(), boots.next(), boots.next()] {
        [Some(first), Some(second), None] => Ok([first, second]),
        other => Err(format!("there are not two boots: {other:?}").into()),
    }
}

fn since_boot(line: &Line) -> TimeDelta {
    TimeDelta::milliseconds((line.up * 1000.0).round() as i64)
}

/// The clock when a line was written, without the steps.
fn elapsed(line: &Line, origins: &[DateTime<Utc>; 2]) -> DateTime<Utc> {
    origins[line.boot] + since_boot(line)
}

fn spans(lines: &[Line], origins: &[DateTime<Utc>; 2]) -> Result<Vec<Span>, Failure> {
    let marks: Vec<&Line> = lines.iter().filter(|line| line.scheduler == "machine").collect();
    let kinds: Vec<&str> = marks.iter().map(|line| line.kind.as_str()).collect();
    if kinds != ["boot", "off", "boot", "before-step", "after-step", "before-step", "after-step", "off"] {
        return Err(format!("the day has not gone as planned: {kinds:?}").into());
    }
    let span = |pair: &[&Line]| {
        let ahead = (pair[0].at - elapsed(pair[0], origins)).as_seconds_f64().round();
        Span { from: pair[0].at.round_subsecs(3), to: pair[1].at.round_subsecs(3), ahead: ahead as i64 }
    };
    Ok(marks.chunks(2).map(span).collect())
}

/// Refuses a day whose clock has not done what the plan says.
fn agree(spans: &[Span], plan: &Plan) -> Result<(), Failure> {
    let step = TimeDelta::minutes(90);
    let ends = [plan.off, plan.forwards, plan.backwards, plan.end];
    let begins = [plan.on, plan.on_again, plan.forwards + step, plan.backwards - step];
    for (span, (begin, (end, ahead))) in
        spans.iter().zip(begins.into_iter().zip(ends.into_iter().zip([0, 0, 5400, 0])))
    {
        // To start the machine takes up to two minutes.
        let (late_from, late_to) = (span.from - begin, span.to - end);
        let is_near =
            |late: TimeDelta, limit| late.num_milliseconds() > -1000 && late < TimeDelta::seconds(limit);
        if !is_near(late_from, 120) || !is_near(late_to, 2) || span.ahead != ahead {
            return Err(format!(
                "the clock was to show {begin} to {end} and be {ahead} s ahead; it was: {span:?}"
            )
            .into());
        }
    }
    Ok(())
}

/// The span in which a line was written, by the time that had passed.
fn span(spans: &[Span], line: &Line, origins: &[DateTime<Utc>; 2]) -> Result<usize, Failure> {
    if line.boot == 0 {
        return Ok(0);
    }
    let ahead = (line.at - elapsed(line, origins)).as_seconds_f64().round() as i64;
    let close = |span: &Span| (span.ahead - ahead).abs() < 60;
    let first_steps_back = elapsed(line, origins) > spans[2].to - TimeDelta::seconds(spans[2].ahead);
    let found = if first_steps_back {
        spans.iter().rposition(close)
    } else {
        spans.iter().skip(1).position(close).map(|at| at + 1)
    };
    found.ok_or_else(|| {
        format!("the clock was ahead by {ahead} s when {} ran {}", line.scheduler, line.job).into()
    })
}

/// The rows of the ledger whose fires were missed.
fn ledger(text: &str) -> Result<Vec<Missed>, Failure> {
    #[derive(Deserialize)]
    struct Row {
        job: String,
        first: DateTime<Utc>,
        last: DateTime<Utc>,
        count: u64,
        outcome: Option<String>,
    }
    let rows: Vec<Row> = serde_json::from_str(text)?;
    let rows = rows.into_iter().filter_map(|row| {
        let outcome = row.outcome?;
        let reason = outcome.strip_prefix("missed: ")?.replace('_', " ");
        Some(Missed("matins".into(), row.job, row.first, row.last, row.count, reason))
    });
    Ok(rows.collect())
}
