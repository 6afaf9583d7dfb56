//! The works, by family.

#![allow(clippy::unnecessary_wraps, reason = "all families are measured by one kind of function")]

mod counts;
mod executors;
mod lateness;
mod schedulers;
mod sizes;
mod stores;
mod triggers;

pub(crate) use executors::TASKS;

use std::error::Error;

use crate::card::Family;
use crate::pictures::Figures;
use crate::python::Python;

/// A family by its name, and what measures it.
type Measure = fn(&mut Measuring, &'static str) -> Result<Family, Box<dyn Error>>;

pub(crate) const ALL: [(&str, Measure); 16] = [
    ("next fire, UTC", triggers::next_fire_in_utc),
    ("next fire, Europe/Berlin", triggers::next_fire_in_berlin),
    ("far fires", triggers::far_fires),
    ("walk", triggers::walk),
    ("parse", triggers::parse),
    ("stores", stores::ticks),
    ("stores: growth", stores::growth),
    ("stores: adding and opening", stores::adding_and_opening),
    ("executors", executors::overhead),
    ("executors: matrix", executors::matrix),
    ("adding jobs", schedulers::adding),
    ("lateness", lateness::lateness),
    ("sustained", schedulers::sustained_fires),
    ("idle", schedulers::idle),
    ("counts", counts::counts),
    ("sizes", sizes::sizes),
];

/// How much is measured, and what comes of it beside the rows.
#[derive(Debug)]
pub(crate) struct Measuring {
    pub(crate) is_quick: bool,
    pub(crate) python: Option<Python>,
    pub(crate) figures: Figures,
    left_out: Vec<String>,
}

impl Measuring {
    pub(crate) fn new(is_quick: bool, python: Option<Python>) -> Self {
        let mut left_out = Vec::new();
        if python.is_none() {
            left_out.push("APScheduler; name an interpreter that has it with --python PATH".to_owned());
        }
        Self { is_quick, python, figures: Figures::default(), left_out }
    }

    /// One of two numbers: for a quick run, and for a full one.
    pub(crate) fn either<T>(&self, quick: T, full: T) -> T {
        if self.is_quick { quick } else { full }
    }

    pub(crate) fn leave_out(&mut self, what: impl Into<String>) {
        self.left_out.push(what.into());
    }

    pub(crate) fn left_out(&self) -> &[String] {
        &self.left_out
    }
}
