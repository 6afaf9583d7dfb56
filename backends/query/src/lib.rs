//! Which jobs and runs a query asks for: what a job store uses for the conditions that no index of its own answers.
//!
//! ```
//! use chrono::DateTime;
//! use matins_core::{IntoTrigger, Job, JobId, JobQuery, TaskName};
//! use matins_store_query::JobQueryExt;
//! use matins_triggers::at;
//!
//! let job = |id| -> Result<Job, Box<dyn std::error::Error>> {
//!     let noon = DateTime::from_timestamp(43_200, 0).unwrap();
//!     let trigger = at(noon).into_trigger(DateTime::UNIX_EPOCH)?;
//!     Ok(Job::new(JobId::new(id)?, TaskName::new("work")?, trigger, Some(noon), DateTime::UNIX_EPOCH))
//! };
//! let jobs = [job("report")?, job("backup-2")?, job("backup-1")?];
//!
//! let backups = JobQuery::default().id_prefix("backup-");
//! assert!(!backups.matches(&jobs[0]));
//! let found = backups.select(jobs);
//! assert_eq!(found.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["backup-1", "backup-2"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod jobs;
mod runs;

pub use jobs::JobQueryExt;
pub use runs::RunQueryExt;
