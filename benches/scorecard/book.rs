//! Puts the tables and the pictures into the book.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::card::{self, Family, HEADINGS, cells};
use crate::families::Measuring;
use crate::screen::{self, Screen};
use crate::{count, families, machine, matrix, ratios};

/// Pictures behind the table of a family: file, and what it shows.
const PICTURES: [(&str, &[(&str, &str)]); 3] = [
    (
        "stores: adding and opening",
        &[
            (
                "growth-tick.svg",
                "The cost of a tick of 100 against the number of jobs that are not due, for each store: flat lines.",
            ),
            (
                "growth-add.svg",
                "The cost of adding a job in one import against the number of jobs, for each store.",
            ),
        ],
    ),
    (
        "adding jobs",
        &[(
            "growth-scheduler.svg",
            "The cost of adding a job against the number of jobs, for Matins, apalis-cron and tokio-cron-scheduler: about 1, 2 and 25 microseconds, all flat.",
        )],
    ),
    (
        "lateness",
        &[(
            "lateness.svg",
            "The share of 10,000 runs due at one instant that began no later than a time, for each executor and each peer.",
        )],
    ),
];

/// The scorecard of one run, as the book keeps it. Its pages are made from it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    families: Vec<Measured>,
}

/// A family, and what is to be known of its measurement.
#[derive(Debug, Serialize, Deserialize)]
struct Measured {
    /// The processor, memory, kernel and compiler, and the day.
    on: String,
    is_quick: bool,
    left_out: Vec<String>,
    #[serde(flatten)]
    family: Family,
}

impl Record {
    /// The one that is in the book, with what was measured now in the place of what it had.
    pub(crate) fn with(card: Vec<Family>, measuring: &Measuring) -> Self {
        let mut families = Self::read().map_or_else(|_| Vec::new(), |record| record.families);
        for family in card {
            let (on, left_out) = (machine::describe(), measuring.left_out(Some(&family)));
            let measured = Measured { on, is_quick: measuring.is_quick, left_out, family };
            match families.iter_mut().find(|before| before.family.name == measured.family.name) {
                Some(before) => *before = measured,
                None => families.push(measured),
            }
        }
        let place = |name: &str| families::ALL.iter().position(|(other, ..)| *other == name);
        families.retain(|measured| place(&measured.family.name).is_some());
        families.sort_by_key(|measured| place(&measured.family.name));
        Self { families }
    }

    /// The one that is in the book.
    pub(crate) fn read() -> Result<Self, Box<dyn Error>> {
        Ok(serde_json::from_str(&fs::read_to_string(directory().join(RECORD))?)?)
    }

    /// Returns a family by its name.
    #[cfg(test)]
    pub(crate) fn family(&self, name: &str) -> Option<&Family> {
        self.families.iter().map(|measured| &measured.family).find(|family| family.name == name)
    }

    /// Writes it into the book, with the pages and pictures that are made from it.
    pub(crate) fn write(&self) -> Result<(), Box<dyn Error>> {
        fs::write(directory().join(RECORD), format!("{}\n", serde_json::to_string_pretty(self)?))?;
        for (file, text) in self.files() {
            fs::write(directory().join(file), text)?;
        }
        anstream::println!("{}", directory().join(PAGE).canonicalize()?.display());
        Ok(())
    }

    /// What is made from it: files of the book's folder, and what is in them.
    fn files(&self) -> Vec<(String, String)> {
        let mut files = vec![
            (PAGE.to_owned(), self.page().expect("a string takes what is written")),
            (FIGURES.to_owned(), self.figures().expect("a string takes what is written")),
        ];
        files.push((COMPARE.to_owned(), self.compare()));
        for Measured { family, .. } in &self.families {
            for screen in Screen::ALL {
                let ratios = ratios::picture(family, screen);
                files.extend(ratios.map(|picture| (screen.file(&ratios::name(family)), picture)));
                if family.name == matrix::FAMILY {
                    files.push((screen.file(matrix::NAME), matrix::picture(family, screen)));
                }
            }
        }
        files
    }

