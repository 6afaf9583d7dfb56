//! The laws and suites that every trigger, store and executor passes, ours and a stranger's.
//!
//! | for | use |
//! | --- | --- |
//! | a trigger | the functions of [`laws`], and [`literal`] for one that can be said as local fields |
//! | a job store | `store_suite!` |
//! | a store that several schedulers share | `shared_store_suite!`; [`shared`] has a model of such a store |
//! | what stands on job stores | [`wrapped`]: stores that fail, and stores that measure |
//! | an executor | `executor_suite!`, and [`chaos`] |
//! | errors | [`causes`]: each cause is shown once |
//! | what stands on executors | [`inline`]: one that does each run where it is handed over |
//! | what talks to servers | [`servers`] starts them, [`nats`] another one, [`pooler`] a pool in front of one, and [`proxy`] is a bad network |
//! | fire times that others computed | [`vectors`] |
//!
//! ```
//! use chrono::{DateTime, TimeDelta, Utc};
//! use matins_conformance::laws;
//! use matins_triggers::IntervalTrigger;
//! use std::sync::Arc;
//!
//! let start: DateTime<Utc> = "2026-11-01T00:00:00Z".parse().unwrap();
//! let trigger = IntervalTrigger::new(start, TimeDelta::minutes(5)).unwrap();
//! laws::all(&(Arc::new(trigger) as _), start, start + TimeDelta::hours(3));
//! ```

pub mod causes;
pub mod chaos;
pub mod executor_suite;
pub mod inline;
pub mod laws;
pub mod literal;
pub mod nats;
pub mod pooler;
pub mod proof;
pub mod proxy;
pub mod servers;
pub mod shared;
pub mod store_suite;
pub mod strategies;
pub mod vectors;
pub mod wrapped;
pub mod zone_files;
