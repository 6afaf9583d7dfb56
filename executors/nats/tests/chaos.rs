//! Two thousand runs with cancellations, panics and time limits; nothing is left behind.

mod rig;

use matins_conformance::chaos;
use matins_conformance::executor_suite::Limits;

#[test]
fn two_thousand_runs_under_chaos() {
    if rig::server().is_none() {
        return;
    }
    let make = || Box::new(rig::WithWorker::new(Limits { at_once: 8, waiting: 10_000 })) as _;
    assert_eq!(chaos::survive(2_000, 7, make, |_| (), |_| false), 0);
}
