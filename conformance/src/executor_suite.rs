//! The suite of executors. Draft.
