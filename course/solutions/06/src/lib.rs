//! A scheduler after chapter 6: threads, coroutines and processes that do the
//! work.

pub mod coroutine;
#[path = "../../03/src/cron/mod.rs"]
pub mod cron;
pub mod executor;
#[path = "../../04/src/local_cron.rs"]
pub mod local_cron;
#[path = "../../02/src/queue/mod.rs"]
pub mod queue;
#[path = "../../01/src/run_loop.rs"]
pub mod run_loop;
#[path = "../../05/src/store/mod.rs"]
pub mod store;
#[path = "../../01/src/trigger.rs"]
pub mod trigger;
#[path = "../../04/src/zone.rs"]
pub mod zone;
