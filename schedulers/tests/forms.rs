//! What may be given: durations of both types, instants in any zone, zones that are left out, boxed stores and executors.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use matins_core::{Executor, JobStore, Policy};
use matins_executor_thread::ThreadExecutor;
use matins_scheduler::{BlockingScheduler, NewJob, Schedule, SchedulerBuilder, SchedulerError, VirtualClock};
use matins_store_memory::MemoryStore;
use matins_triggers::{CalendarTrigger, Combine, TimeUnits, Zone, after, at, cron, every};

fn now() -> DateTime<Utc> {
    "2026-07-01T12:00:00Z".parse().unwrap()
}

fn builder() -> SchedulerBuilder {
    // A type that is chosen at run time is given like any other.
    let store: Box<dyn JobStore> = Box::new(MemoryStore::new());
    let executor: Box<dyn Executor> = Box::new(ThreadExecutor::new());
    SchedulerBuilder::new()
        .store("default", store)
        .executor("default", executor)
        .clock(VirtualClock::new(now()))
}

fn next_fire(scheduler: &BlockingScheduler, job: NewJob) -> DateTime<Utc> {
    let job = scheduler.add(job).unwrap();
    scheduler.get(&job).unwrap().unwrap().next_fire.unwrap()
}

fn policy(scheduler: &BlockingScheduler, job: NewJob) -> Policy {
    let job = scheduler.add(job).unwrap();
    scheduler.get(&job).unwrap().unwrap().policy
}

#[test]
fn durations_of_both_types_are_taken_everywhere() {
    let scheduler = builder().blocking().unwrap();
    let of = |job: NewJob| policy(&scheduler, job);
    let std = of(every(Duration::from_secs(30))
        .jitter(Duration::from_secs(1))
        .run(|| ())
        .misfire_grace(Duration::from_secs(10))
        .time_limit(Duration::from_secs(20))
        .delay(Duration::from_secs(5)));
    let chrono = of(every(30.seconds())
        .jitter(1.seconds())
        .run(|| ())
        .misfire_grace(10.seconds())
        .time_limit(TimeDelta::seconds(20))
        .delay(5u64.seconds()));
    assert_eq!(std, chrono);
    assert_eq!(std.time_limit, Some(Duration::from_secs(20)));
    let none = of(every(30.seconds()).run(|| ()).misfire_grace(None).time_limit(None).delay(None));
    assert_eq!((none.misfire_grace, none.time_limit, none.delay), (None, None, None));
}

#[test]
fn durations_that_are_negative_or_too_long_are_refused_when_a_job_is_added() {
    let scheduler = builder().blocking().unwrap();
    let add = |job: NewJob| scheduler.add(job).map(drop);
    let hourly = || every(1.hours()).run(|| ());
    for job in [
        hourly().misfire_grace((-1).seconds()),
        hourly().time_limit((-1).seconds()),
        hourly().delay((-1).seconds()),
        hourly().delay(i64::MIN.weeks()),
    ] {
        assert!(matches!(add(job), Err(SchedulerError::Duration(_))));
    }
    for job in [
        every((-1).seconds()).run(|| ()),
        every(0.seconds()).run(|| ()),
        every(u64::MAX.weeks()).run(|| ()),
        every(Duration::MAX).run(|| ()),
        every(1.hours()).jitter((-1).seconds()).run(|| ()),
        every(1.hours()).jitter(Duration::MAX).run(|| ()),
        after((-1).seconds()).run(|| ()),
        after(Duration::MAX).run(|| ()),
    ] {
        assert!(matches!(add(job), Err(SchedulerError::Trigger(_))));
    }
}

#[test]
fn after_a_duration_fires_once_so_long_after_the_job_is_added() {
    let scheduler = builder().blocking().unwrap();
    assert_eq!(next_fire(&scheduler, after(10.seconds()).run(|| ())), now() + TimeDelta::seconds(10));
    let std = after(Duration::from_millis(1500)).run(|| ());
    assert_eq!(next_fire(&scheduler, std), now() + TimeDelta::milliseconds(1500));
    // The same word before the id of a job means its runs.
    scheduler.add(every(1.hours()).run(|| ()).id("backup")).unwrap();
    let follows = scheduler.add(after("backup").run(|| ())).unwrap();
    assert_eq!(scheduler.get(&follows).unwrap().unwrap().next_fire, None);
}

