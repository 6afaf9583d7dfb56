//! The thread executor survives ten thousand runs under chaos, and leaves nothing behind.

use matins_executor_thread::ThreadExecutor;

#[test]
fn ten_thousand_runs_under_chaos() {
    let make = || Box::new(ThreadExecutor::builder().workers(8).build()) as _;
    assert_eq!(matins_conformance::chaos::survive(10_000, 1, make, |_| (), |_| false), 0);
}
