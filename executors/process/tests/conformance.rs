//! The process executor passes the suite of executors.

mod program;

matins_conformance::executor_suite!(|limits| {
    crate::program::builder().workers(limits.at_once).queue(limits.waiting).build().expect("an executor")
});
