//! The laws of two owners about concurrency groups.

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    Claim, Group, GroupName, GroupTurn, Job, JobRuns, OnConflict, Outcome, Run, Settlement, Transition, Want,
};

use super::suite::{Owner, SharedStoreFactory, advance, ended, owner};
use crate::store_suite;

/// Two owners of a store with two jobs that exclude each other. Both are due, the first one first.
fn two_in_a_group(factory: &mut dyn SharedStoreFactory) -> (Owner, Owner, Group, [Job; 2]) {
    factory.create();
    let (mut one, other, now) = (owner(factory), owner(factory), factory.now());
    let group = Group::new("group", 1).expect("a group");
    let jobs = [("job 1", 20), ("job 2", 10)].map(|(id, ago)| {
        let fire = now - TimeDelta::seconds(ago);
        let mut job = store_suite::job(id, Some(1)).with(|job| job.next_fire = Some(fire));
        job.policy.group = Some(group.clone());
        job
    });
    one.store.import(jobs.to_vec(), Vec::new(), OnConflict::Refuse).expect("added");
    (one, other, group, jobs)
}

/// How much of the group is in progress, as a claim has it.
fn in_progress(claim: &Claim, group: &GroupName) -> Option<usize> {
    claim.groups.get(group).copied()
}

/// Begins a run of a due job in its group.
fn begin(owner: &mut Owner, job: &Job, claim: &Claim, now: DateTime<Utc>) -> Run {
    let run = Run::started(claim.first_run, job.id.clone(), job.next_fire.expect("due"), now);
    let group = job.policy.group.as_ref().expect("a group").name.clone();
    let batch = vec![advance(job, now), Transition::Record(run.clone().into())];
    let settlement = Settlement { batch, groups: vec![(run.id, group)], ..Settlement::default() };
    owner.store.settle(settlement).expect("settled");
    run
}

/// While one owner decides about a job, no other is given a job of the same group; and what it has begun counts for the others.
pub fn two_owners_never_begin_more_of_a_group_than_its_limit(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, group, jobs) = two_in_a_group(factory);
    let now = factory.now();
    let claim = one.store.claim(&Want::at(now).limit(1)).expect("a claim");
    assert_eq!((claim.due, in_progress(&claim, &group.name)), (1, Some(0)));
    assert!(other.claim(now).jobs.is_empty(), "the other job of the group is not claimed meanwhile");
    assert!(other.claim_job(&jobs[1].id, now).is_err(), "nor when it is named");
    let run = begin(&mut one, &jobs[0], &claim, now);
    let claim = other.claim(now);
    assert_eq!((claim.due, in_progress(&claim, &group.name)), (1, Some(1)), "one run is in progress");
    other.store.release();
    let claim = other.store.claim(&Want::at(now).limit(1).outside(&[(group.name.clone(), 2)]));
    assert_eq!(in_progress(&claim.expect("a claim"), &group.name), Some(3), "with what no row tells of");
    other.store.release();
    one.claim_job(&jobs[0].id, now).expect("a claim");
    one.settle(vec![ended(&run, Outcome::Succeeded, now)]).expect("settled");
    assert_eq!(in_progress(&other.claim(now), &group.name), Some(0), "it has ended");
}

/// Whoever claims next, once a run of the group has ended. Until then it is left alone.
pub fn a_run_that_waits_for_its_group_begins_after_a_run_of_it(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, group, jobs) = two_in_a_group(factory);
    let now = factory.now();
    let claim = one.store.claim(&Want::at(now).limit(1)).expect("a claim");
    let run = begin(&mut one, &jobs[0], &claim, now);
    let claim = other.claim(now);
    let fire = jobs[1].next_fire.expect("due");
    let waiting = Run::waiting(claim.first_run, jobs[1].id.clone(), fire);
    let waiting = waiting.with(|run| run.turn = Some(now + TimeDelta::days(3650)));
    let turn = GroupTurn::of(&jobs[1], fire).map(Box::new);
    let runs = JobRuns { ready: vec![waiting.clone()], group: turn, ..JobRuns::default() };
    let batch = vec![advance(&jobs[1], now), Transition::Record(waiting.clone().into())];
    let runs = vec![(jobs[1].id.clone(), runs)];
    other.store.settle(Settlement { batch, runs, ..Settlement::default() }).expect("settled");
    assert!(other.claim(now).jobs.is_empty(), "the group is full");
    assert!(other.store.next(true).expect("read").is_none_or(|next| next > now));
    one.claim_job(&jobs[0].id, now).expect("a claim");
    one.settle(vec![ended(&run, Outcome::Succeeded, now)]).expect("settled");
    assert!(
        other.store.next(false).expect("read").is_some_and(|next| next <= factory.now()),
        "there is something to do"
    );
    let claim = other.claim(now);
    assert_eq!(claim.jobs.iter().map(|job| &job.id).collect::<Vec<_>>(), [&jobs[1].id]);
    assert_eq!(claim.jobs[0].runs.ready, [waiting]);
    assert_eq!(in_progress(&claim, &group.name), Some(0));
}

/// A run in a group counts for it until it ends, also where its job goes, or its owner dies.
pub fn a_run_counts_for_its_group_until_it_has_ended(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, group, jobs) = two_in_a_group(factory);
    let now = factory.now();
    let claim = one.store.claim(&Want::at(now).limit(1)).expect("a claim");
    let run = begin(&mut one, &jobs[0], &claim, now);
    other.claim_job(&jobs[0].id, now).expect("a claim");
    other.settle(vec![Transition::End { job: jobs[0].id.clone() }]).expect("removed");
    assert_eq!(in_progress(&other.claim(now), &group.name), Some(1), "the job is gone, its run is not");
    other.store.release();
    factory.expire(one.member);
    let claim = other.claim(now);
    assert_eq!(claim.jobs.iter().flat_map(|job| &job.abandoned).collect::<Vec<_>>(), [&run]);
    assert_eq!(in_progress(&claim, &group.name), Some(0), "whoever takes it over ends it");
    other.settle(vec![ended(&run, Outcome::Interrupted, now)]).expect("settled");
    assert_eq!(in_progress(&other.claim(now), &group.name), Some(0));
}
