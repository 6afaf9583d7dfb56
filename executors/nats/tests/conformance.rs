//! The executor passes the suite of executors, with a worker in the same process.

mod rig;

matins_conformance::executor_suite!(|limits| rig::WithWorker::new(limits), if rig::server().is_some());
