//! A jitter's seed: the scheduler makes it from the id of the job, and stores it.

use std::sync::Arc;

use chrono::TimeDelta;
use matins_core::{Job, OnConflict};
use matins_scheduler::{AddOutcome, Schedule};
use matins_triggers::{Combine, CronTrigger, JitterTrigger, TimeUnits, cron, every};

use crate::rig::{Rig, second};

fn seed(job: &Job) -> Option<u64> {
    let any: &dyn std::any::Any = &*job.trigger;
    any.downcast_ref::<JitterTrigger>().unwrap().seed()
}

#[test]
fn a_job_gets_the_seed_of_its_id_when_it_is_added_rescheduled_or_modified() {
    let rig = Rig::new();
    rig.scheduler.register("report", || ()).unwrap();
    let job = |id: &str| rig.scheduler.get(id).unwrap().unwrap();
    for id in ["one", "other"] {
        rig.add(every(30.seconds()).jitter(10.seconds()).task("report").id(id));
        assert_eq!(seed(&job(id)), Some(job(id).id.seed()), "{id}");
        let first = job(id).next_fire.unwrap();
        assert!(first >= second(30) && first <= second(40), "{id}: {first}");
    }
    assert_ne!(job("one").next_fire, job("other").next_fire);

    let unnamed = rig.scheduler.add(cron("0 * * * *").jitter(5.minutes()).task("report")).unwrap();
    assert_eq!(seed(&job(unnamed.id().as_str())), Some(unnamed.id().seed()));

    rig.scheduler.reschedule("one", cron("0 * * * *").jitter(5.minutes())).unwrap();
    assert_eq!(seed(&job("one")), Some(job("one").id.seed()));
    rig.scheduler.reschedule("one", cron("0 * * * *").jitter_with_seed(5.minutes(), 7)).unwrap();
    assert_eq!(seed(&job("one")), Some(7));

    let minutely: CronTrigger = "* * * * *".parse().unwrap();
    let jittered = JitterTrigger::unseeded(Arc::new(minutely), TimeDelta::seconds(20)).unwrap();
    rig.scheduler.modify("one", |job| job.trigger = Arc::new(jittered.clone())).unwrap();
    assert_eq!(seed(&job("one")), Some(job("one").id.seed()));
}

#[test]
fn a_definition_with_a_jitter_that_is_added_again_is_unchanged() {
    let rig = Rig::new();
    let definition = || {
        let trigger = every(30.seconds()).jitter(10.seconds());
        trigger.task("report").id("report").on_conflict(OnConflict::Update)
    };
    rig.scheduler.register("report", || ()).unwrap();
    rig.add(definition());
    assert_eq!(rig.scheduler.add(definition()).unwrap().add_outcome(), AddOutcome::Unchanged);
}

#[test]
fn after_an_immediate_first_fire_the_second_comes_a_period_later_or_more() {
    let rig = Rig::new();
    rig.scheduler.register("report", || ()).unwrap();
    let soon = every(30.seconds()).jitter(10.seconds()).task("report").id("soon").first_fire(second(0));
    rig.add(soon);
    rig.expect(&["started 0 running"]);
    let next = || rig.scheduler.get("soon").unwrap().unwrap().next_fire.unwrap();
    assert!(next() - second(0) >= TimeDelta::seconds(30), "{}", next());
}
