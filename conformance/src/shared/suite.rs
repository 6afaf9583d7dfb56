//! The laws of two owners: what a store that several schedulers share owes them, as functions, and
//! [`shared_store_suite!`](crate::shared_store_suite!) which makes a test of each.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{
    Claim, ClaimStore, ExecutorName, Job, JobId, JobState, Node, OnConflict, Outcome, Run, RunId, RunQuery,
    Served, Settlement, StoreError, TaskName, Transition, Want,
};

use crate::store_suite;

/// How the suite opens a shared store.
pub trait SharedStoreFactory {
    /// Returns whether there is what the store needs, such as a server. If not, its tests are skipped; this says so in a line.
    fn is_available(&self) -> bool {
        true
    }

    /// Makes a new, empty store.
    fn create(&mut self);

    /// Opens it for one more scheduler.
    fn open(&mut self) -> Box<dyn ClaimStore>;

    /// Lets the lease of a member end now.
    fn expire(&mut self, member: u64);

    /// The time, by the store's clock.
    fn now(&self) -> DateTime<Utc>;
}

/// Makes a test of each law; the argument is an expression that makes a [`SharedStoreFactory`](crate::shared::SharedStoreFactory).
#[macro_export]
macro_rules! shared_store_suite {
    ($factory:expr) => {
        $crate::shared_store_suite!(@tests $factory,
            no_job_is_in_two_open_claims,
            what_was_released_or_dropped_can_be_claimed_at_once,
            nothing_is_recorded_without_a_settlement,
            each_abandoned_run_is_taken_over_once_and_only_after_the_lease,
            a_member_whose_lease_has_ended_changes_nothing,
            a_member_may_find_its_own_end_and_keeps_nothing_claimed,
            a_claim_ends_no_run_that_it_was_not_given,
            a_late_renewal_before_anybody_took_over_is_in_time,
            a_late_finish_is_named_and_changes_nothing,
            a_claim_shows_the_runs_of_all_owners,
            what_waits_is_started_by_whoever_claims_next,
            what_waits_for_a_paused_job_is_not_looked_for,
            of_two_updates_at_one_revision_one_wins,
            a_lost_answer_is_told_from_the_runs_that_are_held,
            numbers_of_runs_rise_and_are_never_used_twice,
            what_one_owner_adds_changes_and_removes_the_others_see,
            two_owners_never_begin_more_of_a_group_than_its_limit,
            a_run_that_waits_for_its_group_begins_after_a_run_of_it,
            a_run_counts_for_its_group_until_it_has_ended,
            a_run_that_another_wants_cancelled_is_named_to_its_owner,
            a_member_claims_only_what_it_serves,
            what_waits_is_started_by_a_member_that_serves_it,
            a_job_that_no_member_serves_is_named
        );
    };
    (@tests $factory:expr, $($name:ident),*) => {
        $(
            #[test]
            fn $name() {
                let mut factory = $factory;
                if $crate::shared::SharedStoreFactory::is_available(&factory) {
                    $crate::shared::$name(&mut factory);
                }
            }
        )*
    };
}

/// A scheduler, as far as the laws need one.
pub(super) struct Owner {
    pub(super) store: Box<dyn ClaimStore>,
    pub(super) member: u64,
}

pub(super) fn owner(factory: &mut dyn SharedStoreFactory) -> Owner {
    let mut store = factory.open();
    let member = store.join(&Node::new("owner", Duration::from_secs(3600))).expect("a member").member;
    store.serve(&served()).expect("taken note of");
    Owner { store, member }
}

/// What starts the jobs of the suite.
pub(super) fn served() -> Served {
    Served::new([TaskName::new("task").expect("a name")], [ExecutorName::default()])
}

/// Two owners of a store with one job, which is due.
pub(super) fn two(factory: &mut dyn SharedStoreFactory) -> (Owner, Owner, Job) {
    factory.create();
    let (mut one, other) = (owner(factory), owner(factory));
    let fire = factory.now() - TimeDelta::seconds(10);
    let job = store_suite::job("job", Some(1)).with(|job| job.next_fire = Some(fire));
    one.store.import(vec![job.clone()], Vec::new(), OnConflict::Refuse).expect("added");
    (one, other, job)
}

impl Owner {
    pub(super) fn claim(&mut self, now: DateTime<Utc>) -> Claim {
        let want = Want::at(now).limit(100).starts().takes_over();
        self.store.claim(&want).expect("a claim")
    }

    pub(super) fn claim_job(&mut self, id: &JobId, now: DateTime<Utc>) -> Result<Claim, StoreError> {
        self.store.claim(&Want::at(now).jobs(std::slice::from_ref(id)))
    }

