//! Commits, and the rows of the ledger.

use std::sync::Arc;

use matins_core::{
    AfterOutcome, FireRange, JobQuery, MissedReason, OnConflict, Outcome, Run, RunId, RunOrder, RunQuery,
    StoreError, Transition,
};
use matins_triggers::AfterTrigger;
use serde_json::json;

use super::{StoreFactory, all_jobs, all_runs, due, id, ids, job, numbers, reopened, second};

pub(super) fn advance(name: &str, from: Option<i64>, to: Option<i64>) -> Transition {
    Transition::Advance { job: id(name), from: from.map(second), to: to.map(second) }
}

pub(super) fn started(number: u64, name: &str, scheduled: i64) -> Run {
    Run::started(RunId(number), id(name), second(scheduled), second(scheduled))
}

pub(super) fn finished(run: &Run, outcome: Outcome, at: i64) -> Run {
    run.clone().with(|run| {
        run.finished = Some(second(at));
        run.outcome = Some(outcome);
    })
}

/// A changed job takes the place of the one before, together with the rest of its batch; a job that is not there is not added.
pub fn a_commit_updates_a_job(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    store.add(job("a", Some(1)), OnConflict::Refuse).expect("add");
    assert_eq!(due(&mut *store, second(1), 10).len(), 1);
    let mut changed = job("a", Some(7));
    (changed.arguments, changed.revision) = (json!("other"), 1);
    changed.tags.clear();
    let interval = changed.trigger.clone();
    changed.trigger = Arc::new(AfterTrigger::new(id("b"), AfterOutcome::Failed));
    let run = started(1, "a", 1);
    let update = |job: &matins_core::Job| Transition::Update(Box::new(job.clone()));
    let batch = vec![
        advance("a", Some(1), Some(2)),
        Transition::Record(run.clone().into()),
        update(&changed),
        update(&job("never there", Some(1))),
    ];
    store.commit(batch).expect("commit");
    assert_eq!(all_jobs(&mut *store), std::slice::from_ref(&changed));
    assert_eq!(due(&mut *store, second(6), 10), [], "the old due time is gone");
    assert_eq!(due(&mut *store, second(7), 10), std::slice::from_ref(&changed));
    assert_eq!(all_runs(&mut *store), [run]);
    let follow = JobQuery::default().follows();
    assert_eq!(store.list(&follow).expect("list").len(), 1);
    (changed.next_fire, changed.trigger) = (None, interval);
    changed.revision += 1;
    store.commit(vec![update(&changed)]).expect("commit");
    assert_eq!(store.count(&follow).expect("count"), 0);
    assert_eq!(store.next_due().expect("next due"), None);
    if let Some(mut store) = reopened(factory, store) {
        assert_eq!(all_jobs(&mut *store), [changed]);
    }
}

/// A tick, and what follows it.
pub fn a_commit_applies_every_step(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    store.add(job("a", Some(1)), OnConflict::Refuse).expect("add");
    store.add(job("b", Some(1)), OnConflict::Refuse).expect("add");
    let run = started(1, "a", 1);
    let waiting = Run::waiting(RunId(2), id("b"), second(1)).with(|run| {
        run.attempt = 2;
        run.manual = true;
        run.cause = Some(RunId(1));
        run.turn = Some(second(40));
    });
    let range = FireRange { first: second(1), last: second(5), count: 5 };
    let missed = Run::missed(RunId(3), id("b"), range, MissedReason::Coalesced, second(6));
    store
        .commit(vec![
            advance("a", Some(1), Some(10)),
            Transition::Record(run.clone().into()),
            advance("b", Some(1), None),
            Transition::Record(waiting.clone().into()),
            Transition::Record(missed.clone().into()),
        ])
        .expect("commit");
    assert_eq!(all_runs(&mut *store), [run.clone(), waiting.clone(), missed.clone()]);
    assert_eq!(store.next_due().expect("next due"), Some(second(10)));
    let unfinished = RunQuery::default().unfinished();
    assert_eq!(numbers(&store.runs(&unfinished).expect("runs")), [1, 2]);

    // A run that could not begin waits, with the reason, and is started once more.
    let postponed = run.clone().with(|run| {
        run.started = None;
        run.message = Some("no process is left".into());
        run.turn = Some(second(9));
    });
    store.commit(vec![Transition::Finish(postponed.clone().into())]).expect("commit");
    assert_eq!(all_runs(&mut *store)[0], postponed);
    assert_eq!(numbers(&store.runs(&unfinished).expect("runs")), [1, 2]);
    store.commit(vec![Transition::Finish(run.clone().into())]).expect("commit");
    assert_eq!(all_runs(&mut *store), [run.clone(), waiting.clone(), missed.clone()]);

    let done = finished(&run, Outcome::Failed, 8).with(|run| {
        run.started = Some(second(2));
        run.message = Some("nein: \"zu spät\"\n".into());
        run.output = Some("line 1\nline 2".into());
        run.result = Some(json!({"rows": 3}));
    });
    let longer = FireRange { last: second(7), count: 7, ..range };
    store
        .commit(vec![
            Transition::Finish(done.clone().into()),
            Transition::Start { run: RunId(2), started: Some(second(8)), scheduled: second(6) },
            Transition::Extend { run: RunId(3), fires: longer },
            Transition::End { job: id("b") },
            Transition::End { job: id("never there") },
        ])
        .expect("commit");
    let waited = waiting.with(|run| {
        run.started = Some(second(8));
        run.fires = FireRange::single(second(6));
    });
    let expected = [done, waited, missed.with(|run| run.fires = longer)];
    assert_eq!(all_runs(&mut *store), expected);
    assert_eq!(ids(&all_jobs(&mut *store)), ["a"]);
    if let Some(mut store) = reopened(factory, store) {
        assert_eq!(numbers(&store.runs(&unfinished).expect("runs")), [2]);
    }
}

