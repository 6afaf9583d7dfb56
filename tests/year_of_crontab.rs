//! A year of a crontab of twenty lines in Europe/Berlin, both changes of the clocks included: the scheduler, on a
//! clock that leaps, runs each line exactly when a reading of the fields, minute by minute, says so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use matins::prelude::*;
use matins::triggers::{Zone, tzdb};
use matins::{JobId, Retention, VirtualClock};
use matins_conformance::inline::InlineExecutor;
use matins_conformance::literal::LiteralCrontab;

const ZONE: &str = "Europe/Berlin";

const CRONTAB: [&str; 20] = [
    "0 * * * *",
    "17 3 * * *",
    "30 2 * * *",
    "0 2,3 * * *",
    "*/20 2 * * *",
    "5,35 1-3 * * *",
    "*/15 1-4 * mar,oct *",
    "59 1 * * sun",
    "0 9 * * mon-fri",
    "45 23 28-31 * *",
    "0 0 1 * *",
    "0 0 1 1 *",
    "0 12 13 * fri",
    "0 12 */2 * mon",
    "10 4 * */3 *",
    "0 22 * * 1-5/2",
    "23 0-20/2 * * *",
    "0 4 8-14 * *",
    "0 6 29 feb *",
    "30 */6 * * 7",
];

type Fires = Arc<Mutex<HashMap<JobId, Vec<DateTime<Utc>>>>>;

#[test]
fn the_scheduler_agrees_with_a_literal_reading() {
    tzdb::use_bundled();
    let zone = Zone::named(ZONE).unwrap();
    let begin: DateTime<Utc> = "2026-01-01T00:30:30Z".parse().unwrap();
    let end: DateTime<Utc> = "2027-01-01T00:30:30Z".parse().unwrap();
    let scheduler = SchedulerBuilder::new()
        .store("default", MemoryStore::new())
        .executor("default", InlineExecutor)
        .clock(VirtualClock::leaping(begin))
        .retention(Retention { runs_per_job: Some(10), ..Retention::EVERYTHING })
        .blocking()
        .unwrap();

    let fires = Fires::default();
    let seen = fires.clone();
    let note = move |(): (), context: &TaskContext| {
        assert_eq!(context.started, context.scheduled, "a run on the virtual clock is never late");
        seen.lock().unwrap().entry(context.job.clone()).or_default().push(context.scheduled);
    };
    scheduler.register("note", note).unwrap();
    for line in CRONTAB {
        // An id is one word, so the line's blanks become underscores.
        scheduler.add(cron(line).in_zone(ZONE).task("note").id(line.replace(' ', "_"))).unwrap();
    }
    let handle = scheduler.handle();
    scheduler.add(DateTrigger::new(end).run(move || handle.request_shutdown(Shutdown::Wait))).unwrap();
    scheduler.run();

    let fires = fires.lock().unwrap();
    let mut total = 0;
    for line in CRONTAB {
        let expected = LiteralCrontab::new(line).fires(zone, begin, end);
        let found = fires.get(line.replace(' ', "_").as_str()).cloned().unwrap_or_default();
        assert_eq!(found, expected, "{line}");
        total += found.len();
    }
    assert!(total > 15_000, "a year holds more than {total} fires");
}
