//! The tokio executor passes the suite of executors.

use std::sync::LazyLock;
use std::time::Duration;

use matins_executor_tokio::TokioExecutor;
use tokio::runtime::{Builder, Runtime};

/// Short, because a test waits for it.
const GRACE: Duration = Duration::from_secs(1);

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime"));

matins_conformance::executor_suite!(|limits| {
    let builder = TokioExecutor::builder(RUNTIME.handle().clone()).at_once(limits.at_once);
    builder.queue(limits.waiting).cancel_grace(GRACE).build()
});
