//! A clock that was wrong, or is set while jobs wait.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Backoff, Clock, Job, OnConflict, Outcome, Retry, RunQuery, Shutdown};
use matins_scheduler::{
    BackgroundScheduler, Event, Events, NewJob, Retention, Schedule, SchedulerBuilder, SchedulerState,
    VirtualClock,
};
use matins_store_file::FileStore;
use matins_store_memory::MemoryStore;
use matins_triggers::{CalendarTrigger, Combine, IntervalTrigger, TimeUnits, at, cron, every};

use crate::rig::{GENEROUS, Held, Holding, Rig, second, seconds, ticking};

fn daily() -> CalendarTrigger {
    let from = "2026-01-01".parse().unwrap();
    CalendarTrigger::from_date(from).days(1).at("00:40:00".parse().unwrap()).zone("UTC").build().unwrap()
}

fn hour() -> TimeDelta {
    TimeDelta::hours(1)
}

impl Rig {
    /// Sets the clock, and waits until a job has its next fire at this second.
    fn step_until_next_is(&self, by: TimeDelta, id: &str, next: i64) {
        self.clock.step(by);
        wait_until(|| self.next_fire(id) == Some(next));
    }

    /// Waits until the scheduler has looked at the clock: another job fires by then.
    fn has_looked(&self) {
        let now = self.clock.now();
        let id = format!("probe at {now}");
        let probe = IntervalTrigger::new(now + TimeDelta::microseconds(1), TimeDelta::days(40_000)).unwrap();
        self.scheduler.add(probe.run(|| ()).id(&id)).unwrap();
        self.clock.advance(TimeDelta::milliseconds(1));
        loop {
            let event = self.events.next_within(GENEROUS).expect("the other job fires");
            if matches!(&event, Event::RunStarted { run, .. } if run.job.as_str() == id) {
                break;
            }
        }
        let probe = loop {
            let mut runs = self.held.some();
            if let Some(place) = runs.iter().position(|(run, _)| run.job.as_str() == id) {
                break runs.remove(place);
            }
        };
        probe.1.finish(probe.0.execute());
        self.events.next_within(GENEROUS).expect("it has ended");
        self.scheduler.remove(&id).unwrap();
        self.events.next_within(GENEROUS).expect("it is removed");
    }

    /// How many fires of a job are in the ledger.
    fn fires_of(&self, id: &str) -> u64 {
        let query = RunQuery::of_job(&matins_core::JobId::new(id).unwrap());
        self.scheduler.runs_in("default", &query).unwrap().iter().map(|run| run.fires.count).sum()
    }
}

/// robfig/cron#480, systemd#6036, dbader/schedule#323: after a step back by an hour nothing ran for that hour.
#[test]
fn jobs_at_elapsed_times_continue_when_the_clock_is_set_back_by_an_hour() {
    let rig = Rig::with(MemoryStore::new(), 10_000, Retention::EVERYTHING);
    rig.add(ticking());
    rig.add(cron("* * * * *").run(|| ()).id("minutely"));
    rig.add(every(10.seconds()).jitter(3.seconds()).run(|| ()).id("jittered"));
    rig.add(every(10.seconds()).not_before(second(0)).run(|| ()).id("windowed"));
    rig.clock.set(second(7_265));
    rig.has_looked();
    for (run, done) in rig.held.runs().drain(..) {
        done.finish(run.execute());
    }
    rig.has_looked();
    let before = ["tick", "minutely", "jittered", "windowed"].map(|id| rig.fires_of(id));
    rig.clock.step(-hour());
    for step in 1..=330 {
        rig.clock.set(second(7_265 - 3_600 + step * 10));
        rig.has_looked();
        for (run, done) in rig.held.runs().drain(..) {
            done.finish(run.execute());
        }
    }
    rig.has_looked();
    let ran = ["tick", "minutely", "jittered", "windowed"].map(|id| rig.fires_of(id));
    for (at, most) in [330, 55, 330, 330].into_iter().enumerate() {
        let ran = ran[at] - before[at];
        assert!(ran + 2 >= most && ran <= most + 1, "number {at} ran {ran} times of {most}");
    }
}

