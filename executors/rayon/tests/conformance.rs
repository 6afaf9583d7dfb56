//! The rayon executor passes the suite of executors.

use matins_executor_rayon::RayonExecutor;

matins_conformance::executor_suite!(|limits| {
    RayonExecutor::builder().threads(limits.at_once).queue(limits.waiting).build().expect("a pool")
});
