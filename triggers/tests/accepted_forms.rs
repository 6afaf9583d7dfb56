//! The forms in which a trigger may be passed.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{IntoTrigger, Trigger};
use matins_triggers::{Combine, CronTrigger, IntervalTrigger, every};

fn first_fire(trigger: impl IntoTrigger) -> Option<DateTime<Utc>> {
    trigger.into_trigger(DateTime::UNIX_EPOCH).unwrap().next_after(DateTime::UNIX_EPOCH)
}

#[test]
fn a_trigger_may_be_a_value_shared_or_boxed() {
    let noon = CronTrigger::parse("0 12 * * *", "UTC").unwrap();
    let expected = noon.next_after(DateTime::UNIX_EPOCH);
    let shared: Arc<dyn Trigger> = Arc::new(noon.clone());
    let boxed: Box<dyn Trigger> = Box::new(noon.clone());
    assert!(expected.is_some());
    assert_eq!(first_fire(shared), expected);
    assert_eq!(first_fire(boxed), expected);
    assert_eq!(first_fire(Arc::new(noon.clone())), expected);
    assert_eq!(first_fire(noon), expected);
}

#[test]
fn triggers_of_types_that_are_chosen_at_run_time_are_combined() {
    let choose = |hourly: bool| -> Box<dyn Trigger> {
        if hourly {
            let hour = TimeDelta::hours(1);
            Box::new(IntervalTrigger::new(DateTime::UNIX_EPOCH + hour, hour).unwrap())
        } else {
            Box::new(CronTrigger::parse("30 0 * * *", "UTC").unwrap())
        }
    };
    let minutes = |trigger| (first_fire(trigger).unwrap() - DateTime::UNIX_EPOCH).num_minutes();
    assert_eq!(minutes(choose(true).or(choose(false))), 30);
    assert_eq!(minutes(choose(true).or(every(TimeDelta::minutes(45)))), 45);
}
