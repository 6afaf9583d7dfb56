//! A scheduler after chapter 1: triggers, and a loop that fires.

pub mod run_loop;
pub mod trigger;