/// Also where several of one kind are about one row: the last of them holds.
pub fn steps_about_one_row_apply_in_their_order(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    let names: Vec<String> = (1..=8).map(|number| format!("job {number}")).collect();
    let mut batch = Vec::new();
    for (number, name) in (1..).zip(&names) {
        store.add(job(name, Some(1)), OnConflict::Refuse).expect("add");
        batch.push(Transition::Record(Run::waiting(RunId(number), id(name), second(1)).into()));
    }
    store.commit(batch).expect("commit");
    let missed_fires = |last| FireRange { first: second(1), last: second(last), count: last as u64 };
    let missed = Run::missed(RunId(9), id(&names[0]), missed_fires(1), MissedReason::Coalesced, second(6));
    store.commit(vec![Transition::Record(missed.clone().into())]).expect("commit");

    // A fire is folded into the run that waits, which then begins: in one tick.
    let start = |number, started: Option<i64>, fire| Transition::Start {
        run: RunId(number),
        started: started.map(second),
        scheduled: second(fire),
    };
    let folded = (1..=8).map(|number| start(number, None, 2));
    let begun = (1..=8).map(|number| start(number, Some(4), 3));
    let extended = (2..=5).map(|last| Transition::Extend { run: RunId(9), fires: missed_fires(last) });
    store.commit(folded.chain(extended).chain(begun).collect()).expect("commit");
    let mut expected: Vec<Run> = (1..)
        .zip(&names)
        .map(|(number, name)| Run::started(RunId(number), id(name), second(3), second(4)))
        .chain([missed.with(|run| run.fires = missed_fires(5))])
        .collect();
    assert_eq!(all_runs(&mut *store), expected);

    // It is put off twice, and once more it is put off and begins.
    let put_off = |turn| {
        Transition::Finish(
            started(1, &names[0], 3)
                .with(|run| {
                    run.started = None;
                    run.turn = Some(second(turn));
                    run.message = Some(format!("until {turn}"));
                })
                .into(),
        )
    };
    store.commit((5..=9).map(put_off).collect()).expect("commit");
    expected[0] = started(1, &names[0], 3).with(|run| {
        (run.started, run.turn, run.message) = (None, Some(second(9)), Some("until 9".into()));
    });
    assert_eq!(all_runs(&mut *store), expected);
    store.commit(vec![put_off(10), start(1, Some(11), 12)]).expect("commit");
    expected[0] = started(1, &names[0], 12).with(|run| {
        (run.started, run.turn, run.message) = (Some(second(11)), Some(second(10)), Some("until 10".into()));
    });
    assert_eq!(all_runs(&mut *store), expected);

    // A run is recorded, and begins.
    let waiting = Run::waiting(RunId(10), id(&names[1]), second(20));
    store.commit(vec![Transition::Record(waiting.into()), start(10, Some(22), 21)]).expect("commit");
    expected.push(Run::started(RunId(10), id(&names[1]), second(21), second(22)));
    assert_eq!(all_runs(&mut *store), expected);
    if let Some(mut store) = reopened(factory, store) {
        assert_eq!(all_runs(&mut *store), expected);
    }
}

