//! `next_after` allocates nothing.

use chrono::{DateTime, Utc};
use matins_core::Trigger;
use matins_triggers::{CalendarTrigger, CronTrigger, IntervalTrigger, TimeUnits};

#[test]
fn the_next_fire_costs_no_allocation() {
    let after: DateTime<Utc> = "2026-03-28T12:34:56Z".parse().unwrap();
    let mut triggers: Vec<Box<dyn Trigger>> = vec![
        Box::new(IntervalTrigger::new(after, 3.seconds()).unwrap()),
        Box::new(
            CalendarTrigger::from_date(after.date_naive()).months(1).zone("Europe/Berlin").build().unwrap(),
        ),
    ];
    for text in
        ["*/5 * * * *", "30 2 * * SUN", "0 0 29 2 1#5", "0 0 L-3,15W * *", "0 0 0 1 1 * 2030", "week=9"]
    {
        for zone in ["UTC", "Europe/Berlin"] {
            triggers.push(Box::new(CronTrigger::parse(text, zone).unwrap()));
        }
    }
    for trigger in triggers {
        let mut found = None;
        let allocations = allocation_counter::measure(|| found = trigger.next_after(after));
        assert!(found.is_some(), "{}", trigger.describe());
        assert_eq!(allocations.count_total, 0, "{}", trigger.describe());
    }
}
