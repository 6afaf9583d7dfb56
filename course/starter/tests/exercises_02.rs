//! Exercises of chapter 2: your solutions. Their tests are in
//! `course/tests/exercises_02.rs`.

// What is not written yet does not use its arguments.
#![allow(unused_variables, unused_mut, unused_imports, dead_code)]

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use scheduler::queue::{Entry, JobId, Queue};

#[path = "../../tests/exercises_02.rs"]
mod tests;

/// Exercise 1: a scan that remembers its minimum. Give it another field.
#[derive(Default)]
struct CachedScan(Vec<Entry>);

impl Queue for CachedScan {
    fn insert(&mut self, job: JobId, time: DateTime<Utc>) {
        unimplemented!("exercise 1: add an entry, or move it")
    }

    fn remove(&mut self, job: JobId) -> bool {
        unimplemented!("exercise 1: take the entry of the job out")
    }

    fn next(&self) -> Option<DateTime<Utc>> {
        unimplemented!("exercise 1: without looking at all entries")
    }

    fn pop_due(&mut self, now: DateTime<Utc>) -> Option<Entry> {
        unimplemented!("exercise 1: take the first entry out, if it is due")
    }

    fn entries(&self) -> usize {
        unimplemented!("exercise 1: how many entries are in memory")
    }
}

/// Exercise 2: what `HandleTree::insert` returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Handle(Entry);

/// Exercise 2: a tree whose caller says which entry to remove.
#[derive(Default)]
struct HandleTree(BTreeSet<Entry>);

impl HandleTree {
    fn insert(&mut self, job: JobId, time: DateTime<Utc>) -> Handle {
        unimplemented!("exercise 2: add an entry")
    }

    fn remove(&mut self, handle: Handle) -> bool {
        unimplemented!("exercise 2: remove the entry, if it is still there")
    }

    fn pop_due(&mut self, now: DateTime<Utc>) -> Option<Entry> {
        unimplemented!("exercise 2: take the first entry out, if it is due")
    }
}
