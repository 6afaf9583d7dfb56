//! The daemon of the command `matins`: it runs the commands of a configuration or a crontab, keeps to its files as they change, and
//! can be asked and controlled. What commands need to reach a daemon, or a store that has none, is here too.
//!
//! This is a part of the command: its items are for the command alone, and change with it. A program of your own has a scheduler in it,
//! and serves it with `matins::control` and `matins::web`.

#![warn(clippy::print_stdout, clippy::print_stderr, clippy::dbg_macro)]

mod boot;
mod failure;
mod follow;
mod history;
mod hooks;
mod host;
mod http;
pub mod listing;
mod log;
pub mod mail;
mod metrics;
mod open_store;
mod orphans;
mod pages;
mod paths;
mod process_setup;
mod read_file;
mod reaper;
mod reload;
pub mod rows;
mod run;
mod safety;
mod service;
mod source_file;
mod sources;
mod store_care;
mod stored;
mod stores;
mod sync;
mod target;
mod waiting;
mod watch_files;
mod worker;
mod zone_rules;

pub use failure::Failure;
pub use follow::follow;
pub use http::HttpSettings;
pub use log::{event_text, outcome_style};
pub use open_store::{OpenError, give_to, postgres_options};
pub use pages::{Paged, Taker, read_answer};
pub use run::{LogForm, Settings, WORKERS, run};
pub use sources::{Defined, DefinedFile, Sources};
pub use store_care::{Looked, Migrated, look_through_postgres, look_through_sqlite, migrate_sqlite};
pub use sync::Changes;
pub use target::{Client, DEFAULT_STORE, Target};
pub use worker::work;
pub use zone_rules::{check_variable, system_zone};
