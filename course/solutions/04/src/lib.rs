//! A scheduler after chapter 4: cron expressions in local time.

#[path = "../../03/src/cron/mod.rs"]
pub mod cron;
pub mod local_cron;
#[path = "../../02/src/queue/mod.rs"]
pub mod queue;
#[path = "../../01/src/run_loop.rs"]
pub mod run_loop;
#[path = "../../01/src/trigger.rs"]
pub mod trigger;
pub mod zone;
