//! Stores and executors that are added and removed while the scheduler works, and what jobs get by default.

use std::thread;
use std::time::Duration;

use matins_core::{
    Coalesce, JobQuery, JobStore, OnConflict, Overlap, Policy, Retry, RunQuery, Shutdown, StoreName,
};
use matins_executor_thread::ThreadExecutor;
use matins_scheduler::{Schedule, SchedulerBuilder, SchedulerError};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, every};

use crate::rig::{GENEROUS, Rig, second, shown, ticking};

fn other() -> StoreName {
    StoreName::new("other").unwrap()
}

fn ledger(store: &mut dyn JobStore) -> Vec<String> {
    store.runs(&RunQuery::default()).unwrap().iter().map(shown).collect()
}

#[test]
fn a_store_comes_and_goes_while_the_scheduler_works() {
    let rig = Rig::new();
    rig.scheduler.add_store("other", MemoryStore::new()).unwrap();
    rig.expect(&["store other added"]);
    rig.add(ticking().store("other"));
    rig.at(10, &["started 10 running"]);
    let taken = thread::scope(|scope| {
        let taken = scope.spawn(|| rig.scheduler.remove_store("other", Shutdown::Wait).unwrap());
        // From when it leaves, nobody finds its jobs.
        while rig.scheduler.get("tick").unwrap().is_some() {
            thread::yield_now();
        }
        rig.clock.set(second(25));
        rig.finish(&["finished 10 succeeded", "store other removed"]);
        taken.join().unwrap()
    });
    let mut taken = taken;
    assert_eq!(ledger(&mut *taken), ["10 succeeded"]);
    // Its job is in it still, with the fire that came meanwhile.
    assert_eq!(taken.next_due().unwrap(), Some(second(20)));
    assert!(matches!(
        rig.scheduler.runs_in(other(), &RunQuery::default()),
        Err(SchedulerError::NoStore { .. })
    ));
}

#[test]
fn runs_of_a_store_that_is_taken_away_now_are_cancelled_and_then_left() {
    let rig = Rig::new();
    rig.scheduler.add_store("other", MemoryStore::new()).unwrap();
    rig.scheduler.add(ticking().store("other").overlap(Overlap::QueueOne)).unwrap();
    rig.clock.set(second(10));
    drop(rig.held.some());
    rig.clock.set(second(20));
    while rig.scheduler.stats().waiting == 0 {
        thread::yield_now();
    }
    let mut taken = thread::scope(|scope| {
        let taken = scope.spawn(|| rig.scheduler.remove_store("other", Shutdown::Now).unwrap());
        while !rig.held.first_is_cancelled() {
            thread::yield_now();
        }
        rig.clock.set(second(27));
        taken.join().unwrap()
    });
    // What waited waits on, for the next scheduler.
    assert_eq!(ledger(&mut *taken), ["10 interrupted", "20 waiting"]);
    // The late report finds nobody, and harms nobody.
    let (run, done) = rig.held.take_first();
    done.finish(run.execute());
    assert_eq!(rig.scheduler.list(&JobQuery::default()).unwrap(), []);
}

#[test]
fn a_store_that_is_given_back_goes_to_the_next_scheduler_with_all_that_is_in_it() {
    let first = Rig::new();
    first.scheduler.register("nothing", || ()).unwrap();
    first.add(every(10.seconds()).task("nothing").id("tick"));
    first.at(10, &["started 10 running"]);
    first.finish(&["finished 10 succeeded"]);
    let mut store = first.scheduler.remove_store("default", Shutdown::Wait).unwrap();
    let copy = store.list(&JobQuery::default()).unwrap();

    let second_one = Rig::new();
    second_one.scheduler.register("nothing", || ()).unwrap();
    let mut other_store = MemoryStore::new();
    other_store.import(copy, store.runs(&RunQuery::default()).unwrap(), OnConflict::Refuse).unwrap();
    second_one.scheduler.add_store("other", other_store).unwrap();
    second_one.expect(&["store other added"]);
    second_one.at(20, &["started 20 running"]);
    second_one.finish(&["finished 20 succeeded"]);
    let runs = second_one.scheduler.runs_in(other(), &RunQuery::default()).unwrap();
    assert_eq!(runs.iter().map(shown).collect::<Vec<_>>(), ["10 succeeded", "20 succeeded"]);
}

