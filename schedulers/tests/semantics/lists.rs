//! Lists and counts look at all stores, or at one that is named.

use matins_core::{JobOrder, JobPosition, JobQuery, Run, RunOrder, RunQuery};
use matins_scheduler::{Schedule, SchedulerBuilder, SchedulerError, TestScheduler};
use matins_store_memory::MemoryStore;
use matins_triggers::{TimeUnits, every};

/// Three stores, with a job each that fires every 2, 3 and 5 hours, and one that has none.
fn scheduler() -> TestScheduler {
    let mut builder = SchedulerBuilder::new();
    for store in ["default", "second", "third", "empty"] {
        builder = builder.store(store, MemoryStore::new());
    }
    let scheduler = builder.testing("2026-01-01T00:00:00Z".parse().unwrap()).unwrap();
    for (hours, id, store) in [(3, "b", "default"), (2, "c", "second"), (5, "a", "third")] {
        scheduler.add(every(hours.hours()).run(|| ()).id(id).store(store)).unwrap();
    }
    scheduler
}

fn listed(scheduler: &TestScheduler, query: &JobQuery) -> String {
    let jobs = scheduler.list(query).unwrap();
    jobs.iter().map(|(store, job)| format!("{}@{store}", job.id)).collect::<Vec<_>>().join(" ")
}

#[test]
fn jobs_of_all_stores_are_in_one_order_and_under_one_limit() {
    let scheduler = scheduler();
    let by_id = JobQuery::default();
    assert_eq!(listed(&scheduler, &by_id), "a@third b@default c@second");
    assert_eq!(listed(&scheduler, &by_id.clone().limit(2)), "a@third b@default");
    let by_fire = JobQuery::default().order(JobOrder::NextFire);
    assert_eq!(listed(&scheduler, &by_fire), "c@second b@default a@third");
    assert_eq!(listed(&scheduler, &by_fire.clone().limit(1)), "c@second");
    assert_eq!(scheduler.count(&by_id).unwrap(), 3);
    // In pages, each job comes once.
    for mut query in [by_id.limit(1), by_fire.limit(2)] {
        let mut pages = Vec::new();
        loop {
            let page = scheduler.list(&query).unwrap();
            let Some((_, last)) = page.last() else { break };
            query.after = Some(JobPosition::of(last));
            pages.extend(page);
        }
        query = query.after(None).limit(None);
        assert_eq!(pages, scheduler.list(&query).unwrap());
    }
}

#[test]
fn jobs_of_one_store_are_listed_by_its_name() {
    let scheduler = scheduler();
    let query = JobQuery::default();
    let second = scheduler.list_in("second", &query).unwrap();
    assert_eq!(second.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["c"]);
    assert_eq!(scheduler.count_in("second", &query).unwrap(), 1);
    assert_eq!(scheduler.count_in("empty", &query).unwrap(), 0);
    assert!(matches!(scheduler.list_in("fourth", &query), Err(SchedulerError::NoStore { .. })));
    assert!(matches!(scheduler.runs_in("fourth", &RunQuery::default()), Err(SchedulerError::NoStore { .. })));
    assert!(matches!(scheduler.count_runs_in("", &RunQuery::default()), Err(SchedulerError::Name(_))));
}

#[test]
fn runs_of_all_stores_are_in_one_order_and_under_one_limit() {
    let mut scheduler = scheduler();
    scheduler.advance(6.hours());
    let oldest = RunQuery::default();
    let rows = |query: &RunQuery| -> String {
        let rows = scheduler.runs(query).unwrap();
        let hour = |run: &Run| run.scheduled().format("%k").to_string().trim().to_owned();
        rows.iter().map(|(store, run)| format!("{}@{store}", hour(run))).collect::<Vec<_>>().join(" ")
    };
    // At the same instant in the order of the stores.
    let all = "2@second 3@default 4@second 5@third 6@default 6@second";
    assert_eq!(rows(&oldest), all);
    assert_eq!(rows(&oldest.clone().limit(3)), "2@second 3@default 4@second");
    let newest = RunQuery::default().order(RunOrder::NewestFirst);
    assert_eq!(rows(&newest), "6@default 6@second 5@third 4@second 3@default 2@second");
    assert_eq!(rows(&newest.limit(4)), "6@default 6@second 5@third 4@second");
    assert_eq!(scheduler.count_runs(&oldest).unwrap(), 6);
    assert_eq!(scheduler.count_runs_in("second", &oldest).unwrap(), 3);
    assert_eq!(scheduler.runs_in("second", &oldest.limit(2)).unwrap().len(), 2);
}

/// Rows of one store stay in the order of their numbers, whatever their fire times are.
#[test]
fn rows_of_a_store_keep_their_order_among_those_of_others() {
    let mut scheduler = scheduler();
    scheduler.advance(2.hours());
    scheduler.run_now("c").unwrap();
    scheduler.advance(4.hours());
    let rows = scheduler.runs(&RunQuery::default()).unwrap();
    for store in ["default", "second", "third"] {
        let of_store: Vec<&Run> = rows.iter().filter(|(of, _)| *of == *store).map(|(_, run)| run).collect();
        assert_eq!(
            of_store,
            scheduler.runs_in(store, &RunQuery::default()).unwrap().iter().collect::<Vec<_>>()
        );
    }
}
