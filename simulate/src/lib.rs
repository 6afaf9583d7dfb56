//! What jobs will do, found out by having them do it, on a clock that leaps: how many fires, how many at once, which would be missed.
//!
//! The scheduler in a simulation is the real one, with its rules for late fires, overlap and time limits. Only its clock and its executor
//! are not: an hour passes at once, and a run lasts as long as it is said to. A simulation of the same jobs has the same answer each time.
//!
//! ```
//! use chrono::TimeDelta;
//! use matins_definitions::Configuration;
//! use matins_simulate::Simulation;
//! use matins_triggers::Zone;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = r#"
//!     [jobs.backup]
//!     cron = "0 * * * *"
//!     shell = "backup"
//!     expected_duration = "70m"
//! "#;
//! let jobs = Configuration::parse(text, Zone::utc()).unwrap().jobs;
//! let from = "2026-11-25T00:30:00Z".parse()?;
//! let forecast = Simulation::new(&jobs, from, TimeDelta::hours(24)).run()?;
//! assert_eq!(forecast.fires, 24);
//! // Each second hour finds the run of the hour before.
//! assert_eq!(forecast.missed["an earlier run was still going"]["backup"], 12);
//! # Ok(())
//! # }
//! ```
//!
//! [`Timeline`] draws the fires of jobs, and the changes of the clocks, as SVG.

mod counted;
mod forecast;
mod simulation;
#[cfg(test)]
mod tests;
mod timeline;
mod words;
mod world;

pub use forecast::{Busiest, Forecast, KnownFrom, RunTime};
pub use simulation::{Simulation, SimulationError};
pub use timeline::Timeline;
