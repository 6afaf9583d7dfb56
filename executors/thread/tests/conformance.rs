//! The thread executor passes the suite of executors.

use matins_executor_thread::ThreadExecutor;

matins_conformance::executor_suite!(|limits| {
    ThreadExecutor::builder().workers(limits.at_once).queue(limits.waiting).build()
});
