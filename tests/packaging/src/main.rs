//! Compares the public API of each library with the snapshot of it in the folder `snapshots`, and with the list of the foreign
//! crates that it may show. `public-api check` (the default) compares, `public-api accept` writes the snapshots.
//!
//! The API is read from rustdoc's JSON. Its format changes with the version of Rust, and each version of the crate `public-api` reads
//! one format.

mod documentation;
mod foreign;
mod snapshot;

use std::env;
use std::process::ExitCode;

use anyhow::{Result, bail};

fn main() -> Result<ExitCode> {
    let accepts = match env::args().nth(1).as_deref() {
        None | Some("check") => false,
        Some("accept") => true,
        Some(other) => bail!("cannot {other:?}; say `check` or `accept`"),
    };
    let mut complaints = Vec::new();
    let apis = documentation::public_apis()?;
    for (library, api) in &apis {
        if accepts {
            snapshot::write(library, api)?;
        }
        complaints.extend(snapshot::complaint(library, api)?);
        complaints.extend(foreign::complaints(library, api));
    }
    complaints.extend(snapshot::without_library(apis.keys())?);
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    Ok(if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
