//! A table of what happened at each event of a day: the clock change, the restart, the two steps.

use std::fmt::Write;

use chrono::{DateTime, TimeDelta, Utc};

use crate::page::head;
use crate::record::Day;

pub(crate) fn table(_day: &Day) -> Result<String, std::fmt::Error> {
    Ok(head("event"))
}
