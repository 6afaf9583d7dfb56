//! Times and tables for people.

pub(crate) use matins::control::display::{counted, failures_in_a_row, local, relative, span, trigger};
