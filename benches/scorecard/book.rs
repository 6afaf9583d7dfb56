//! Puts the tables and the pictures into the book.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::card::{Family, HEADINGS, cells};
use crate::families::Measuring;
use crate::{count, machine, pictures};

/// Pictures behind the table of a family: file, and what it shows.
const PICTURES: [(&str, &[(&str, &str)]); 4] = [
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
    ("executors: matrix", &[("executors.svg", "Time for each of 200 runs, by task and executor, as bars.")]),
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

pub(crate) fn write(card: &[Family], measuring: &Measuring, taken: Duration) -> Result<(), Box<dyn Error>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/benchmarks");
    pictures::draw(&measuring.figures, &directory)?;
    let page = directory.join("scorecard.md");
    fs::write(&page, text(card, measuring, taken)?)?;
    anstream::println!("{}", page.canonicalize()?.display());
    Ok(())
}

fn text(card: &[Family], measuring: &Measuring, taken: Duration) -> Result<String, std::fmt::Error> {
    let mut page = String::new();
    let (reached, goals) = count(card);
    let quick = measuring.either(" --quick", "");
    let python = if measuring.python.is_some() { " --python PATH" } else { "" };
    writeln!(page, "# Scorecard\n")?;
    writeln!(
        page,
        "Made by `cargo run --release -p matins-benches --bin scorecard -- --book{quick}{python}` in {:.0} minutes: \
         {reached} of {goals} goals reached. {}.\n",
        taken.as_secs_f64() / 60.0,
        machine::describe()
    )?;
    writeln!(
        page,
        "Whoever is compared is measured in turn (ours, theirs, ours, theirs), so that drift of the machine meets all \
         alike. A number is the median, with the least and the most behind it. A ratio above 1 means that ours is \
         better. What the rows mean for a choice, and why some are missed, is in \
         [What to choose](choosing.md).\n"
    )?;
    for line in measuring.left_out() {
        writeln!(page, "Left out: {}.\n", escaped(line))?;
    }
    for family in card {
        writeln!(page, "## {}\n", capitalised(family.name))?;
        for (side, does) in &family.sides {
            writeln!(page, "* **{}**: {}", escaped(side), escaped(does))?;
        }
        writeln!(page, "\n| {} |", HEADINGS.join(" | "))?;
        writeln!(page, "| --- | --- | --- | --- | ---: | ---: | --- |")?;
        for row in &family.rows {
            let mut cells = cells(row).map(|cell| escaped(&cell));
            match row.reached() {
                Some(true) => "<span class=\"reached\">yes</span>".clone_into(&mut cells[6]),
                Some(false) => "<span class=\"missed\">no</span>".clone_into(&mut cells[6]),
                None => {}
            }
            writeln!(page, "| {} |", cells.join(" | "))?;
        }
        let mut reasons: Vec<&str> = family
            .rows
            .iter()
            .filter(|row| row.reached() == Some(false))
            .filter_map(|row| row.because)
            .collect();
        reasons.dedup();
        for reason in reasons {
            writeln!(page, "\nWhere a goal is missed: {}.", escaped(reason))?;
        }
        for (_, pictures) in PICTURES.iter().filter(|(name, _)| *name == family.name) {
            for (file, alt) in *pictures {
                writeln!(page, "\n![{alt}]({file})")?;
            }
        }
        writeln!(page)?;
    }
    Ok(page.trim_end().to_owned() + "\n")
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
    }
}
