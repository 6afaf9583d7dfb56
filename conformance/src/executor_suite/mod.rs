//! The suite of executors: what each of them owes, as functions, and [`executor_suite!`](crate::executor_suite!) which
//! makes a test of each.

mod layers;
mod rig;
mod tasks;

use std::time::Duration;

use matins_core::{Executor, Outcome, Refusal, RunId, Shutdown};
use serde_json::json;

pub use self::layers::{
    a_layer_may_end_a_run_before_its_task_begins, a_panic_of_a_layer_fails_that_run_alone,
    layers_are_around_every_run,
};
use self::rig::Gate;
pub(crate) use self::rig::{Bench, GENEROUS};
pub(crate) use self::tasks::BEHAVE;
use self::tasks::TWICE;
pub use self::tasks::register;

/// How large an executor the suite asks for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Runs at once.
    pub at_once: usize,
    /// Runs that wait beyond those.
    pub waiting: usize,
}

/// Makes a test of each function of the suite; the argument is a closure from [`Limits`] to an executor. With `if CONDITION` behind it,
/// the tests do nothing where the condition is not met: it says that they are skipped.
#[macro_export]
macro_rules! executor_suite {
    ($make:expr) => {
        $crate::executor_suite!($make, if true);
    };
    ($make:expr, if $is_possible:expr) => {
        $crate::executor_suite!(@tests $make, $is_possible,
            every_run_completes_exactly_once,
            each_end_has_its_outcome,
            the_causes_of_a_failure_are_told_once,
            a_full_executor_refuses_and_recovers,
            a_place_is_free_when_its_run_is_reported,
            an_executor_that_is_shut_down_refuses,
            what_waits_begins_by_priority_then_in_order,
            shutdown_waits_for_what_runs_and_what_waits,
            shutdown_cancels_at_its_deadline,
            dropping_an_executor_ends_its_runs,
            a_run_over_its_time_limit_has_timed_out,
            a_run_that_does_not_stop_has_timed_out_all_the_same,
            a_run_that_was_left_behind_is_reported_when_it_ends,
            a_panic_of_what_a_task_has_registered_stops_no_time_limit,
            what_a_task_has_registered_may_wait_for_the_executor,
            what_a_run_logs_is_in_its_report,
            an_async_task_runs,
            a_task_is_told_the_run_that_it_follows,
            layers_are_around_every_run,
            a_panic_of_a_layer_fails_that_run_alone,
            a_layer_may_end_a_run_before_its_task_begins
        );
    };
    (@tests $make:expr, $is_possible:expr, $($name:ident),*) => {
        $(
            #[test]
            fn $name() {
                let is_possible: bool = $is_possible;
                if !is_possible {
                    return;
                }
                let make: fn($crate::executor_suite::Limits) -> _ = $make;
                $crate::executor_suite::$name(&mut |limits| Box::new(make(limits)));
            }
        )*
    };
}

/// Makes an executor of the size asked for.
pub type Make<'a> = &'a mut dyn FnMut(Limits) -> Box<dyn Executor>;

/// A thousand of them, a tenth of them panicking.
pub fn every_run_completes_exactly_once(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 4, waiting: 1000 }));
    for n in 0..1000 {
        let what = if n % 10 == 0 { "panic" } else { "return" };
        bench.submit(BEHAVE, json!({"do": what, "n": n})).expect("there is room");
    }
    let reports = bench.reports.wait_for(1000);
    let failed = reports.values().filter(|report| report.outcome == Outcome::Failed).count();
    assert_eq!(failed, 100);
}

/// Success, failure, panic, cancellation, each with what there is to say.
pub fn each_end_has_its_outcome(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 4, waiting: 10 }));
    for what in ["return", "fail", "panic", "until cancelled"] {
        bench.submit(BEHAVE, json!({"do": what})).expect("there is room");
    }
    bench.tokens[3].cancel();
    let reports = bench.reports.wait_for(4);
    let ends: Vec<(Outcome, Option<&str>)> =
        reports.values().map(|report| (report.outcome, report.message.as_deref())).collect();
    assert_eq!(ends[0], (Outcome::Succeeded, None));
    assert_eq!(reports[&1].result, Some(json!({"do": "return"})));
    assert_eq!(ends[1], (Outcome::Failed, Some("no luck")));
    assert_eq!(reports[&2].output.as_deref(), Some("tail"));
    assert_eq!(ends[2], (Outcome::Failed, Some("panicked: out of luck")));
    assert_eq!(ends[3].0, Outcome::Cancelled);
}

