//! Jobs that are defined in files: configurations of the command `matins`, and crontabs as Debian's cron reads them.
//!
//! A file is read whole, and refused whole: all that is wrong in it is in the answer, each fault with its line and column.
//!
//! ```
//! use matins_definitions::crontab::{self, Form, Options};
//! use matins_triggers::Zone;
//!
//! let text = b"CRON_TZ=Europe/Berlin\n30 2 * * MON-FRI  pg_dump shop | gzip > shop.gz\n";
//! let crontab = crontab::parse(text, &Options::new(Zone::utc(), Form::User)).unwrap();
//! assert_eq!(crontab.jobs[0].id, "pg_dump");
//!
//! let faults = crontab::parse(b"30 25 * * *  pg_dump\n", &Options::new(Zone::utc(), Form::User)).unwrap_err();
//! assert_eq!((faults[0].line, faults[0].column), (1, 4));
//! ```
//!
//! | item | what it is |
//! | --- | --- |
//! | [`Configuration`] | what a configuration in TOML or JSON says |
//! | [`crontab`] | what a crontab says |
//! | [`Definition`] | a job as either of them defines it, or keys and values do |
//! | [`Diagnostic`] | what is wrong in a file, and where |
//!
//! A definition becomes a job by [`Definition::job`], and its task is the command of the crate `matins-task-command`, registered as
//! [`COMMAND`].

mod by_keys;
mod configuration;
pub mod crontab;
mod defaults;
mod definition;
mod diagnostic;
mod error;
mod nearest;

pub use by_keys::edited;
pub use configuration::{Configuration, Hook, NamedCrontab};
pub use defaults::{Defaults, GroupLimits};
pub use definition::{COMMAND, Definition, Mail, When};
pub use diagnostic::{Diagnostic, report};
pub use error::DefinitionError;
pub use nearest::nearest;
