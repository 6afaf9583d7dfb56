//! The thread executor passes the suite of executors.

use matins_executor_thread::ThreadExecutor;

/// Short, because a test waits for it.
const GRACE: std::time::Duration = std::time::Duration::from_secs(1);

matins_conformance::executor_suite!(|limits| {
    ThreadExecutor::builder().workers(limits.at_once).queue(limits.waiting).cancel_grace(GRACE).build()
});
