//! The book's own trigger, store and executor pass the suites that ours pass.

#![allow(dead_code, unreachable_pub, reason = "the examples are programs, and their parts are used here")]

#[rustfmt::skip] // Examples have shorter lines.
#[path = "../examples/one_document.rs"]
mod one_document;
#[rustfmt::skip] // Examples have shorter lines.
#[path = "../examples/sunrise.rs"]
mod sunrise;
#[rustfmt::skip] // Examples have shorter lines.
#[path = "../examples/telling.rs"]
mod telling;

mod trigger {
    use std::sync::Arc;

    use chrono::{DateTime, TimeDelta, Utc};
    use matins::Trigger;
    use matins_conformance::laws;

    use crate::sunrise::Sunrise;

    fn instant(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    // ANCHOR: laws
    #[test]
    fn sunrise_keeps_the_laws_from_the_equator_to_the_polar_circle() {
        for latitude in [-80.0, -33.87, 0.0, 48.86, 69.65, 85.0] {
            let sunrise = Sunrise::at(latitude, 18.96).unwrap();
            let sunrise: Arc<dyn Trigger> = Arc::new(sunrise);
            for step in 0..200 {
                let later = TimeDelta::seconds(step * 345_678);
                let at = instant("2026-01-01T00:00:00Z") + later;
                laws::all(&sunrise, at, at + TimeDelta::hours(step));
            }
        }
    }
    // ANCHOR_END: laws

    /// Greenwich, as almanacs have it: 08:06 on 1 January, 04:43 by summer time
    /// on 21 June.
    #[test]
    fn the_sun_rises_when_it_does() {
        let greenwich = Sunrise::at(51.48, 0.0).unwrap();
        for (day, expected) in [("2026-01-01", "08:06"), ("2026-06-21", "03:43")] {
            let midnight = instant(&format!("{day}T00:00:00Z"));
            let rises = greenwich.next_after(midnight).unwrap();
            let off = rises - instant(&format!("{day}T{expected}:00Z"));
            assert!(off.abs() < TimeDelta::minutes(3), "{rises}, not {expected}");
        }
    }

    #[test]
    fn the_polar_night_is_waited_for_and_no_place_is_refused() {
        let tromso = Sunrise::at(69.65, 18.96).unwrap();
        let first = tromso.next_after(instant("2026-12-01T00:00:00Z")).unwrap();
        assert!(
            first > instant("2027-01-10T00:00:00Z") && first < instant("2027-01-20T00:00:00Z"),
            "{first}"
        );
        assert!(Sunrise::at(91.0, 0.0).is_none() && Sunrise::at(f64::NAN, 0.0).is_none());
    }
}

mod store {
    use matins::JobStore;
    use matins_conformance::store_suite::StoreFactory;
    use tempfile::TempDir;

    use crate::one_document::OneDocument;

    // ANCHOR: store
    #[derive(Default)]
    struct InDirectories(Vec<TempDir>);

    impl InDirectories {
        fn open(&self) -> Box<dyn JobStore> {
            let path = self.0.last().unwrap().path().join("jobs.json");
            Box::new(OneDocument::open(path).unwrap())
        }
    }

    impl StoreFactory for InDirectories {
        fn create(&mut self) -> Box<dyn JobStore> {
            self.0.push(TempDir::new().unwrap());
            self.open()
        }

        fn reopen(&mut self, old: Box<dyn JobStore>) -> Option<Box<dyn JobStore>> {
            drop(old);
            Some(self.open())
        }
    }

    matins_conformance::store_suite!(InDirectories::default());
    // ANCHOR_END: store

    #[test]
    fn a_second_owner_is_refused_and_nonsense_is_an_error() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("jobs.json");
        let first = OneDocument::open(&path).unwrap();
        assert!(OneDocument::open(&path).err().unwrap().to_string().contains("belongs to another scheduler"));
        drop(first);
        std::fs::write(&path, "{\"jobs\": [").unwrap();
        assert!(OneDocument::open(&path).err().unwrap().to_string().contains("reading"));
    }
}

mod executor {
    use std::time::Duration;

    use crate::telling::Telling;

    // ANCHOR: executor
    matins_conformance::executor_suite!(|limits| {
        Telling::new(limits.at_once, limits.waiting, Duration::from_secs(1))
    });
    // ANCHOR_END: executor
}