#[test]
fn a_job_that_was_just_added_fires_on_when_the_clock_is_set_back() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.add(every(10.seconds()).jitter(2.seconds()).or(cron("0 0 1 1 *")).run(|| ()).id("combined"));
    rig.at(4, &[]);
    rig.step_until_next_is(-hour(), "tick", -3_590);
    let combined = rig.next_fire("combined").unwrap();
    // A jitter shifts each instant by another time.
    assert!((-3_591..=-3_576).contains(&combined), "{combined}");
    rig.at(-3_590, &["started -3590 running"]);
}

#[test]
fn fixed_local_times_wait_when_the_clock_is_set_back_by_up_to_three_hours() {
    let rig = Rig::new();
    rig.add(cron("30 0,1,2 * * *").run(|| ()).id("fixed"));
    rig.add(daily().run(|| ()).id("daily"));
    let both = cron("30 0 * * *").or(cron("45 0 * * *"));
    rig.add(both.run(|| ()).id("both"));
    rig.clock.set(second(3_300));
    rig.has_looked();
    assert_eq!((rig.next_fire("fixed"), rig.next_fire("daily")), (Some(5_400), Some(88_800)));
    rig.clock.step(-TimeDelta::minutes(50));
    rig.has_looked();
    assert_eq!((rig.next_fire("fixed"), rig.next_fire("daily")), (Some(5_400), Some(88_800)));
    assert_eq!(rig.next_fire("both"), Some(86_400 + 1_800));
}

#[test]
fn an_interval_fires_after_as_much_time_as_it_would_have() {
    let rig = Rig::new();
    rig.add(every(1.hours()).run(|| ()).id("hourly"));
    rig.add(every(1.days()).run(|| ()).id("daily"));
    rig.clock.set(second(86_460));
    rig.has_looked();
    // Not at 86,400 again, a minute after it has fired.
    rig.step_until_next_is(-TimeDelta::minutes(2), "hourly", 86_400 + 3_600);
    assert_eq!(rig.next_fire("daily"), Some(2 * 86_400));
    rig.step_until_next_is(-TimeDelta::minutes(60), "hourly", 86_400);
}

#[test]
fn a_clock_that_was_set_back_by_more_than_three_hours_was_wrong() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.add(cron("30 0,1,2 * * *").run(|| ()).id("fixed"));
    rig.add(every(1.hours()).run(|| ()).id("given").first_fire(second(86_400)));
    rig.clock.set(second(40_000));
    rig.has_looked();
    rig.clock.step(-TimeDelta::hours(11));
    assert_eq!(correction(&rig.events), (TimeDelta::hours(11), 2));
    assert_eq!((rig.next_fire("tick"), rig.next_fire("fixed")), (Some(410), Some(1_800)));
    assert_eq!(rig.next_fire("given"), Some(86_400), "somebody gave it");
}

/// A store that a scheduler has filled by a clock which was at `then`, and that another one opens at `now`.
fn reopened(
    then: &str,
    now: &str,
    add: impl Fn(&BackgroundScheduler),
    check: impl Fn(&BackgroundScheduler, &Events, DateTime<Utc>),
) {
    let held = Arc::<Held>::default();
    let directory = tempfile::tempdir().unwrap();
    let opened = |clock: &VirtualClock| {
        let mut scheduler = SchedulerBuilder::new()
            .store("default", FileStore::open(directory.path().join("jobs")).unwrap())
            .executor("default", Holding { held: held.clone(), room: 100 })
            .clock(clock.clone())
            .background()
            .unwrap();
        scheduler.register("work", || ()).unwrap();
        let events = scheduler.subscribe();
        scheduler.start().unwrap();
        (scheduler, events)
    };
    let then = VirtualClock::new(then.parse().unwrap());
    let (scheduler, events) = opened(&then);
    add(&scheduler);
    then.advance(TimeDelta::minutes(90));
    while !matches!(events.next_within(GENEROUS), Some(Event::RunStarted { .. })) {}
    end(&scheduler, &held);
    drop(scheduler);
    let now = VirtualClock::new(now.parse().unwrap());
    let (scheduler, events) = opened(&now);
    check(&scheduler, &events, now.now());
    end(&scheduler, &held);
}

