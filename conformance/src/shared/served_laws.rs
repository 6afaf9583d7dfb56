//! The laws about what each scheduler can start.

use std::slice;
use std::time::Duration;

use chrono::TimeDelta;
use matins_core::{ExecutorName, Node, OnConflict, Outcome, Run, Served, TaskName, Transition};

use super::suite::{Owner, SharedStoreFactory, advance, ended, owner, served, two};
use crate::store_suite;

/// Serves another task than that of the suite's jobs.
fn other_task() -> Served {
    Served::new([TaskName::new("another task").expect("a name")], [ExecutorName::default()])
}

fn serve(owner: &mut Owner, what: &Served) {
    owner.store.serve(what).expect("taken note of");
}

/// A job is claimed by those that have its task and its executor; nobody else is woken for it.
pub fn a_member_claims_only_what_it_serves(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, job) = two(factory);
    let now = factory.now();
    let other_executor = Served::new([job.task.clone()], [ExecutorName::new("elsewhere").expect("a name")]);
    for what in [Served::default(), other_task(), other_executor] {
        serve(&mut other, &what);
        assert!(other.claim(now).jobs.is_empty(), "{what:?}");
        assert_eq!(other.store.next(true).expect("read"), None, "{what:?}");
    }
    assert_eq!(one.store.next(true).expect("read"), job.next_fire);
    assert_eq!(one.claim(now).due, 1);
    one.store.release();
    serve(&mut other, &served());
    assert_eq!(other.claim(now).due, 1, "it has the task now");
    other.store.release();
    other.store.join(&Node::new("owner", Duration::from_secs(3600))).expect("a member again");
    assert!(other.claim(now).jobs.is_empty(), "it has not said yet what it serves");
}

/// Who takes a run over, or is told to change a job, need not have its task: the next attempt is started by one that has.
pub fn what_waits_is_started_by_a_member_that_serves_it(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, job) = two(factory);
    let now = factory.now();
    let run = one.fire(now);
    serve(&mut other, &other_task());
    factory.expire(one.member);
    let claim = other.claim(now);
    assert_eq!(claim.jobs.iter().flat_map(|job| &job.abandoned).collect::<Vec<_>>(), [&run]);
    let again = Run::waiting(claim.first_run, job.id.clone(), run.scheduled());
    let again = again.with(|run| (run.attempt, run.turn) = (2, Some(now - TimeDelta::seconds(1))));
    let batch = vec![ended(&run, Outcome::Interrupted, now), Transition::Record(again.clone().into())];
    other.settle(batch).expect("settled");
    assert!(other.claim(now).jobs.is_empty());
    assert_eq!(other.store.next(true).expect("read"), None);
    let mut third = owner(factory);
    assert_eq!(third.store.next(false).expect("read"), again.turn);
    let claim = third.claim(now);
    assert_eq!(claim.jobs[0].runs.ready, [again]);
    assert!(claim.jobs[0].job.is_some(), "with its job, so that it can start");
    third.store.release();
    let named = other.claim_job(&job.id, now).expect("a claim by name");
    assert_eq!(named.jobs[0].id, job.id);
}

/// A job that nobody can start stays due, and all members hear of it.
pub fn a_job_that_no_member_serves_is_named(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, job) = two(factory);
    let now = factory.now();
    let late = store_suite::job("late", Some(1)).with(|job| job.next_fire = Some(now - TimeDelta::hours(3)));
    one.store.import(vec![late.clone()], Vec::new(), OnConflict::Refuse).expect("added");
    let heard = |owner: &mut Owner| owner.store.heartbeat().expect("a member").unserved;
    assert!(heard(&mut one).is_empty(), "it is late, but two have its task");
    serve(&mut one, &other_task());
    assert!(heard(&mut one).is_empty(), "one has its task");
    serve(&mut other, &other_task());
    for owner in [&mut one, &mut other] {
        assert_eq!(heard(owner), slice::from_ref(&late.id), "{:?} is due for less than the lease", job.id);
    }
    serve(&mut one, &served());
    let claim = one.claim(now);
    assert_eq!(claim.due, 2);
    let advances = claim.jobs.iter().filter_map(|claimed| claimed.job.as_deref());
    one.settle(advances.map(|job| advance(job, now)).collect()).expect("settled");
    serve(&mut one, &other_task());
    assert!(heard(&mut one).is_empty(), "it is due no more");
}
