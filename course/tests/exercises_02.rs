//! The tests of the exercises of chapter 2.

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use scheduler::queue::{Queue, Scan};

use super::{CachedScan, HandleTree};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

proptest! {
    #[test]
    fn a_cached_scan_agrees_with_a_scan(
        steps in prop::collection::vec((0_u8..3, 0_u64..6, 0_i64..20), 1..60),
    ) {
        let (mut cached, mut scan) = (CachedScan::default(), Scan::default());
        for (kind, job, time) in steps {
            match kind {
                0 => {
                    cached.insert(job, at(time));
                    scan.insert(job, at(time));
                }
                1 => prop_assert_eq!(cached.remove(job), scan.remove(job)),
                _ => prop_assert_eq!(
                    cached.pop_due(at(time)), scan.pop_due(at(time))
                ),
            }
            prop_assert_eq!(cached.next(), scan.next());
            prop_assert_eq!(cached.entries(), scan.entries());
        }
    }
}

#[test]
fn a_handle_that_is_out_of_date_removes_nothing() {
    let mut tree = HandleTree::default();
    let first = tree.insert(1, at(10));
    assert!(tree.remove(first));
    let second = tree.insert(1, at(20));
    assert!(!tree.remove(first));
    assert_eq!(tree.pop_due(at(15)), None);
    assert_eq!(tree.pop_due(at(20)), Some((at(20), 1)));
    assert!(!tree.remove(second));
}
