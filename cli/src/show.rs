//! Times and tables for people.

pub(crate) use matins::control::display::{counted, local, relative, span, trigger};