/// Shuts the scheduler down, and does what its executor holds until then: runs are handed over one after the other.
fn end(scheduler: &BackgroundScheduler, held: &Held) {
    scheduler.request_shutdown(Shutdown::Wait);
    wait_until(|| {
        let runs: Vec<_> = held.runs().drain(..).collect();
        for (run, done) in runs {
            done.finish(run.execute());
        }
        scheduler.state() == SchedulerState::ShutDown
    });
}

/// Waits for a correction: by how much, and of how many jobs.
fn correction(events: &Events) -> (TimeDelta, u64) {
    loop {
        let event = events.next_within(GENEROUS).expect("a correction");
        if let Event::ClockCorrected { by, jobs, .. } = event {
            return (by, jobs);
        }
    }
}

fn wait_until(is_so: impl Fn() -> bool) {
    let until = Instant::now() + GENEROUS;
    while !is_so() {
        assert!(Instant::now() < until);
        thread::yield_now();
    }
}

fn next_of(scheduler: &BackgroundScheduler, id: &str) -> DateTime<Utc> {
    scheduler.get(id).unwrap().unwrap().next_fire.unwrap()
}

/// A daemon that ran once in 2037 said "in 3688 d" ever after. Sonarr#1422.
#[test]
fn a_store_that_was_used_in_2037_is_corrected_when_the_scheduler_starts_with_the_right_clock() {
    let far: DateTime<Utc> = "2040-01-01T00:00:00Z".parse().unwrap();
    reopened(
        "2037-05-05T12:00:00Z",
        "2026-11-26T12:00:00Z",
        |scheduler| {
            let work = |job: NewJob, id: &str| scheduler.add(job.id(id)).unwrap();
            work(every(10.seconds()).task("work"), "interval");
            work(cron("0 9 * * *").task("work"), "daily");
            work(IntervalTrigger::new(far, TimeDelta::seconds(10)).unwrap().task("work"), "later");
            work(at("2040-01-01T00:00:00Z").task("work"), "once");
            work(cron("0 * * * *").task("work").first_fire(far), "given");
        },
        |scheduler, events, now| {
            let (by, jobs) = correction(events);
            assert!(by > TimeDelta::days(3_650), "{by}");
            assert_eq!(jobs, 2);
            // Nobody gave it its start: it counts from now on, as if it had been added now.
            assert_eq!(next_of(scheduler, "interval"), now + TimeDelta::seconds(10));
            assert_eq!(next_of(scheduler, "daily"), now + TimeDelta::hours(21));
            assert_eq!(next_of(scheduler, "later"), far);
            assert_eq!((next_of(scheduler, "once"), next_of(scheduler, "given")), (far, far));
        },
    );
}

#[test]
fn a_clock_that_was_set_back_by_an_hour_between_two_starts_stops_no_interval() {
    reopened(
        "2026-11-26T12:00:00Z",
        "2026-11-26T12:30:00Z",
        |scheduler| {
            scheduler.add(every(10.seconds()).task("work").id("interval")).unwrap();
            scheduler.add(cron("0 13,14 * * *").task("work").id("fixed")).unwrap();
        },
        |scheduler, events, now| {
            wait_until(|| next_of(scheduler, "interval") <= now + TimeDelta::seconds(20));
            while let Some(event) = events.next_within(Duration::ZERO) {
                assert!(!matches!(event, Event::ClockCorrected { .. }), "{event:?}");
            }
            assert_eq!(next_of(scheduler, "fixed"), now + TimeDelta::minutes(90), "13:00 was decided");
        },
    );
}

