//! Exercises of chapter 2: our solutions.
//!
//! Exercise 3, a second wheel: it improves `next` and the hand. A slot of the
//! wheel for hours holds all entries of that hour, so a look at 24 slots finds
//! the hour of the next entry, where one wheel has 86,400 slots for a day. The
//! price is that an entry moves from wheel to wheel, once for each, before it
//! is due. `insert` costs the same: it only has to choose the wheel.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use scheduler::queue::{Entry, JobId, Queue};

#[path = "../../../tests/exercises_02.rs"]
mod tests;

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
