//! A scheduler after chapter 3: cron expressions.

pub mod cron;
#[path = "../../02/src/queue/mod.rs"]
pub mod queue;
#[path = "../../01/src/run_loop.rs"]
pub mod run_loop;
#[path = "../../01/src/trigger.rs"]
pub mod trigger;
