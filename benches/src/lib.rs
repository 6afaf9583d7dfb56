//! The works that the benches and the scorecard measure: ours, the same done by peers, and the same by bare means.
//!
//! | module | works |
//! | --- | --- |
//! | [`triggers`] | the next fire of a cron expression, a walk, reading |
//! | [`stores`] | a tick of 100 due jobs, moves, adding, opening |
//! | [`executors`] | empty runs handed over and reported, a matrix of tasks |
//! | [`elsewhere`] | runs of workers in other processes, by way of a server |
//! | [`cluster`] | many schedulers on one PostgreSQL database |
//! | [`shared`] | whole schedulers that share a PostgreSQL database |
//! | [`schedulers`] | lateness, adding, sustained fires, idling |
//! | [`contest`] | measuring several in turn, so that drift of the machine meets all alike |

// What is counted and timed here stays far below 2^52.
#![allow(clippy::cast_precision_loss)]

pub mod cluster;
pub mod contest;
pub mod elsewhere;
pub mod executors;
pub mod schedulers;
pub mod shared;
pub mod stores;
pub mod triggers;
