//! Measures Matins beside its peers and beside raw limits, in one run, and says which goals are reached.
//!
//! ```text
//! cargo run --release -p matins-benches --bin scorecard            # everything, under half an hour
//! cargo run --release -p matins-benches --bin scorecard -- --quick # less of it, under five minutes
//! ```
//!
//! Whoever is compared is measured in turn (ours, theirs, ours, theirs), so that drift of the machine meets all alike; what is
//! shown is the median, with the least and the most. A ratio above 1 means that ours is better.

#![allow(clippy::cast_precision_loss, reason = "what is counted and timed here stays far below 2^52")]

mod book;
mod card;
mod child;
mod families;
mod machine;
mod matrix;
mod peers;
mod pictures;
mod python;
mod ratios;
mod screen;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use matins_benches::executors::be_a_child_if_asked;

use crate::card::Family;
use crate::families::Measuring;
use crate::python::Python;

/// Measures Matins beside its peers and beside raw limits, and says which goals are reached.
#[derive(Debug, Parser)]
#[command(name = "scorecard", version)]
struct Arguments {
    /// Fewer rounds and smaller sizes: under five minutes on two processors.
    #[arg(long)]
    quick: bool,
    /// Writes the rows as a JSON array to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Puts the tables and the pictures into the book; with `--only`, those of these families.
    #[arg(long)]
    book: bool,
    /// Measures nothing: makes the book's pages from what it has of the last run.
    #[arg(long)]
    redraw: bool,
    /// Also measures APScheduler, by this interpreter, which must have it installed.
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Also measures APScheduler 4 on PostgreSQL, by this interpreter, which must have it installed.
    #[arg(long, value_name = "PATH")]
    python4: Option<PathBuf>,
    /// Only the families whose name contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    #[command(subcommand)]
    child: Option<child::Child>,
}

fn main() -> Result<(), Box<dyn Error>> {
    be_a_child_if_asked();
    let arguments = Arguments::parse();
    if let Some(child) = arguments.child {
        return child.work();
    }
    if arguments.redraw {
        return book::Record::read()?.write();
    }
    let python = arguments.python.map(Python::new).transpose()?;
    let begun = Instant::now();
    let mut measuring = Measuring::new(arguments.quick, python, arguments.python4);
    let is_asked_for = |name: &str| arguments.only.as_ref().is_none_or(|part| name.contains(part.as_str()));
    let asked_for: Vec<_> = families::ALL.into_iter().filter(|(name, ..)| is_asked_for(name)).collect();
    let card = families::measure(&mut measuring, &asked_for)?;
    let mut out = anstream::stdout();
    for family in &card {
        card::print(family, &mut out)?;
    }
    let taken = begun.elapsed();
    anstream::println!("\n{}", machine::describe());
    for line in measuring.left_out(None) {
        anstream::println!("left out: {line}");
    }
    let (reached, goals) = count(&card);
    anstream::println!("{reached} of {goals} goals reached; {:.0} s", taken.as_secs_f64());
    if let Some(path) = &arguments.json {
        fs::write(path, format!("{:#}\n", card::to_json(&card)))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if arguments.book {
        pictures::draw(&measuring.figures, &book::directory())?;
        book::Record::with(card, &measuring).write()?;
    }
    Ok(())
}

/// How many goals are reached, of how many.
fn count<'a>(card: impl IntoIterator<Item = &'a Family>) -> (usize, usize) {
    let reached: Vec<bool> =
        card.into_iter().flat_map(|family| &family.rows).filter_map(card::Row::reached).collect();
    (reached.iter().filter(|reached| **reached).count(), reached.len())
}
