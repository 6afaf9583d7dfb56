//! Simulations whose answers can be worked out by hand.

use chrono::TimeDelta;
use matins_definitions::Configuration;
use matins_triggers::Zone;

use crate::{Forecast, Simulation, SimulationError};

fn simulated(text: &str, hours: i64, workers: usize, spread: Option<TimeDelta>) -> Forecast {
    let config = Configuration::parse(text, Zone::utc()).unwrap();
    let from = "2026-11-25T00:00:00Z".parse().unwrap();
    let simulation = Simulation::new(&config.jobs, from, TimeDelta::hours(hours));
    let simulation = simulation.run_time(TimeDelta::zero()).workers(workers);
    match spread {
        Some(spread) => simulation.spread(spread).run().unwrap(),
        None => simulation.run().unwrap(),
    }
}

#[test]
fn fires_are_counted_and_the_busiest_minute_is_found() {
    let simulation = simulated(
        "[jobs.often]\ncron = \"*/10 * * * *\"\nshell = \"x\"\n[jobs.daily]\ncron = \"30 2 * * *\"\nshell = \"x\"\n",
        24,
        4,
        None,
    );
    // 00:10 to 23:50 and midnight, at which it ends; and 02:30.
    assert_eq!(simulation.fires, 144 + 1);
    let busiest = simulation.busiest_minute.unwrap();
    assert_eq!((busiest.at.to_rfc3339().as_str(), busiest.fires), ("2026-11-25T02:30:00+00:00", 2));
    assert_eq!(simulation.most_at_once, 2);
    assert!(simulation.missed.is_empty());
}

#[test]
fn overlaps_and_time_limits_are_foreseen() {
    let text = "[jobs.long]\ncron = \"*/10 * * * *\"\nshell = \"x\"\nexpected_duration = \"25m\"\n\
                [jobs.limited]\ncron = \"0 * * * *\"\nshell = \"x\"\nexpected_duration = \"2h\"\ntime_limit = \"5m\"\n";
    let simulation = simulated(text, 24, 4, None);
    // One of three fires starts: 00:10 runs until 00:35, so that 00:20 and 00:30 are missed.
    let missed = &simulation.missed["an earlier run was still going"];
    assert_eq!(missed.get("long"), Some(&96), "{missed:?}");
    assert_eq!(missed.get("limited"), None);
    assert_eq!(simulation.timed_out["limited"], 23, "and the one at the end is cut");
}

#[test]
fn what_finds_no_worker_waits() {
    let job = "cron = \"0 * * * *\"\nshell = \"x\"\nexpected_duration = \"10m\"\n";
    let jobs = (0..10).fold(String::new(), |jobs, n| format!("{jobs}[jobs.j{n}]\n{job}"));
    let simulation = simulated(&jobs, 3, 4, None);
    assert_eq!((simulation.most_at_once, simulation.most_waiting), (4, 6));
    let spread = simulated(&jobs, 3, 4, Some(TimeDelta::minutes(59)));
    assert!(spread.most_at_once < 4 || spread.most_waiting < 6, "{spread:?}");
    assert!(spread.busiest_second.unwrap().fires < simulation.busiest_second.unwrap().fires);
}

#[test]
fn it_is_the_same_each_time() {
    let text = "[jobs.a]\nevery = \"7s\"\nshell = \"x\"\nexpected_duration = \"9s\"\n[jobs.b]\ncron = \"*/3 * * * *\"\nshell = \"x\"\n";
    let once = serde_json::to_string(&simulated(text, 12, 2, None)).unwrap();
    assert_eq!(once, serde_json::to_string(&simulated(text, 12, 2, None)).unwrap());
}

#[test]
fn jobs_that_follow_others_run_after_them() {
    let text = "[jobs.backup]\ncron = \"0 3 * * *\"\nshell = \"x\"\nexpected_duration = \"90m\"\n\
                [jobs.report]\nafter = \"backup\"\nshell = \"x\"\nexpected_duration = \"10m\"\n\
                [jobs.mail]\nafter = \"report\"\nshell = \"x\"\n\
                [jobs.alarm]\nafter = \"backup\"\non = \"failed\"\nshell = \"x\"\n";
    for spread in [None, Some(TimeDelta::minutes(10))] {
        let simulation = simulated(text, 7 * 24, 4, spread);
        assert_eq!((simulation.jobs, simulation.fires), (4, 7 * 3), "{simulation:?}");
        assert!(simulation.missed.is_empty(), "{simulation:?}");
    }
    let simulation = simulated(text, 7 * 24, 4, None);
    // The report and its mail, when the backup has ended.
    assert_eq!(simulation.fires_per_hour[&"2026-11-25T04:00:00Z".parse().unwrap()], 2);
}

#[test]
fn a_simulation_of_no_time_is_refused_and_one_without_workers_ends() {
    let text = "[jobs.a]\nevery = \"1m\"\nshell = \"x\"\n";
    let config = Configuration::parse(text, Zone::utc()).unwrap();
    let from = "2026-11-25T00:00:00Z".parse().unwrap();
    for hours in [0, -1] {
        let refused = Simulation::new(&config.jobs, from, TimeDelta::hours(hours)).run();
        assert!(matches!(refused, Err(SimulationError::NoTime(_))), "{hours} hours: {refused:?}");
    }
    let forecast = Simulation::new(&config.jobs, from, TimeDelta::hours(1)).workers(0).run().unwrap();
    assert_eq!((forecast.fires, forecast.most_at_once), (60, 0));
}