    pub(super) fn settle(&mut self, batch: Vec<Transition>) -> Result<Vec<RunId>, StoreError> {
        Ok(self.store.settle(Settlement { batch, ..Settlement::default() })?.lost)
    }

    /// Starts the fire of the one job that is due, and moves it on by an hour.
    pub(super) fn fire(&mut self, now: DateTime<Utc>) -> Run {
        let claim = self.claim(now);
        assert_eq!(claim.due, 1, "the job is due: {claim:?}");
        let job = claim.jobs[0].job.clone().expect("the job");
        let run = Run::started(claim.first_run, job.id.clone(), job.next_fire.expect("due"), now);
        self.settle(vec![advance(&job, now), Transition::Record(run.clone().into())]).expect("settled");
        run
    }

    fn rows(&mut self) -> Vec<Run> {
        self.store.runs(&RunQuery::default()).expect("rows")
    }
}

pub(super) fn advance(job: &Job, now: DateTime<Utc>) -> Transition {
    Transition::Advance { job: job.id.clone(), from: job.next_fire, to: Some(now + TimeDelta::hours(1)) }
}

pub(super) fn ended(run: &Run, outcome: Outcome, now: DateTime<Utc>) -> Transition {
    Transition::Finish(
        run.clone()
            .with(|run| {
                run.outcome = Some(outcome);
                run.finished = Some(now);
            })
            .into(),
    )
}

fn is_fenced<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Fenced))
}

/// A job that one owner decides about is decided by no other.
pub fn no_job_is_in_two_open_claims(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, job) = two(factory);
    let now = factory.now();
    let claim = one.claim(now);
    assert_eq!((claim.due, claim.jobs.len()), (1, 1));
    assert_eq!(claim.jobs[0].id, job.id);
    assert!(other.claim(now).jobs.is_empty(), "the other owner has nothing left");
    one.settle(vec![advance(&job, now)]).expect("settled");
    assert!(other.claim(now).jobs.is_empty(), "it has moved on");
}

/// Neither an owner that gives a claim up nor one that dies keeps a job from the others.
pub fn what_was_released_or_dropped_can_be_claimed_at_once(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, _) = two(factory);
    let now = factory.now();
    assert_eq!(one.claim(now).due, 1);
    one.store.release();
    assert_eq!(other.claim(now).due, 1);
    drop(other);
    assert_eq!(one.claim(now).due, 1);
}

/// A claim alone changes nothing.
pub fn nothing_is_recorded_without_a_settlement(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, job) = two(factory);
    assert_eq!(one.claim(factory.now()).due, 1);
    drop(one);
    assert!(other.rows().is_empty());
    assert_eq!(other.store.get(&job.id).expect("read"), Some(job));
}

/// A run of an owner that has died is taken over by one scheduler, and by none before the lease has ended.
pub fn each_abandoned_run_is_taken_over_once_and_only_after_the_lease(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, _) = two(factory);
    let now = factory.now();
    let run = one.fire(now);
    let (member, mut third) = (one.member, owner(factory));
    drop(one);
    assert!(other.claim(now).jobs.iter().all(|job| job.abandoned.is_empty()), "the lease has not ended");
    other.store.release();
    factory.expire(member);
    let claim = other.claim(now);
    assert_eq!(claim.jobs.iter().flat_map(|job| &job.abandoned).collect::<Vec<_>>(), [&run]);
    assert!(third.claim(now).jobs.is_empty(), "somebody has taken it over");
    assert!(other.settle(vec![ended(&run, Outcome::Interrupted, now)]).expect("settled").is_empty());
    assert!(third.claim(now).jobs.is_empty(), "it is over");
    assert_eq!(third.rows()[0].outcome, Some(Outcome::Interrupted));
}

/// Whoever was taken for dead, and comes back, is refused as a whole, also with a claim that was open all the time.
pub fn a_member_whose_lease_has_ended_changes_nothing(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, job) = two(factory);
    let now = factory.now();
    let claim = one.claim(now);
    let run = Run::started(claim.first_run, job.id.clone(), now, now);
    factory.expire(one.member);
    assert_eq!(other.claim(now).due, 1, "the claim of the member whose lease has ended is void");
    let batch = vec![advance(&job, now), Transition::Record(run.into())];
    assert!(is_fenced(&one.settle(batch)));
    assert!(is_fenced(&one.store.heartbeat()));
    assert!(is_fenced(&one.store.claim(&Want::default())));
    assert!(other.rows().is_empty());
    other.settle(vec![advance(&job, now)]).expect("the other has the claim");
    let again =
        one.store.join(&Node::new("owner", Duration::from_secs(3600))).expect("a member again").member;
    assert_ne!(again, one.member, "under another number");
}

