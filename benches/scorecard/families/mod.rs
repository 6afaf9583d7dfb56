//! The works, by family.

#![allow(clippy::unnecessary_wraps, reason = "all families are measured by one kind of function")]

mod cluster;
mod counts;
mod elsewhere;
mod executors;
mod growth;
mod lateness;
mod million;
mod page;
mod schedulers;
mod shared;
mod sizes;
mod stores;
mod triggers;

use std::error::Error;
use std::path::PathBuf;

use matins_benches::contest::Spread;
use serde::{Deserialize, Serialize};

use crate::card::{Family, Row};
use crate::child;
use crate::pictures::Figures;
use crate::python::Python;

/// What measures a family.
type Measure = fn(&mut Measuring, &'static str) -> Result<Family, Box<dyn Error>>;

/// A family by its name, in how many processes it is measured, and by what.
pub(crate) const ALL: [(&str, usize, Measure); 21] = [
    ("next fire, UTC", OFTEN, triggers::next_fire_in_utc),
    ("next fire, Europe/Berlin", OFTEN, triggers::next_fire_in_berlin),
    ("far fires", OFTEN, triggers::far_fires),
    ("walk", OFTEN, triggers::walk),
    ("parse", OFTEN, triggers::parse),
    ("stores", 1, stores::ticks),
    ("stores: growth", 1, growth::growth),
    ("stores: adding and opening", 1, stores::adding_and_opening),
    ("executors", 1, executors::overhead),
    ("executors: matrix", 1, executors::matrix),
    ("workers elsewhere", 1, elsewhere::elsewhere),
    ("adding jobs", 1, schedulers::adding),
    ("lateness", 1, lateness::lateness),
    ("sustained", 1, schedulers::sustained_fires),
    ("schedulers on PostgreSQL", 1, cluster::cluster),
    ("whole schedulers on PostgreSQL", 1, shared::shared),
    ("idle", 1, schedulers::idle),
    ("a million jobs", 1, million::million),
    ("the page", 1, page::page),
    ("counts", 1, counts::counts),
    ("sizes", 1, sizes::sizes),
];

/// Where a call takes some nanoseconds, it matters by a half who else is busy on the processor's other half, and for how long.
/// So those are measured again and again, between the other families.
const OFTEN: usize = 12;

/// Measures all of these.
pub(crate) fn measure(
    measuring: &mut Measuring,
    families: &[(&'static str, usize, Measure)],
) -> Result<Vec<Family>, Box<dyn Error>> {
    let mut card = Vec::new();
    let mut again: Vec<Vec<Measured>> = families.iter().map(|_| Vec::new()).collect();
    let mut times = vec![0; families.len()];
    for (place, (name, processes, measure)) in families.iter().enumerate() {
        anstream::eprintln!("measuring {name} ...");
        measuring.family = name;
        card.push(measure(measuring, name)?);
        times[place] = 1;
        if *processes > 1 {
            continue;
        }
        for (other, (name, processes, _)) in families.iter().enumerate() {
            if (1..*processes).contains(&times[other]) {
                again[other].extend(child::family_again(name, measuring.is_quick));
                times[other] += 1;
            }
        }
    }
    for (place, (name, processes, _)) in families.iter().enumerate() {
        for _ in times[place]..*processes {
            again[place].extend(child::family_again(name, measuring.is_quick));
        }
    }
    for (family, again) in card.iter_mut().zip(&again) {
        for row in &mut family.rows {
            row.join(again);
        }
    }
    Ok(card)
}

impl Row {
    /// Takes in what other processes measured of the same.
    fn join(&mut self, others: &[Measured]) {
        let peer = self.peer.as_ref().map(|(peer, _)| peer);
        let same = others.iter().filter(|other| other.work == self.work && other.peer.as_ref() == peer);
        let (ours, theirs): (Vec<Spread>, Vec<Option<Spread>>) =
            same.map(|other| (other.ours, other.theirs)).unzip();
        self.ours = self.ours.with(&ours);
        if let Some((_, value)) = &mut self.peer {
            *value = value.with(&theirs.into_iter().flatten().collect::<Vec<_>>());
        }
    }
}

/// A row, as another process measured it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    work: String,
    ours: Spread,
    peer: Option<String>,
    theirs: Option<Spread>,
}

/// What this process measures of a family, for another one.
pub(crate) fn measured(name: &str, is_quick: bool) -> Result<Vec<Measured>, Box<dyn Error>> {
    let (name, _, measure) =
        ALL.into_iter().find(|(other, ..)| *other == name).ok_or_else(|| format!("no family {name:?}"))?;
    let family = measure(&mut Measuring::new(is_quick, None, None), name)?;
    let measured = |row: Row| {
        let (peer, theirs) = row.peer.unzip();
        Measured { work: row.work, ours: row.ours, peer, theirs }
    };
    Ok(family.rows.into_iter().map(measured).collect())
}

/// How much is measured, and what comes of it beside the rows.
#[derive(Debug)]
pub(crate) struct Measuring {
    pub(crate) is_quick: bool,
    pub(crate) python: Option<Python>,
    /// An interpreter that has APScheduler 4.
    pub(crate) python_4: Option<PathBuf>,
    pub(crate) figures: Figures,
    /// The family that is measured now.
    family: &'static str,
    /// Of which family, and what.
    left_out: Vec<(&'static str, String)>,
}

impl Measuring {
    pub(crate) fn new(is_quick: bool, python: Option<Python>, python_4: Option<PathBuf>) -> Self {
        Self { is_quick, python, python_4, figures: Figures::default(), family: "", left_out: Vec::new() }
    }

    /// One of two numbers: for a quick run, and for a full one.
    pub(crate) fn either<T>(&self, quick: T, full: T) -> T {
        if self.is_quick { quick } else { full }
    }

    pub(crate) fn leave_out(&mut self, what: impl Into<String>) {
        self.left_out.push((self.family, what.into()));
    }

    /// What was left out of a family, or of any.
    pub(crate) fn left_out(&self, of: Option<&Family>) -> Vec<String> {
        let is_of = |name: &str| of.is_none_or(|family| family.name == name);
        let left_out = self.left_out.iter().filter(|(name, _)| is_of(name));
        let mut left_out: Vec<_> = left_out.map(|(_, what)| what.clone()).collect();
        let is_beside = |family: &Family| family.sides.iter().any(|(side, _)| side == "APScheduler");
        if self.python.is_none() && of.is_none_or(is_beside) {
            left_out.push("APScheduler; name an interpreter that has it with --python PATH".to_owned());
        }
        left_out
    }
}
