//! Changes as text: all changes of a commit in one line.

use chrono::{DateTime, SecondsFormat, Utc};

use super::{Change, Job, Outcome, Run};

/// Returns changes as a text without a line break.
pub fn encode(changes: &[Change]) -> String {
    let change = |change: &Change| match change {
        Change::PutJob(job) => format!(
            "job {} {} {} {}",
            job.id,
            encode_time(job.next_fire),
            escape(&job.schedule),
            escape(&job.command)
        ),
        Change::RemoveJob(id) => format!("remove {id}"),
        Change::MoveOn(id, next) => format!("move {id} {}", encode_time(*next)),
        Change::Record(run) => format!(
            "run {} {} {} {}",
            run.id,
            run.job,
            encode_time(Some(run.fire)),
            name(run.outcome)
        ),
        Change::End(id, outcome) => format!("end {id} {}", name(*outcome)),
    };
    changes.iter().map(change).collect::<Vec<_>>().join(" | ")
}

/// Reads what `encode` has written. `None` if it is something else.
pub fn decode(text: &str) -> Option<Vec<Change>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(" | ").map(decode_change).collect()
}

fn decode_change(text: &str) -> Option<Change> {
    let fields: Vec<&str> = text.split(' ').collect();
    Some(match fields[..] {
        ["job", id, next_fire, schedule, command] => Change::PutJob(Job {
            id: id.parse().ok()?,
            next_fire: decode_time(next_fire)?,
            schedule: unescape(schedule)?,
            command: unescape(command)?,
        }),
        ["remove", id] => Change::RemoveJob(id.parse().ok()?),
        ["move", id, next] => {
            Change::MoveOn(id.parse().ok()?, decode_time(next)?)
        }
        ["run", id, job, fire, outcome] => Change::Record(Run {
            id: id.parse().ok()?,
            job: job.parse().ok()?,
            fire: decode_time(fire)??,
            outcome: by_name(outcome)?,
        }),
        ["end", id, outcome] => {
            Change::End(id.parse().ok()?, by_name(outcome)?)
        }
        _ => return None,
    })
}

fn encode_time(time: Option<DateTime<Utc>>) -> String {
    let text =
        |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    time.map_or("-".to_owned(), text)
}

fn decode_time(text: &str) -> Option<Option<DateTime<Utc>>> {
    match text {
        "-" => Some(None),
        _ => text.parse().ok().map(Some),
    }
}

const OUTCOMES: [(Outcome, &str); 5] = [
    (Outcome::Running, "running"),
    (Outcome::Succeeded, "succeeded"),
    (Outcome::Failed, "failed"),
    (Outcome::Missed, "missed"),
    (Outcome::Interrupted, "interrupted"),
];

fn name(outcome: Outcome) -> &'static str {
    let found = OUTCOMES.iter().find(|(known, _)| *known == outcome);
    found.map_or("", |(_, name)| name)
}

fn by_name(text: &str) -> Option<Outcome> {
    let found = OUTCOMES.iter().find(|(_, name)| *name == text);
    found.map(|(outcome, _)| *outcome)
}

/// What has a meaning in a line, and what is written instead.
const ESCAPES: [(char, char); 5] =
    [('\\', '\\'), (' ', 's'), ('\n', 'n'), ('\r', 'r'), ('|', 'p')];

/// An empty text would be no field.
const EMPTY: &str = "\\e";

fn escape(text: &str) -> String {
    if text.is_empty() {
        return EMPTY.to_owned();
    }
    let mut escaped = String::new();
    for character in text.chars() {
        match ESCAPES.iter().find(|(from, _)| *from == character) {
            Some((_, to)) => escaped.extend(['\\', *to]),
            None => escaped.push(character),
        }
    }
    escaped
}

fn unescape(text: &str) -> Option<String> {
    if text == EMPTY {
        return Some(String::new());
    }
    let mut characters = text.chars();
    let mut plain = String::new();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        let code = characters.next()?;
        let (from, _) = ESCAPES.iter().find(|(_, to)| *to == code)?;
        plain.push(*from);
    }
    Some(plain)
}