#[test]
fn an_instant_may_be_in_any_time_zone() {
    let scheduler = builder().blocking().unwrap();
    let instant = now() + TimeDelta::hours(3);
    let here = instant.with_timezone(&FixedOffset::east_opt(7200).unwrap());
    let berlin = Zone::named("Europe/Berlin").unwrap();
    for job in [
        at(instant).run(|| ()),
        at(here).run(|| ()),
        at(instant.with_timezone(&berlin)).run(|| ()),
        at(berlin.local(instant)).in_zone(berlin).run(|| ()),
    ] {
        assert_eq!(next_fire(&scheduler, job), instant);
    }
}

#[test]
fn local_times_without_a_zone_are_in_the_default_zone_of_the_scheduler() {
    // In Berlin it is 14:00.
    let of = |zone: &str| builder().time_zone(zone).blocking().unwrap();
    let (berlin, utc) = (of("Europe/Berlin"), builder().blocking().unwrap());
    let nine = || at("2026-07-02T09:00").in_zone("Europe/Berlin").run(|| ());
    let date = "2026-07-02".parse().unwrap();
    let time = "09:00:00".parse().unwrap();
    let sentences: [fn() -> NewJob; 4] = [
        || cron("0 9 * * *").run(|| ()),
        || at("2026-07-02T09:00").run(|| ()),
        || cron("0 9 * * *").or(cron("30 9 * * *")).not_after(now() + TimeDelta::days(9)).run(|| ()),
        || cron("0 9 * * *").except(cron("0 9 * * MON")).run(|| ()),
    ];
    for sentence in sentences {
        assert_eq!(next_fire(&berlin, sentence()), next_fire(&utc, nine()));
        assert_eq!(next_fire(&utc, sentence()).to_rfc3339(), "2026-07-02T09:00:00+00:00");
    }
    let calendar = || CalendarTrigger::from_date(date).days(1).at(time).run(|| ());
    assert_eq!(next_fire(&berlin, calendar()), next_fire(&utc, nine()));
    // A zone that is named counts.
    let tokyo = || cron("0 9 * * *").in_zone("Asia/Tokyo").run(|| ());
    assert_eq!(next_fire(&berlin, tokyo()), next_fire(&utc, tokyo()));
    let own = || cron("CRON_TZ=Asia/Tokyo 0 9 * * *").run(|| ());
    assert_eq!(next_fire(&berlin, own()), next_fire(&utc, tokyo()));
}

#[test]
fn the_default_zone_is_saved_in_the_job_and_counts_when_it_is_rescheduled() {
    let scheduler = builder().time_zone(Zone::named("Europe/Berlin").unwrap()).blocking().unwrap();
    let job = scheduler.add(cron("0 9 * * *").run(|| ()).id("report")).unwrap();
    let saved = serde_json::to_string(&scheduler.get(&job).unwrap().unwrap().trigger).unwrap();
    assert!(saved.contains("Europe/Berlin"), "{saved}");
    let changed = scheduler.reschedule("report", cron("0 10 * * *")).unwrap();
    assert_eq!(changed.trigger.describe(), "at 10:00 every day, Europe/Berlin");
}

#[test]
fn a_default_zone_that_does_not_exist_refuses_the_jobs_that_need_it() {
    let scheduler = builder().time_zone("Europe/Berlim").blocking().unwrap();
    let error = scheduler.add(cron("0 9 * * *").run(|| ())).unwrap_err();
    assert!(error.to_string().contains("Europe/Berlin"), "{error}");
    scheduler.add(every(1.hours()).run(|| ())).unwrap();
    scheduler.add(cron("0 9 * * *").in_zone("UTC").run(|| ())).unwrap();
    assert!(scheduler.add(cron("0 9 * * *").in_zone("Mars/Base").run(|| ())).is_err());
}
