//! The prelude has no name that programs import from elsewhere: all of this is ambiguous, or hides a name, if it has.

#![allow(unused_imports)]

mod beside_globs {
    use anyhow::*;
    use chrono::prelude::*;
    use matins::prelude::*;
    use std::process::*;
    use std::sync::*;
    use std::time::*;
    use tokio::runtime::*;
    use tokio::task::*;

    /// A name that two globs bring in is an error when it is used.
    pub(super) fn uses_them() -> Result<Option<Handle>> {
        let _: Command = Command::new("true");
        let _: Duration = Duration::from_secs(1);
        let _: DateTime<Utc> = Utc.timestamp_opt(0, 0).unwrap();
        let _: core::time::Duration = core::time::Duration::ZERO;
        let _ = every(3.seconds()).run(|| ());
        Ok(Handle::try_current().ok())
    }
}

mod beside_names {
    use anyhow::{Context, Result};
    use matins::prelude::*;
    use std::process::Command;
    use tokio::runtime::Handle;

    /// As a program with clap names them.
    #[derive(Debug, Default)]
    pub(super) struct Arguments;
    #[derive(Debug, Default)]
    pub(super) struct Args;
    #[derive(Debug, Default)]
    pub(super) struct Parser;
    #[derive(Debug, Default)]
    pub(super) struct Schedule;

    pub(super) fn uses_them() -> Result<(Arguments, Args, Parser, Schedule)> {
        let _ = (Command::new("true"), Handle::try_current());
        let scheduler = matins::scheduler().blocking().context("no scheduler")?;
        scheduler.add(cron("0 9 * * *").or(every(1.hours())).run(|| anyhow::Ok(())))?;
        Ok(Default::default())
    }
}

/// All of the crate, beside the language's own `core`.
mod beside_core {
    use matins::*;

    pub(super) fn uses_it() -> core::time::Duration {
        core::time::Duration::ZERO
    }
}

#[test]
fn the_prelude_stands_beside_what_programs_import() {
    assert!(beside_globs::uses_them().unwrap().is_none());
    beside_names::uses_them().unwrap();
    assert!(beside_core::uses_it().is_zero());
}
