//! Makes the tables of the book's page: `one-day.txt`, each under a name, for the page to include.

use std::fmt::Write;
use std::fs;

use crate::Failure;
use crate::events;
use crate::jobs::{JOBS, Job, Situation};
use crate::record::{Day, Fire, Record, SCHEDULERS, directory};
use crate::rows::{Row, local, rows};

const TABLES: &str = "one-day.txt";

/// Writes the tables into the book.
pub(crate) fn write(record: &Record) -> Result<(), Failure> {
    fs::write(directory().join(TABLES), tables(record)?)?;
    Ok(())
}

fn tables(record: &Record) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    section(&mut text, "versions", &versions(record));
    section(&mut text, "jobs", &jobs());
    for day in &record.days {
        section(
            &mut text,
            &format!("{}-date", day.plan.name),
            &day.plan.date.format("%-d %B %Y").to_string(),
        );
        section(&mut text, &format!("{}-events", day.plan.name), &events::table(day)?);
        section(&mut text, &format!("{}-fires", day.plan.name), &fires(day)?);
    }
    Ok(text)
}

fn section(text: &mut String, name: &str, content: &str) {
    *text += &format!("ANCHOR: {name}\n{}\nANCHOR_END: {name}\n", content.trim_end());
}

fn versions(record: &Record) -> String {
    let version = |name: &str| record.versions.get(name).map_or("?", String::as_str);
    let lines = [
        format!("* cron: Debian's package `cron` {}", version("cron")),
        format!("* systemd timers: Debian's package `systemd` {}", version("systemd")),
        format!(
            "* APScheduler {}, with SQLAlchemy {} and Debian's Python {}",
            version("apscheduler"),
            version("sqlalchemy"),
            version("python3.11")
        ),
        format!("* tokio-cron-scheduler {}", version("crate tokio-cron-scheduler")),
        format!(
            "* apalis-cron {}, with the crate `cron` {}",
            version("crate apalis-cron"),
            version("crate cron")
        ),
        format!("* Matins {}, the daemon", version("crate matins-cli")),
        format!(
            "* QEMU {}, Linux {}, and Debian's `tzdata` {}",
            version("qemu"),
            version("linux-signed-amd64"),
            version("tzdata")
        ),
    ];
    lines.join("\n")
}

/// The jobs, and who cannot express them.
fn jobs() -> String {
    let mut text =
        "| job | as a cron expression | cannot be expressed in |\n| --- | --- | --- |\n".to_owned();
    for job in &JOBS {
        let heading =
            |name: &&str| SCHEDULERS.iter().find(|(known, _)| known == name).map(|(_, heading)| *heading);
        let not_in: Vec<&str> = job.not_in.iter().filter_map(heading).collect();
        text += &format!("| {} | {} | {} |\n", job.title, job.expression, not_in.join(", "));
    }
    text
}

/// A table for each job, folded.
fn fires(day: &Day) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for job in &JOBS {
        let (table, count) = if job.is_due.is_some() { by_time(job, day)? } else { by_number(job, day)? };
        writeln!(text, "<details><summary>{}: {count} rows</summary>\n\n{table}\n</details>\n", job.title)?;
    }
    Ok(text)
}

pub(crate) fn head(first: &str) -> String {
    let headings = SCHEDULERS.map(|(_, heading)| heading).join(" | ");
    format!("| {first} | {headings} |\n| --- | --- | --- | --- | --- | --- | --- |\n")
}

fn by_time(job: &Job, day: &Day) -> Result<(String, usize), std::fmt::Error> {
    let rows = rows(job, day);
    let mut text = head("local time");
    let mut count = 0;
    for alike in rows.chunk_by(Row::is_alike) {
        let (first, last) = (&alike[0], &alike[alike.len() - 1]);
        let time = |row: &Row| row.local.format("%H:%M").to_string();
        let mut label = time(first);
        if alike.len() > 1 {
            label += &format!(" to {}, {} times", time(last), alike.len());
        }
        if first.situation != Situation::Ordinary {
            label += &format!(": {}", first.situation.text());
        }
        writeln!(text, "| {label} | {} |", first.cells.join(" | "))?;
        count += 1;
    }
    Ok((text, count))
}

/// The interval's runs, each with the time that passed after the previous one.
fn by_number(job: &Job, day: &Day) -> Result<(String, usize), std::fmt::Error> {
    let columns = SCHEDULERS.map(|(scheduler, _)| {
        let of_job = |fire: &&Fire| fire.0 == scheduler && fire.1 == job.name;
        day.fires.iter().filter(of_job).collect::<Vec<&Fire>>()
    });
    let count = columns.iter().map(Vec::len).max().unwrap_or(0);
    let mut text = head("run");
    for number in 0..count {
        let cells = columns.each_ref().map(|fires| {
            let Some(fire) = fires.get(number) else { return String::new() };
            let mut cell = local(fire.3).format("%H:%M:%S").to_string();
            if let Some(before) = number.checked_sub(1).map(|before| fires[before]) {
                let passed = day.elapsed(fire.2, fire.3) - day.elapsed(before.2, before.3);
                cell += &format!(", after {:.1} min", passed.as_seconds_f64() / 60.0);
            }
            cell
        });
        writeln!(text, "| {} | {} |", number + 1, cells.join(" | "))?;
    }
    Ok((text, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_the_book_are_made_from_its_record() {
        let made = tables(&Record::read().unwrap()).unwrap();
        let there = fs::read_to_string(directory().join(TABLES)).unwrap_or_default();
        assert!(there == made, "{TABLES} is not what one-day.json says: run `one-day redraw`");
    }
}