/// A retry after one second came after two hours and a second.
#[test]
fn a_retry_waits_for_time_to_pass_however_the_clock_is_set() {
    for (step, early) in [(-TimeDelta::hours(2), 0), (TimeDelta::hours(2), 0), (-TimeDelta::days(4_000), 0)] {
        let rig = Rig::new();
        let retry = Retry::times(1).backoff(Backoff::Fixed(Duration::from_secs(30)));
        rig.add(at("2026-01-01T00:00:10Z").run(|| Err::<(), _>("no luck")).id("fails").retry(retry));
        rig.at(10, &["started 10 running"]);
        rig.finish(&["finished 10 failed"]);
        rig.clock.step(step);
        rig.has_looked();
        assert_eq!(rig.held.runs().len(), early, "by {step}");
        rig.clock.advance(TimeDelta::seconds(28));
        rig.has_looked();
        assert_eq!(rig.held.runs().len(), early, "by {step}");
        rig.clock.advance(TimeDelta::seconds(3));
        rig.expect(&["started 10 running (attempt 2)"]);
    }
}

/// A run took -3,600 s.
#[test]
fn a_run_takes_the_time_that_has_passed_however_the_clock_is_set() {
    for step in [-3_600, 3_600, -400_000_000, 400_000_000] {
        let rig = Rig::new();
        rig.add(ticking());
        rig.at(10, &["started 10 running"]);
        let (run, done) = rig.held.take_first();
        let started = rig.clock.now();
        drop(run.context(started));
        rig.clock.advance(TimeDelta::seconds(2));
        rig.clock.step(TimeDelta::seconds(step));
        rig.clock.advance(TimeDelta::seconds(3));
        let report = run.ended(Some(started), Outcome::Succeeded, None);
        assert_eq!(report.finished, rig.clock.now());
        assert_eq!(report.finished - report.started.unwrap(), TimeDelta::seconds(5), "by {step}");
        done.finish(report);
        loop {
            let Some(Event::RunFinished { run, .. }) = rig.events.next_within(GENEROUS) else { continue };
            assert_eq!(run.finished.unwrap() - run.started.unwrap(), TimeDelta::seconds(5), "by {step}");
            break;
        }
    }
}

/// The same for one whose executor loses it, and does not say when it began.
#[test]
fn a_run_that_its_executor_loses_takes_no_negative_time() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.at(10, &["started 10 running"]);
    let (run, done) = rig.held.take_first();
    rig.clock.step(-hour());
    rig.has_looked();
    rig.clock.advance(TimeDelta::seconds(1));
    drop((run, done));
    loop {
        let Some(Event::RunFinished { run, .. }) = rig.events.next_within(GENEROUS) else { continue };
        let took = run.finished.unwrap() - run.started.unwrap();
        assert!(took >= TimeDelta::zero() && took < TimeDelta::minutes(1), "{took}");
        break;
    }
}

#[test]
fn a_deadline_of_a_shutdown_is_kept_however_the_clock_is_set() {
    let rig = Rig::new();
    rig.add(ticking());
    rig.at(10, &["started 10 running"]);
    rig.scheduler.handle().request_shutdown(Shutdown::Deadline(Duration::from_secs(60)));
    rig.clock.step(-TimeDelta::days(1_000));
    rig.clock.advance(TimeDelta::seconds(61));
    wait_until(|| rig.held.first_is_cancelled());
}

#[test]
fn a_job_that_is_changed_keeps_a_first_fire_that_was_given() {
    let rig = Rig::new();
    rig.add(ticking().first_fire(second(100_000)));
    let job = |rig: &Rig| -> Job { rig.scheduler.get("tick").unwrap().unwrap() };
    assert_eq!(job(&rig).first_fire.map(seconds), Some(100_000));
    rig.scheduler.modify("tick", |job| job.next_fire = Some(second(200_000))).unwrap();
    assert_eq!(job(&rig).first_fire.map(seconds), Some(200_000));
    // What the trigger says anyway is the trigger's.
    rig.scheduler.modify("tick", |job| job.next_fire = Some(second(10))).unwrap();
    assert_ne!(job(&rig).first_fire, job(&rig).next_fire);
    let again = ticking().first_fire(second(300_000)).on_conflict(OnConflict::Update);
    rig.scheduler.add(again).unwrap();
    assert_eq!(rig.next_fire("tick"), Some(10), "an unchanged trigger keeps its next fire time");
}