#[test]
fn a_store_is_worked_on_while_nothing_fires() {
    let (from, into) = (Rig::new(), Rig::new());
    for rig in [&from, &into] {
        rig.scheduler.register("nothing", || ()).unwrap();
    }
    from.add(every(10.seconds()).task("nothing").id("tick"));
    from.at(10, &["started 10 running"]);
    let carried = from
        .scheduler
        .with_store("default", |store| {
            (store.list(&JobQuery::default()).unwrap(), store.runs(&RunQuery::default()).unwrap())
        })
        .unwrap();
    from.finish(&["finished 10 succeeded"]);

    let (jobs, runs) = carried;
    let import = |store: &mut dyn JobStore| store.import(jobs, runs, OnConflict::Refuse);
    into.scheduler.with_store("default", import).unwrap().unwrap();
    // The run goes on elsewhere, as far as anybody knows here.
    into.expect(&["finished 10 interrupted"]);
    into.at(20, &["started 20 running"]);
    assert_eq!(into.ledger(), ["10 interrupted", "20 running"]);
    let missing = into.scheduler.with_store("other", |_| ()).unwrap_err().to_string();
    assert_eq!(missing, "there is no store \"other\"; there are \"default\"");
}

#[test]
fn a_store_of_a_name_that_is_taken_is_refused() {
    let rig = Rig::new();
    let error = rig.scheduler.add_store("default", MemoryStore::new()).unwrap_err().to_string();
    assert_eq!(error, "there is a store \"default\" already; remove it first, or choose another name");
    assert!(matches!(
        rig.scheduler.remove_store("other", Shutdown::Wait),
        Err(SchedulerError::NoStore { .. })
    ));
}

#[test]
fn a_scheduler_that_is_not_started_gives_a_store_back_at_once() {
    let scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", ThreadExecutor::new())
        .background()
        .unwrap();
    scheduler.add(ticking()).unwrap();
    let mut store = scheduler.remove_store("default", Shutdown::Wait).unwrap();
    assert_eq!(store.list(&JobQuery::default()).unwrap().len(), 1);
    scheduler.add_store("default", MemoryStore::new()).unwrap();
}

#[test]
fn executors_and_whole_stores_of_jobs_are_told_of() {
    let rig = Rig::new();
    rig.scheduler.add_executor("other", ThreadExecutor::new(), Shutdown::Wait).unwrap();
    rig.expect(&["executor other added"]);
    rig.scheduler.remove_executor("other", Shutdown::Wait).unwrap();
    rig.expect(&["executor other removed"]);
    rig.add(ticking());
    rig.scheduler.remove_all(&StoreName::default()).unwrap();
    rig.expect(&["job removed", "all jobs of default removed"]);
}

#[test]
fn a_job_has_the_schedulers_defaults_where_it_says_nothing_else() {
    let defaults = Policy::default().with(|policy| {
        policy.misfire_grace = Some(Duration::from_secs(30));
        policy.coalesce = Coalesce::All;
        policy.retry = Retry::times(2);
    });
    let scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", ThreadExecutor::new())
        .job_defaults(defaults.clone())
        .background()
        .unwrap();
    let policy = |job| scheduler.add(job).unwrap().get().unwrap().unwrap().policy;
    assert_eq!(policy(every(10.seconds()).run(|| ())), defaults);
    let own = every(10.seconds()).run(|| ()).misfire_grace(None).coalesce(Coalesce::Latest);
    assert_eq!(policy(own), Policy::default().with(|policy| policy.retry = Retry::times(2)));
    assert_eq!(policy(every(10.seconds()).run(|| ()).policy(Policy::default())), Policy::default());
}

#[test]
fn what_add_answers_with_is_the_way_to_the_job() {
    let rig = Rig::new();
    let job = rig.scheduler.add(every(10.seconds()).run(|| Ok::<_, String>(42)).id("answer")).unwrap();
    rig.expect(&["job added"]);
    assert_eq!((job.to_string(), job.id().as_str()), ("answer".to_owned(), "answer"));
    let next = job.next_outcome().unwrap();
    rig.at(10, &["started 10 running"]);
    rig.finish(&["finished 10 succeeded"]);
    assert_eq!(next.wait_within(GENEROUS).unwrap().unwrap().result, Some(42.into()));

    job.pause().unwrap();
    job.modify(|job| job.policy.retry = Retry::times(1)).unwrap();
    job.resume().unwrap();
    job.reschedule(every(7.seconds())).unwrap();
    rig.expect(&["job paused", "job modified", "job resumed", "job modified"]);
    assert_eq!(rig.next_fire("answer"), Some(17));
    let by_hand = job.clone().run_now().unwrap();
    rig.expect(&["started 10 running"]);
    rig.finish(&["finished 10 succeeded"]);
    assert!(by_hand.wait_within(GENEROUS).unwrap().unwrap().manual);
    assert_eq!(job.remove().unwrap().id, *job.id());
    assert!(matches!(job.next_outcome(), Err(SchedulerError::NoJob { .. })));
}