/// Whatever stands before and after the stale step in its batch.
pub fn a_stale_commit_changes_nothing(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    store.add(job("a", Some(1)), OnConflict::Refuse).expect("add");
    store.add(job("b", Some(2)), OnConflict::Refuse).expect("add");
    store.commit(vec![Transition::Record(started(1, "a", 0).into())]).expect("commit");
    let before = (all_jobs(&mut *store), all_runs(&mut *store));
    let stale = store.commit(vec![
        advance("a", Some(1), Some(11)),
        Transition::Record(started(2, "a", 1).into()),
        advance("b", Some(1), Some(12)),
        Transition::End { job: id("a") },
    ]);
    assert!(matches!(&stale, Err(StoreError::Stale { id, .. }) if *id == "b"), "{stale:?}");
    assert_eq!((all_jobs(&mut *store), all_runs(&mut *store)), before);
    let gone = store.commit(vec![Transition::Record(started(2, "a", 1).into()), advance("c", Some(1), None)]);
    assert!(matches!(gone, Err(StoreError::NotFound { .. })), "{gone:?}");
    let taken =
        store.commit(vec![advance("a", Some(1), Some(11)), Transition::Record(started(1, "a", 1).into())]);
    assert!(matches!(taken, Err(StoreError::RunExists { run: RunId(1) })), "{taken:?}");
    assert_eq!((all_jobs(&mut *store), all_runs(&mut *store)), before);
    // Within a batch, a job is where the step before left it.
    store.commit(vec![advance("a", Some(1), Some(11)), advance("a", Some(11), Some(21))]).expect("commit");
    assert_eq!(store.get(&id("a")).expect("get").and_then(|job| job.next_fire), Some(second(21)));
}

/// Also after the newest run was pruned, and after reopening.
pub fn a_run_number_is_never_used_twice(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    assert_eq!(store.next_run_id().expect("next run id"), RunId::FIRST);
    let run = finished(&started(41, "a", 1), Outcome::Succeeded, 2);
    store.commit(vec![Transition::Record(run.into())]).expect("commit");
    assert_eq!(store.next_run_id().expect("next run id"), RunId(42));
    store.commit(vec![Transition::PruneBefore { before: second(100) }]).expect("commit");
    assert_eq!(store.next_run_id().expect("next run id"), RunId(42));
    if let Some(mut store) = reopened(factory, store) {
        assert_eq!(store.next_run_id().expect("next run id"), RunId(42));
    }
}

/// Removed, ended, replaced.
pub fn runs_outlive_their_job(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    for name in ["a", "b", "c"] {
        store.add(job(name, Some(1)), OnConflict::Refuse).expect("add");
    }
    let runs = [started(1, "a", 1), started(2, "b", 1), started(3, "c", 1)];
    store.commit(runs.clone().map(|run| Transition::Record(run.into())).into()).expect("commit");
    store.remove(&id("a")).expect("remove");
    store.commit(vec![Transition::End { job: id("b") }]).expect("commit");
    store.add(job("c", Some(5)), OnConflict::Replace).expect("replace");
    assert_eq!(all_runs(&mut *store), runs);
}

/// Conditions, orders, pages.
pub fn runs_are_listed_as_asked(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    let runs = [
        finished(&started(1, "a", 1), Outcome::Succeeded, 2),
        finished(&started(2, "b", 2), Outcome::Failed, 3),
        started(3, "a", 3),
        finished(&started(4, "a", 4), Outcome::Missed(MissedReason::Overlap), 4),
    ];
    store.commit(runs.map(|run| Transition::Record(run.into())).into()).expect("commit");
    let mut list = |query: RunQuery| numbers(&store.runs(&query).expect("runs"));
    let default = RunQuery::default;
    assert_eq!(list(RunQuery::of_job(&id("a"))), [1, 3, 4]);
    assert_eq!(list(default().outcome(Outcome::Failed)), [2]);
    assert_eq!(list(default().outcome(Outcome::Missed(MissedReason::Overlap))), [4]);
    assert_eq!(list(default().unfinished()), [3]);
    assert_eq!(list(default().since(second(2)).until(second(4))), [2, 3]);
    assert_eq!(list(default().order(RunOrder::NewestFirst).limit(2)), [4, 3]);
    assert_eq!(list(default().after(RunId(2))), [3, 4]);
    assert_eq!(list(default().after(RunId(3)).order(RunOrder::NewestFirst)), [2, 1]);
}

/// By number and by age.
pub fn pruning_keeps_what_is_new_and_what_is_unfinished(factory: &mut dyn StoreFactory) {
    let mut store = factory.create();
    let done = |number: u64, name: &str| {
        finished(&started(number, name, number as i64), Outcome::Succeeded, number as i64)
    };
    let runs = [started(1, "a", 1), done(2, "a"), done(3, "b"), done(4, "a"), done(5, "a"), done(6, "a")];
    store.commit(runs.map(|run| Transition::Record(run.into())).into()).expect("commit");
    store.commit(vec![Transition::PruneJob { job: id("a"), keep: 2 }]).expect("prune");
    assert_eq!(numbers(&all_runs(&mut *store)), [1, 3, 5, 6]);
    store.commit(vec![Transition::PruneBefore { before: second(6) }]).expect("prune");
    assert_eq!(numbers(&all_runs(&mut *store)), [1, 6]);
    if store.is_persistent() {
        // Also as the first step of an owner, beside a run of an earlier one.
        let mut store = factory.reopen(store).expect("a persistent store reopens");
        store.commit(vec![Transition::PruneJob { job: id("a"), keep: 0 }]).expect("prune");
        assert_eq!(numbers(&all_runs(&mut *store)), [1]);
    }
}
