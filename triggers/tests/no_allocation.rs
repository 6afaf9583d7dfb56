//! `next_after` and `previous_before` allocate nothing, nor does reading an expression without years.

use chrono::{DateTime, Utc};
use matins_core::Trigger;
use matins_triggers::{CalendarTrigger, CronExpression, CronTrigger, IntervalTrigger, TimeUnits};

#[test]
fn the_next_and_the_previous_fire_cost_no_allocation() {
    let after: DateTime<Utc> = "2026-03-28T12:34:56Z".parse().unwrap();
    let later: DateTime<Utc> = "2035-03-28T12:34:56Z".parse().unwrap();
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
        let allocations = allocation_counter::measure(|| found = trigger.previous_before(later));
        assert!(found.is_some(), "{}", trigger.describe());
        assert_eq!(allocations.count_total, 0, "{}", trigger.describe());
    }
}

#[test]
fn reading_an_expression_costs_no_allocation() {
    for text in [
        "*/5 * * * *",
        "0 9 * * MON-FRI/2",
        "0 0 1 January Monday",
        "0 0 29 2 1#5",
        "0 0 L-3,15W,L-5W * *",
        "@daily",
        "*/90 0 * * * *",
        "0 12 1 * +tues",
    ] {
        let mut read = None;
        let allocations = allocation_counter::measure(|| read = CronExpression::parse(text).ok());
        assert!(read.is_some(), "{text}");
        assert_eq!(allocations.count_total, 0, "{text}");
    }
    for text in ["0 0 21-3 ? * FRI-MON", "0 0/15 * L-5W NOV-FEB ?", "0 /15 * ? * L"] {
        let mut read = None;
        let allocations = allocation_counter::measure(|| read = CronExpression::parse_quartz(text).ok());
        assert!(read.is_some(), "{text}");
        assert_eq!(allocations.count_total, 0, "{text}");
    }
}
