//! A scheduler after chapter 2: many jobs, and a queue that knows which is
//! next.

pub mod queue;
#[path = "../../01/src/run_loop.rs"]
pub mod run_loop;
#[path = "../../01/src/trigger.rs"]
pub mod trigger;
