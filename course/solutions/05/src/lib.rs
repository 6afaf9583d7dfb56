//! A scheduler after chapter 5: a job store that survives power cuts.

#[path = "../../03/src/cron/mod.rs"]
pub mod cron;
#[path = "../../04/src/local_cron.rs"]
pub mod local_cron;
#[path = "../../02/src/queue/mod.rs"]
pub mod queue;
#[path = "../../01/src/run_loop.rs"]
pub mod run_loop;
pub mod store;
#[path = "../../01/src/trigger.rs"]
pub mod trigger;
#[path = "../../04/src/zone.rs"]
pub mod zone;
