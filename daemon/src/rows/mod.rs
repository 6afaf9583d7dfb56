//! Jobs, runs and nodes as rows of tables, and in words.

pub mod job;
pub mod node;
pub mod policy;
pub mod run;