    fn page(&self) -> Result<String, std::fmt::Error> {
        let mut page = String::new();
        let (reached, goals) = count(self.families.iter().map(|measured| &measured.family));
        writeln!(page, "# Scorecard\n")?;
        writeln!(
            page,
            "Made by `just scorecard --book`, which measures everything in about 40 minutes: {reached} of {goals} goals reached.\n"
        )?;
        writeln!(
            page,
            "All contenders are measured in turn (ours, theirs, ours, theirs), so that a change of the machine's speed affects all of \
             them alike. A number is the median of several rounds, followed by the least and the most. A ratio above 1 means that Matins \
             is better. What the rows mean for a choice, and why some goals are missed, is in [What to choose](choosing.md).\n"
        )?;
        writeln!(
            page,
            "In the pictures, a dot is a ratio on a logarithmic scale: green where the goal is reached, red where it is missed, grey \
             where there is no goal. A tick marks the goal. Unfold the table for the numbers.\n"
        )?;
        for measured in &self.families {
            write_family(measured, &mut page)?;
        }
        Ok(page.trim_end().to_owned() + "\n")
    }

    /// The comparison with others, which is outside of the book, with the table of whole schedulers between its two marks.
    fn compare(&self) -> String {
        let before = fs::read_to_string(directory().join(COMPARE)).unwrap_or_default();
        let (Some((front, rest)), Some(family)) = (
            before.split_once(BEGIN),
            self.families.iter().map(|measured| &measured.family).find(|family| family.name == SHARED),
        ) else {
            return before;
        };
        let back = rest.split_once(END).map_or("", |(_, back)| back);
        let rows = family.rows.iter().map(|row| {
            let [work, ours, peer, theirs, ratio, ..] = cells(row).map(|cell| escaped(&cell));
            format!("| {work} | {ours} | {peer} | {theirs} | {ratio} |\n")
        });
        let rows: String = rows.collect();
        let head = "| | Matins | beside | | ratio |\n| --- | --- | --- | --- | --- |\n";
        format!("{front}{BEGIN}\n\n{head}{rows}\n{END}{back}")
    }

    /// Each number under a name, for pages that quote it.
    fn figures(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let mut names = BTreeSet::new();
        let mut figure = |name: String, value: String| {
            if !names.insert(name.clone()) {
                return Ok(());
            }
            writeln!(text, "ANCHOR: {name}\n{value}\nANCHOR_END: {name}")
        };
        for Measured { family, .. } in &self.families {
            for row in &family.rows {
                let work = format!("{}--{}", slug(&family.name), slug(&row.work));
                figure(work.clone(), with_unit(row.ours.median, row.unit.name))?;
                if let Some((peer, value)) = &row.peer {
                    let peer = format!("{work}--{}", slug(peer));
                    figure(peer.clone(), with_unit(value.median, row.unit.name))?;
                    if let Some(ratio) = row.ratio() {
                        figure(format!("{peer}--ratio"), card::number(ratio))?;
                    }
                }
            }
        }
        Ok(text)
    }
}

const RECORD: &str = "scorecard.json";
const PAGE: &str = "scorecard.md";
const FIGURES: &str = "figures.txt";
const COMPARE: &str = "../../../COMPARE.md";
const BEGIN: &str = "<!-- The scorecard writes what follows. -->";
const END: &str = "<!-- The scorecard has written what precedes. -->";
/// The family that the comparison shows.
const SHARED: &str = "whole schedulers on PostgreSQL";

pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/benchmarks")
}

fn with_unit(value: f64, unit: &str) -> String {
    let number = card::number(value);
    match unit {
        "count" => number,
        "%" => format!("{number} %"),
        "fires/s" => format!("{number} fires a second"),
        unit => format!("{number} {unit}"),
    }
}

/// A text as a name of letters, digits and hyphens.
pub(crate) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

