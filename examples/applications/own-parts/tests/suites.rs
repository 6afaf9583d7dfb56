//! The laws of triggers, and the suites for stores and executors, for the parts
//! of this crate.

mod trigger {
    use std::sync::Arc;

    use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
    use matins_conformance::laws;
    use matins_core::{Trigger, TriggerExt};
    use own_parts::Payday;

    #[test]
    fn payday_keeps_the_laws() {
        let payday: Arc<dyn Trigger> =
            Arc::new(Payday::at(NaiveTime::from_hms_opt(12, 0, 0).unwrap()));
        let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        for step in 0..200 {
            let at = start + TimeDelta::seconds(step * 345_678);
            laws::all(&payday, at, at + TimeDelta::days(step));
        }
    }

    #[test]
    fn payday_is_never_on_a_weekend() {
        let payday = Payday::at(NaiveTime::from_hms_opt(12, 0, 0).unwrap());
        let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let days: Vec<String> = payday
            .iter_after(start)
            .take(5)
            .map(|payday| payday.format("%a %d %b").to_string())
            .collect();
        assert_eq!(
            days,
            [
                "Fri 30 Jan",
                "Fri 27 Feb",
                "Tue 31 Mar",
                "Thu 30 Apr",
                "Fri 29 May"
            ]
        );
    }
}

mod store {
    use matins_conformance::store_suite::Volatile;
    use own_parts::TableStore;

    matins_conformance::store_suite!(Volatile(TableStore::new));
}

mod executor {
    use std::time::Duration;

    use own_parts::Elastic;

    matins_conformance::executor_suite!(|limits| {
        Elastic::new(limits.at_once, limits.waiting, Duration::from_secs(1))
    });
}
