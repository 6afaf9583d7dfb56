//! Where the workers of the tests come from.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use matins_executor_process::{ProcessExecutor, ProcessExecutorBuilder};

/// The program of `examples/worker.rs`, which `cargo test` builds beside the tests.
pub(crate) fn path() -> PathBuf {
    let test = env::current_exe().expect("the test's path");
    let program = test.ancestors().nth(2).expect("its directory").join("examples/worker");
    assert!(program.exists(), "build {} first: cargo build --examples", program.display());
    program
}

/// Workers that run it.
pub(crate) fn builder() -> ProcessExecutorBuilder {
    ProcessExecutor::builder()
        .program(path())
        .start_timeout(Duration::from_secs(60))
        .kill_grace(Duration::from_millis(200))
}