/// Those of any error type, in the order of the chain.
pub fn the_causes_of_a_failure_are_told_once(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 1, waiting: 10 }));
    bench.submit(BEHAVE, json!({"do": "fail with causes"})).expect("there is room");
    let reports = bench.reports.wait_for(1);
    let message = reports[&1].message.as_deref();
    assert_eq!(message, Some("cannot send the report: cannot connect to mail.example: connection refused"));
}

/// At once, without waiting for room; and takes runs again when there is.
pub fn a_full_executor_refuses_and_recovers(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 1, waiting: 2 }));
    let gate = Gate::new();
    bench.submit(BEHAVE, gate.arguments()).expect("there is room");
    gate.wait_for(1);
    for _ in 0..2 {
        bench.submit(BEHAVE, gate.arguments()).expect("there is room to wait");
    }
    assert_eq!(bench.submit(BEHAVE, gate.arguments()), Err(Refusal::Full));
    gate.open();
    bench.reports.wait_for(3);
    bench.submit(BEHAVE, gate.arguments()).expect("there is room again");
    bench.reports.wait_for(4);
}

/// Whoever hears of an end may submit at once.
pub fn a_place_is_free_when_its_run_is_reported(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 1, waiting: 1 }));
    for _ in 0..2 {
        bench.submit(BEHAVE, json!({"do": "return"})).expect("there is room");
    }
    for reported in 1..1_000 {
        bench.reports.wait_for_at_least(reported);
        let submitted = bench.submit(BEHAVE, json!({"do": "return"}));
        assert!(submitted.is_ok(), "after {reported} reports: {submitted:?}");
    }
    bench.reports.wait_for_at_least(1_001);
}

/// Whatever it is given.
pub fn an_executor_that_is_shut_down_refuses(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 1, waiting: 1 }));
    bench.executor.shutdown(Shutdown::Wait);
    assert_eq!(bench.submit(BEHAVE, json!({})), Err(Refusal::ShutDown));
    bench.executor.shutdown(Shutdown::Wait);
}

/// The highest first, however many were there before.
pub fn what_waits_begins_by_priority_then_in_order(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 1, waiting: 10 }));
    let gate = Gate::new();
    bench.submit(BEHAVE, gate.arguments()).expect("there is room");
    gate.wait_for(1);
    for priority in [0, 5, -1, 0, i32::MIN, 5, i32::MAX, -1] {
        bench.priority = priority;
        bench.submit(BEHAVE, json!({"do": "return"})).expect("there is room");
    }
    gate.open();
    bench.reports.wait_for(9);
    assert_eq!(bench.reports.in_order(), [1, 8, 3, 7, 2, 5, 4, 9, 6]);
}

/// All that was taken completes.
pub fn shutdown_waits_for_what_runs_and_what_waits(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 2, waiting: 100 }));
    let gate = Gate::new();
    for _ in 0..50 {
        bench.submit(BEHAVE, gate.arguments()).expect("there is room");
    }
    gate.wait_for(2);
    gate.open();
    bench.executor.shutdown(Shutdown::Wait);
    let reports = bench.reports.wait_for(50);
    assert!(reports.values().all(|report| report.outcome == Outcome::Succeeded));
}

/// What has begun, and what still waits.
pub fn shutdown_cancels_at_its_deadline(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 1, waiting: 10 }));
    for _ in 0..5 {
        bench.submit(BEHAVE, json!({"do": "until cancelled"})).expect("there is room");
    }
    bench.executor.shutdown(Shutdown::Deadline(Duration::from_millis(1)));
    let reports = bench.reports.wait_for(5);
    assert!(reports.values().all(|report| report.outcome == Outcome::Cancelled), "{reports:?}");
}

/// None is lost.
pub fn dropping_an_executor_ends_its_runs(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 2, waiting: 10 }));
    for _ in 0..6 {
        bench.submit(BEHAVE, json!({"do": "until cancelled"})).expect("there is room");
    }
    let Bench { executor, reports, .. } = bench;
    drop(executor);
    reports.wait_for(6);
}

/// Whatever the task says when it is told to stop; one within its limit is not touched.
pub fn a_run_over_its_time_limit_has_timed_out(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 4, waiting: 10 }));
    bench.time_limit = Some(Duration::from_millis(20));
    bench.submit(BEHAVE, json!({"do": "until cancelled"})).expect("there is room");
    bench.time_limit = Some(GENEROUS * 10);
    bench.submit(BEHAVE, json!({"do": "return"})).expect("there is room");
    // As long as one likes.
    bench.time_limit = Some(Duration::MAX);
    bench.submit(BEHAVE, json!({"do": "return"})).expect("there is room");
    let reports = bench.reports.wait_for(3);
    assert_eq!(reports[&1].outcome, Outcome::TimedOut);
    let message = reports[&1].message.as_deref().unwrap_or_default();
    assert!(message.contains("20ms"), "{message}");
    assert_eq!((reports[&2].outcome, reports[&3].outcome), (Outcome::Succeeded, Outcome::Succeeded));
}

