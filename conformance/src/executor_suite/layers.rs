//! What executors owe to layers: each run has them around its work, wherever that is done.

use std::sync::{Arc, Mutex, PoisonError};

use matins_core::{
    Layer, Layers, Next, Outcome, RunId, TaskContext, TaskError, TaskFuture, TaskResult, layer_fn,
};
use serde_json::{Value, json};

use super::{BEHAVE, Bench, Limits, Make, TWICE};

type Seen = Arc<Mutex<Vec<(RunId, String)>>>;

/// A layer that notes when it is entered and left.
fn noting(name: &'static str, seen: &Seen) -> impl Layer + use<> {
    let seen = seen.clone();
    layer_fn(move |context: &TaskContext| {
        let (run, seen) = (context.run, seen.clone());
        let note = move |what: &str| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.push((run, format!("{name} {what}")));
        };
        assert_eq!((context.job.as_str(), context.attempt), ("job", 1));
        note("begins");
        move |result| {
            note("ends");
            result
        }
    })
}

/// The first one outermost, around blocking and async tasks, those that fail and those that panic.
pub fn layers_are_around_every_run(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 4, waiting: 10 }));
    let seen = Seen::default();
    bench.layers = Layers::new().with(noting("outer", &seen)).with(noting("inner", &seen));
    bench.submit(BEHAVE, json!({"do": "return"})).expect("there is room");
    bench.submit(BEHAVE, json!({"do": "fail"})).expect("there is room");
    bench.submit(TWICE, json!(3)).expect("there is room");
    let reports = bench.reports.wait_for(3);
    assert_eq!(reports[&1].result, Some(json!({"do": "return"})));
    assert_eq!(reports[&2].message.as_deref(), Some("no luck"));
    assert_eq!(reports[&3].result, Some(json!(6)));
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    for run in [1, 2, 3].map(RunId) {
        let of_run = seen.iter().filter(|(other, _)| *other == run).map(|(_, what)| what.as_str());
        let of_run: Vec<&str> = of_run.collect();
        assert_eq!(of_run, ["outer begins", "inner begins", "inner ends", "outer ends"], "run {run}");
    }
}

/// Before the work, and after it.
pub fn a_panic_of_a_layer_fails_that_run_alone(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 2, waiting: 10 }));
    let panicking = layer_fn(|context: &TaskContext| {
        let run = context.run.0;
        assert!(run != 1 && run != 2, "the layer panics before");
        move |result| {
            assert!(run != 3 && run != 4, "the layer panics after");
            result
        }
    });
    bench.layers = Layers::new().with(panicking);
    for _ in 0..3 {
        bench.submit(BEHAVE, json!({"do": "return"})).expect("there is room");
        bench.submit(TWICE, json!(3)).expect("there is room");
    }
    let reports = bench.reports.wait_for(6);
    let messages = [1, 2, 3, 4].map(|run| reports[&run].message.as_deref().unwrap_or_default());
    assert_eq!(messages[..2], ["panicked: the layer panics before"; 2]);
    assert_eq!(messages[2..], ["panicked: the layer panics after"; 2]);
    assert!([1, 2, 3, 4].iter().all(|run| reports[run].outcome == Outcome::Failed));
    assert!([5, 6].iter().all(|run| reports[run].outcome == Outcome::Succeeded));
}

/// A layer that lets no odd run begin.
struct Even;

impl Even {
    fn refusal(context: &TaskContext) -> Option<TaskError> {
        (context.run.0 % 2 == 1).then(|| TaskError::new("the layer refuses it"))
    }
}

impl Layer for Even {
    fn run(&self, _arguments: &Value, context: &TaskContext, next: Next<'_>) -> TaskResult {
        Self::refusal(context).map_or_else(|| next.run(), Err)
    }

    fn future(&self, _arguments: &Value, context: &TaskContext, next: TaskFuture) -> TaskFuture {
        Self::refusal(context).map_or(next, |refusal| Box::pin(std::future::ready(Err(refusal))))
    }
}

/// The task is not called then.
pub fn a_layer_may_end_a_run_before_its_task_begins(make: Make<'_>) {
    let mut bench = Bench::new(make(Limits { at_once: 2, waiting: 10 }));
    bench.layers = Layers::new().with(Even);
    // The first and the third would panic.
    for (task, arguments) in [
        (BEHAVE, json!({"do": "panic"})),
        (BEHAVE, json!({"do": "return"})),
        (TWICE, json!(11)),
        (TWICE, json!(3)),
    ] {
        bench.submit(task, arguments).expect("there is room");
    }
    let reports = bench.reports.wait_for(4);
    for (run, outcome) in
        [Outcome::Failed, Outcome::Succeeded, Outcome::Failed, Outcome::Succeeded].iter().enumerate()
    {
        let report = &reports[&(run as u64 + 1)];
        assert_eq!(report.outcome, *outcome, "run {run}");
        if *outcome == Outcome::Failed {
            assert_eq!(report.message.as_deref(), Some("the layer refuses it"));
        }
    }
}
