//! The rayon executor survives ten thousand runs under chaos, and leaves nothing behind.

use matins_executor_rayon::RayonExecutor;

#[test]
fn ten_thousand_runs_under_chaos() {
    let make = || Box::new(RayonExecutor::builder().threads(8).build().expect("a pool")) as _;
    assert_eq!(matins_conformance::chaos::survive(10_000, 2, make, |_| (), |_| false), 0);
}