/// It is reported, once, and shutting down names it rather than wait for it.
pub fn a_run_that_does_not_stop_has_timed_out_all_the_same(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 2, waiting: 10 }));
    let gate = Gate::new();
    bench.time_limit = Some(Duration::from_millis(20));
    bench.submit(BEHAVE, gate.arguments()).expect("there is room");
    let reports = bench.reports.wait_for(1);
    assert_eq!(reports[&1].outcome, Outcome::TimedOut);
    bench.time_limit = None;
    bench.submit(BEHAVE, json!({"do": "return"})).expect("another place is free");
    bench.reports.wait_for(2);
    let left = bench.executor.shutdown(Shutdown::Wait);
    assert!(left.is_empty() || left == [RunId(1)], "{left:?}");
    gate.open();
    bench.reports.wait_for(2);
}

/// When its thread is free again; an executor that can end its work leaves none behind.
pub fn a_run_that_was_left_behind_is_reported_when_it_ends(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 2, waiting: 10 }));
    let gate = Gate::new();
    bench.time_limit = Some(Duration::from_millis(20));
    bench.submit(BEHAVE, gate.arguments()).expect("there is room");
    bench.reports.wait_for(1);
    gate.open();
    let left = bench.reports.wait_for_left();
    assert!(left.is_empty() || left == [1], "{left:?}");
    // Its place is free by then.
    assert_eq!(bench.executor.shutdown(Shutdown::Wait), []);
    bench.reports.wait_for(1);
}

/// Neither of that run nor of those after it.
pub fn a_panic_of_what_a_task_has_registered_stops_no_time_limit(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 2, waiting: 10 }));
    bench.time_limit = Some(Duration::from_millis(20));
    for (count, what) in (1..).zip(["panic when cancelled", "until cancelled", "until cancelled"]) {
        bench.submit(BEHAVE, json!({"do": what})).expect("there is room");
        let reports = bench.reports.wait_for(count);
        assert_eq!(reports[&(count as u64)].outcome, Outcome::TimedOut, "{what}");
    }
    assert_eq!(bench.executor.shutdown(Shutdown::Now), []);
}

/// Neither other time limits nor the end of the executor wait for it.
pub fn what_a_task_has_registered_may_wait_for_the_executor(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 3, waiting: 10 }));
    let gate = Gate::new();
    let mut waits = gate.arguments();
    waits["do"] = "wait when cancelled".into();
    bench.time_limit = Some(Duration::from_millis(20));
    bench.submit(BEHAVE, waits.clone()).expect("there is room");
    bench.reports.wait_for(1);
    bench.submit(BEHAVE, json!({"do": "until cancelled"})).expect("there is room");
    bench.reports.wait_for(2);
    bench.time_limit = None;
    bench.submit(BEHAVE, waits).expect("there is room");
    assert_eq!(bench.executor.shutdown(Shutdown::Deadline(Duration::from_millis(20))), []);
    let reports = bench.reports.wait_for(3);
    let outcomes = [1, 2].map(|run| reports[&run].outcome);
    assert_eq!(outcomes, [Outcome::TimedOut, Outcome::TimedOut]);
    gate.open();
}

/// Its lines, how far it came, and what it printed.
pub fn what_a_run_logs_is_in_its_report(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 1, waiting: 1 }));
    bench.submit(BEHAVE, json!({"do": "log"})).expect("there is room");
    let reports = bench.reports.wait_for(1);
    assert_eq!(reports[&1].output.as_deref(), Some("first\nsecond\nprogress: 3 of 10\nprinted"));
}

/// The number of that run is in the task's context.
pub fn a_task_is_told_the_run_that_it_follows(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 4, waiting: 10 }));
    bench.submit(BEHAVE, json!({"do": "tell cause"})).expect("there is room");
    bench.cause = Some(RunId(812));
    bench.submit(BEHAVE, json!({"do": "tell cause"})).expect("there is room");
    let reports = bench.reports.wait_for(2);
    let told = [1, 2].map(|run| reports[&run].result.clone());
    assert_eq!(told, [Some(json!(null)), Some(json!(812))]);
}

/// On whatever thread; a panic in it is a failure too.
pub fn an_async_task_runs(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 4, waiting: 10 }));
    bench.submit(TWICE, json!(3)).expect("there is room");
    bench.submit(TWICE, json!(11)).expect("there is room");
    let reports = bench.reports.wait_for(2);
    assert_eq!((reports[&1].outcome, reports[&1].result.clone()), (Outcome::Succeeded, Some(json!(6))));
    assert_eq!(reports[&2].message.as_deref(), Some("panicked: 11 is too much"));
}
