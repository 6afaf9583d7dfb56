//! The rayon executor passes the suite of executors.

use matins_executor_rayon::RayonExecutor;

/// Short, because a test waits for it.
const GRACE: std::time::Duration = std::time::Duration::from_secs(1);

matins_conformance::executor_suite!(|limits| {
    RayonExecutor::builder()
        .threads(limits.at_once)
        .queue(limits.waiting)
        .cancel_grace(GRACE)
        .build()
        .expect("a pool")
});