/// Whoever takes over may be the one whose lease has ended.
pub fn a_member_may_find_its_own_end_and_keeps_nothing_claimed(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, job) = two(factory);
    let now = factory.now();
    factory.expire(one.member);
    let want = Want::at(now).limit(100).takes_over();
    if let Ok(claim) = one.store.claim(&want) {
        let advances =
            claim.jobs.iter().filter_map(|claimed| claimed.job.as_deref()).map(|job| advance(job, now));
        one.settle(advances.collect()).expect("who was given a claim may settle it");
        return;
    }
    assert_eq!(other.claim(now).jobs[0].id, job.id, "nobody has it");
}

/// Only what was given to a claim as abandoned can be ended by it, whoever dies meanwhile.
pub fn a_claim_ends_no_run_that_it_was_not_given(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, job) = two(factory);
    let (now, mut third) = (factory.now(), owner(factory));
    let run = one.fire(now);
    let claim = other.claim_job(&job.id, now).expect("a claim");
    assert!(claim.jobs[0].abandoned.is_empty());
    factory.expire(one.member);
    third.claim(now);
    third.store.release();
    assert_eq!(other.settle(vec![ended(&run, Outcome::Interrupted, now)]).expect("settled"), [run.id]);
    assert_eq!(third.rows()[0].outcome, None, "it has not ended");
}

/// The end of a lease alone ends no membership: somebody has to take over.
pub fn a_late_renewal_before_anybody_took_over_is_in_time(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, _) = two(factory);
    let now = factory.now();
    let run = one.fire(now);
    factory.expire(one.member);
    one.store.heartbeat().expect("in time");
    assert!(other.claim(now).jobs.iter().all(|job| job.abandoned.is_empty()));
    other.store.release();
    one.claim(now);
    assert!(one.settle(vec![ended(&run, Outcome::Succeeded, now)]).expect("settled").is_empty());
}

/// What was taken over has its outcome, whatever the first owner says later.
pub fn a_late_finish_is_named_and_changes_nothing(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, _) = two(factory);
    let now = factory.now();
    let run = one.fire(now);
    factory.expire(one.member);
    other.claim(now);
    other.settle(vec![ended(&run, Outcome::Interrupted, now)]).expect("settled");
    one.store.join(&Node::new("owner", Duration::from_secs(3600))).expect("a member again");
    one.claim(now);
    assert_eq!(one.settle(vec![ended(&run, Outcome::Succeeded, now)]).expect("settled"), [run.id]);
    assert_eq!(one.rows()[0].outcome, Some(Outcome::Interrupted));
}

/// So that the overlap limit counts them all.
pub fn a_claim_shows_the_runs_of_all_owners(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, job) = two(factory);
    let now = factory.now();
    let run = one.fire(now);
    let claim = other.claim_job(&job.id, now).expect("a claim");
    assert_eq!(claim.jobs[0].runs.running[..], [run.id]);
    other.store.release();
    one.claim_job(&job.id, now).expect("a claim");
    one.settle(vec![ended(&run, Outcome::Succeeded, now)]).expect("settled");
    assert!(other.claim_job(&job.id, now).expect("a claim").jobs[0].runs.running.is_empty());
}

/// The owner of a run may end it while another has the job claimed; the run that waits for it is not forgotten.
pub fn what_waits_is_started_by_whoever_claims_next(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, job) = two(factory);
    let now = factory.now();
    let run = one.fire(now);
    let claim = other.claim_job(&job.id, now).expect("a claim");
    let waiting = Run::waiting(claim.first_run, job.id.clone(), now);
    let want = Want::at(now).starts().ended(std::slice::from_ref(&job.id));
    one.store.claim(&want).expect("a claim");
    one.settle(vec![ended(&run, Outcome::Succeeded, now)]).expect("ended beside the claim");
    other.settle(vec![Transition::Record(waiting.clone().into())]).expect("settled");
    let claim = one.claim(now);
    let found: Vec<RunId> = claim.jobs.iter().filter_map(|job| Some(job.runs.waiting.as_ref()?.id)).collect();
    assert_eq!(found, [waiting.id]);
    assert!(claim.jobs[0].job.is_some(), "with its job, so that it can start");
}