fn write_family(measured: &Measured, page: &mut String) -> std::fmt::Result {
    let Measured { on, is_quick, left_out, family } = measured;
    writeln!(page, "## {}\n", capitalised(&family.name))?;
    if ratios::picture(family, Screen::Desktop).is_some() {
        let alt = format!("The ratios of the table below, {}", family.name);
        writeln!(page, "{}\n", screen::element(&ratios::name(family), &alt))?;
    }
    for (side, does) in &family.sides {
        writeln!(page, "* **{}**: {}", escaped(side), escaped(does))?;
    }
    let quick = if *is_quick { ", with fewer rounds (`--quick`)" } else { "" };
    writeln!(page, "\nMeasured on {on}{quick}.")?;
    for line in left_out {
        writeln!(page, "\nLeft out: {}.", escaped(line))?;
    }
    writeln!(page, "\n<details><summary>Table of {} rows</summary>\n", family.rows.len())?;
    writeln!(page, "<!-- ANCHOR: {} -->\n", slug(&family.name))?;
    write_table(family, page)?;
    writeln!(page, "\n<!-- ANCHOR_END: {} -->\n\n</details>", slug(&family.name))?;
    let mut reasons: Vec<&str> = family
        .rows
        .iter()
        .filter(|row| row.reached() == Some(false))
        .filter_map(|row| row.because.as_deref())
        .collect();
    reasons.dedup();
    for reason in reasons {
        writeln!(page, "\nWhere a goal is missed: {}.", escaped(reason))?;
    }
    if family.name == matrix::FAMILY {
        let alt = "Time for each of 200 runs, by task and executor, as points.";
        writeln!(page, "\n{}", screen::element(matrix::NAME, alt))?;
    }
    for (_, pictures) in PICTURES.iter().filter(|(name, _)| *name == family.name) {
        for (file, alt) in *pictures {
            writeln!(page, "\n![{alt}]({file})")?;
        }
    }
    writeln!(page)
}

/// The rows of a family, without the columns in which none has anything.
fn write_table(family: &Family, page: &mut String) -> std::fmt::Result {
    let mut rows = Vec::with_capacity(family.rows.len());
    for row in &family.rows {
        let mut cells = cells(row).map(|cell| escaped(&cell));
        match row.reached() {
            Some(true) => "<span class=\"reached\">yes</span>".clone_into(&mut cells[6]),
            Some(false) => "<span class=\"missed\">no</span>".clone_into(&mut cells[6]),
            None => {}
        }
        rows.push(cells);
    }
    let mut line = |cells: [&str; HEADINGS.len()]| {
        let is_used = |column: &usize| rows.iter().any(|cells| !cells[*column].is_empty());
        let used: Vec<&str> = (0..cells.len()).filter(is_used).map(|column| cells[column]).collect();
        writeln!(page, "| {} |", used.join(" | "))
    };
    line(HEADINGS)?;
    line(["---", "---", "---", "---", "---:", "---:", "---"])?;
    rows.iter().try_for_each(|cells| line(cells.each_ref().map(String::as_str)))
}

/// As Markdown shows it literally.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut is_code = false;
    for character in text.chars() {
        is_code ^= character == '`';
        if matches!(character, '|') || (!is_code && matches!(character, '*' | '_' | '<' | '#')) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_markdown_would_take_for_marks_is_escaped() {
        assert_eq!(escaped("*/5 * a|b"), "\\*/5 \\* a\\|b");
        assert_eq!(escaped("`*/5 *`"), "`*/5 *`");
        assert_eq!(capitalised("walk"), "Walk");
        assert_eq!(slug("1 scheduler, 100 a commit (µs)"), "1-scheduler-100-a-commit-s");
    }

    #[test]
    fn the_pages_of_the_book_are_made_from_its_record() {
        for (file, made) in Record::read().unwrap().files() {
            let there = fs::read_to_string(directory().join(&file)).unwrap_or_default();
            assert!(there == made, "{file} is not what scorecard.json says: run `scorecard --redraw`");
        }
    }
}
