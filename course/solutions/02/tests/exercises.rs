//! Exercises 1 and 2 of chapter 2: solutions, and tests below them. To test
//! your own, copy this file to `starter/tests` and replace what is above the
//! line.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use scheduler::queue::{Entry, JobId, Queue, Scan};

/// Exercise 1: a scan that remembers its minimum.
///
/// It helps a change, because that rarely concerns the minimum. A fire always
/// takes the minimum out, so that it looks at all entries as before.
#[derive(Default)]
struct CachedScan {
    entries: Vec<Entry>,
    first: Option<Entry>,
}

impl Queue for CachedScan {
    fn insert(&mut self, job: JobId, time: DateTime<Utc>) {
        self.remove(job);
        self.entries.push((time, job));
        let first = self.first.map_or((time, job), |it| it.min((time, job)));
        self.first = Some(first);
    }

    fn remove(&mut self, job: JobId) -> bool {
        let found = self.entries.iter().position(|entry| entry.1 == job);
        let Some(index) = found else { return false };
        let entry = self.entries.swap_remove(index);
        if self.first == Some(entry) {
            self.first = self.entries.iter().min().copied();
        }
        true
    }

    fn next(&self) -> Option<DateTime<Utc>> {
        self.first.map(|first| first.0)
    }

    fn pop_due(&mut self, now: DateTime<Utc>) -> Option<Entry> {
        let first = self.first.filter(|first| first.0 <= now)?;
        self.remove(first.1);
        Some(first)
    }

    fn entries(&self) -> usize {
        self.entries.len()
    }
}

/// Exercise 2: what `HandleTree::insert` returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Handle(Entry);

/// Exercise 2: a tree that is told which entry to remove.
///
/// A handle that is out of date finds nothing, because its entry is gone. But
/// a job could be inserted twice, which a caller must not do.
#[derive(Default)]
struct HandleTree(BTreeSet<Entry>);

impl HandleTree {
    fn insert(&mut self, job: JobId, time: DateTime<Utc>) -> Handle {
        self.0.insert((time, job));
        Handle((time, job))
    }

    fn remove(&mut self, handle: Handle) -> bool {
        self.0.remove(&handle.0)
    }

    fn pop_due(&mut self, now: DateTime<Utc>) -> Option<Entry> {
        (self.0.first()?.0 <= now).then(|| self.0.pop_first())?
    }
}

// ---------------------------------------------------------------------------

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