/// Nothing of a paused job may begin: nobody is to look for it again and again.
pub fn what_waits_for_a_paused_job_is_not_looked_for(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, job) = two(factory);
    let now = factory.now();
    let run = one.fire(now);
    let claim = one.claim_job(&job.id, now).expect("a claim");
    let waiting = Run::waiting(claim.first_run, job.id.clone(), now);
    let paused = job.with(|job| (job.state, job.next_fire, job.revision) = (JobState::Paused, None, 1));
    let id = paused.id.clone();
    let batch = vec![Transition::Record(waiting.into()), Transition::Update(Box::new(paused))];
    one.settle(batch).expect("settled");
    one.store.claim(&Want::at(now).starts().ended(std::slice::from_ref(&id))).expect("a claim");
    one.settle(vec![ended(&run, Outcome::Succeeded, now)]).expect("settled");
    for owner in [&mut one, &mut other] {
        owner.claim(now);
        owner.settle(Vec::new()).expect("nothing is decided");
        assert_eq!(owner.store.next(true).expect("read"), None);
    }
}

/// No change of a job is lost silently.
pub fn of_two_updates_at_one_revision_one_wins(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, job) = two(factory);
    let now = factory.now();
    let changed = |tag: &str| {
        let mut job = job.clone().with(|job| job.revision = 1);
        job.tags.insert(tag.to_owned());
        Transition::Update(Box::new(job))
    };
    one.claim_job(&job.id, now).expect("a claim");
    assert!(other.claim_job(&job.id, now).is_err(), "one at a time");
    one.settle(vec![changed("one")]).expect("the first");
    other.claim_job(&job.id, now).expect("a claim");
    let second = other.settle(vec![changed("other")]);
    assert!(matches!(second, Err(StoreError::Revised { found: 1, .. })), "{second:?}");
    let found = other.store.get(&job.id).expect("read").expect("the job");
    assert!(found.tags.contains("one") && !found.tags.contains("other"));
}

/// A commit that was made, and whose answer did not come.
pub fn a_lost_answer_is_told_from_the_runs_that_are_held(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, _) = two(factory);
    let now = factory.now();
    assert!(one.store.held().expect("read").is_empty());
    let run = one.fire(now);
    assert_eq!(one.store.held().expect("read"), [run]);
    assert!(other.store.held().expect("read").is_empty());
}

/// Only the owner of a run can stop it.
pub fn a_run_that_another_wants_cancelled_is_named_to_its_owner(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, _) = two(factory);
    let now = factory.now();
    let run = one.fire(now);
    assert!(one.store.heartbeat().expect("a member").cancel.is_empty());
    assert!(other.store.cancel(run.id).expect("asked"), "it is in progress");
    assert!(other.store.heartbeat().expect("a member").cancel.is_empty(), "it is not the owner");
    assert_eq!(one.store.heartbeat().expect("a member").cancel, [run.id]);
    assert!(!other.store.cancel(run.id.next()).expect("asked"), "there is no such run");
    one.claim(now);
    one.settle(vec![ended(&run, Outcome::Cancelled, now)]).expect("settled");
    assert!(!other.store.cancel(run.id).expect("asked"), "it has ended");
    assert!(one.store.heartbeat().expect("a member").cancel.is_empty());
}

/// Whoever gives them.
pub fn numbers_of_runs_rise_and_are_never_used_twice(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, mut job) = two(factory);
    let mut last = RunId(0);
    for turn in 0..10 {
        let now = factory.now();
        let owner = if turn % 2 == 0 { &mut one } else { &mut other };
        let claim = owner.claim_job(&job.id, now).expect("a claim");
        assert!(claim.first_run > last, "{:?} after {last:?}", claim.first_run);
        last = claim.first_run;
        let run = Run::started(last, job.id.clone(), now, now);
        let step = advance(&job, now);
        if let Transition::Advance { to, .. } = &step {
            job.next_fire = *to;
        }
        owner.settle(vec![step, Transition::Record(run.clone().into())]).expect("settled");
        owner.claim_job(&job.id, now).expect("a claim");
        let again = owner.settle(vec![Transition::Record(run.into())]);
        assert!(matches!(again, Err(StoreError::RunExists { .. })));
    }
}

/// The store is one.
pub fn what_one_owner_adds_changes_and_removes_the_others_see(factory: &mut dyn SharedStoreFactory) {
    let (mut one, mut other, job) = two(factory);
    let now = factory.now();
    assert_eq!(other.store.get(&job.id).expect("read"), Some(job.clone()));
    let taken = other.store.import(vec![job.clone()], Vec::new(), OnConflict::Refuse);
    assert!(matches!(taken, Err(StoreError::Conflict { .. })));
    other.claim_job(&job.id, now).expect("a claim");
    other.settle(vec![Transition::End { job: job.id.clone() }]).expect("removed");
    assert_eq!(one.store.get(&job.id).expect("read"), None);
    assert_eq!(one.store.count(&matins_core::JobQuery::default()).expect("counted"), 0);
    one.store.import(vec![job.clone()], Vec::new(), OnConflict::Keep).expect("added again");
    assert_eq!(other.claim(now).due, 1);
}
