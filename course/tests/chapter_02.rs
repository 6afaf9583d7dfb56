//! Chapter 2: the queue.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use scheduler::queue::{Heap, JobId, Queue, Scan, Tree, Wheel, run_all};
use scheduler::run_loop::{Clock, ManualClock};
use scheduler::trigger::{Every, Once, Trigger};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

/// Everything up to a time, in the order in which it comes out.
fn drain(queue: &mut dyn Queue, now: i64) -> Vec<(i64, JobId)> {
    let entries = std::iter::from_fn(|| queue.pop_due(at(now)));
    entries.map(|(time, job)| (time.timestamp(), job)).collect()
}

/// Three jobs come out in order, none before its time, those of the same time
/// by their number.
fn in_order(queue: &mut dyn Queue) {
    assert_eq!(queue.next(), None);
    for (job, time) in [(7, 30), (8, 10), (3, 30), (5, 20)] {
        queue.insert(job, at(time));
    }
    assert_eq!(queue.next(), Some(at(10)));
    assert_eq!(drain(queue, 9), []);
    assert_eq!(drain(queue, 20), [(10, 8), (20, 5)]);
    assert_eq!(queue.next(), Some(at(30)));
    assert_eq!(drain(queue, 1000), [(30, 3), (30, 7)]);
    assert_eq!((queue.next(), queue.entries()), (None, 0));
}

/// A job that is inserted again has moved. One that was removed is gone.
fn moved_and_removed(queue: &mut dyn Queue) {
    for (job, time) in [(1, 10), (2, 20), (3, 30), (1, 25)] {
        queue.insert(job, at(time));
    }
    assert!(queue.remove(2));
    assert!(!queue.remove(2) && !queue.remove(99));
    assert_eq!(queue.next(), Some(at(25)));
    assert_eq!(drain(queue, 100), [(25, 1), (30, 3)]);
    assert!(!queue.remove(1));
}

/// What a queue is asked to do.
#[derive(Debug, Clone)]
enum Step {
    Insert(JobId, i64),
    Remove(JobId),
    Pop(i64),
}

/// Steps with few jobs, so that they meet, and with times near and far.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let time = prop_oneof![
        -20_000_i64..20_000,
        Just(60_000),
        Just(4_000_000),
        Just(-4_000_000),
    ];
    let step = prop_oneof![
        (0_u64..12, time.clone()).prop_map(|(job, at)| Step::Insert(job, at)),
        (0_u64..12).prop_map(Step::Remove),
        time.prop_map(Step::Pop),
    ];
    prop::collection::vec(step, 1..80)
}

// ANCHOR: agrees
/// Does the steps on a queue and on a map that is sorted each time. Both have
/// the same answers.
fn agrees(queue: &mut dyn Queue, steps: &[Step]) {
    let mut model: BTreeMap<JobId, i64> = BTreeMap::new();
    for step in steps {
        match *step {
            Step::Insert(job, time) => {
                model.insert(job, time);
                queue.insert(job, at(time));
            }
            Step::Remove(job) => {
                let had = model.remove(&job).is_some();
                assert_eq!(queue.remove(job), had, "{step:?}");
            }
            Step::Pop(now) => {
                let first = model.iter().map(|(job, at)| (*at, *job)).min();
                let first = first.filter(|(time, _)| *time <= now);
                first.map(|(_, job)| model.remove(&job));
                let popped = queue.pop_due(at(now));
                let popped = popped.map(|(at, job)| (at.timestamp(), job));
                assert_eq!(popped, first, "{step:?}");
            }
        }
        assert_eq!(
            queue.next(),
            model.values().min().map(|time| at(*time)),
            "the next time after {step:?}"
        );
    }
}
// ANCHOR_END: agrees

/// Expects: `Scan` gives out what is due in order, and never too early.
/// Read: Look at all of them
#[test]
fn a_scan_gives_out_jobs_in_order() {
    in_order(&mut Scan::default());
}

/// Expects: in a `Scan`, a job has one entry, which moves and can be removed.
/// Read: Look at all of them
#[test]
fn a_scan_moves_and_removes_jobs() {
    moved_and_removed(&mut Scan::default());
}

/// Expects: the loop for many jobs fires each of them at its times, in the
/// order of time, and jobs of the same time by their number.
/// Read: The loop for many jobs
#[test]
fn the_loop_fires_many_jobs_in_order() {
    let every = |period| {
        let period = TimeDelta::seconds(period);
        Box::new(Every::new(at(0), period).unwrap()) as Box<dyn Trigger>
    };
    let triggers = [every(20), every(30), Box::new(Once(at(45)))];
    let clock = ManualClock::new(at(5));
    let mut fires = Vec::new();
    run_all(&triggers, &mut Scan::default(), &clock, at(65), |job, fire| {
        assert_eq!(clock.now(), fire);
        fires.push((fire.timestamp(), job));
    });
    assert_eq!(fires, [(20, 0), (30, 1), (40, 0), (45, 2), (60, 0), (60, 1)]);
}

/// Expects: a slow task makes later fires late, but each fire is still made
/// once and in order, and none later than `until`.
/// Read: The loop for many jobs
#[test]
fn slow_work_leaves_out_no_fire_of_any_job() {
    let every = |start, period| {
        let period = TimeDelta::seconds(period);
        Box::new(Every::new(at(start), period).unwrap()) as Box<dyn Trigger>
    };
    let triggers = [every(0, 5), every(1, 20)];
    let clock = ManualClock::new(at(5));
    let mut fires = Vec::new();
    run_all(&triggers, &mut Scan::default(), &clock, at(31), |job, fire| {
        fires.push((fire.timestamp(), job));
        clock.advance(TimeDelta::seconds(25));
    });
    assert_eq!(fires, [(10, 0), (15, 0), (20, 0), (21, 1), (25, 0), (30, 0)]);
}

/// Expects: `Heap` gives out what is due in order, and never too early.
/// Read: A heap
#[test]
fn a_heap_gives_out_jobs_in_order() {
    in_order(&mut Heap::default());
}

/// Expects: in a `Heap`, entries of jobs that were moved or removed are stale
/// and are never given out.
/// Read: What a heap cannot do
#[test]
fn a_heap_moves_and_removes_jobs() {
    moved_and_removed(&mut Heap::default());
}

/// Expects: a heap does not keep the entries of removed jobs until their time
/// comes: of 100,000 jobs that were added and removed, almost none is left.
/// Read: What a heap cannot do
#[test]
fn a_heap_gives_the_memory_of_removed_jobs_back() {
    let mut heap = Heap::default();
    heap.insert(0, at(1));
    for job in 1..100_000 {
        heap.insert(job, at(1_000_000));
        assert!(heap.remove(job));
        assert!(heap.entries() <= 3, "{} entries", heap.entries());
    }
    assert_eq!(drain(&mut heap, 2_000_000), [(1, 0)]);
}

/// Expects: a job that moves again and again leaves nothing behind either.
/// Read: What a heap cannot do
#[test]
fn a_heap_gives_the_memory_of_moved_jobs_back() {
    let mut heap = Heap::default();
    for time in 0..10_000 {
        heap.insert(1, at(1_000_000 - time));
        heap.insert(2, at(2_000_000 + time));
        assert!(heap.entries() <= 4, "{} entries", heap.entries());
    }
    assert_eq!(heap.next(), Some(at(990_001)));
}

/// Expects: `Tree` gives out what is due in order, and never too early.
/// Read: A B-tree
#[test]
fn a_tree_gives_out_jobs_in_order() {
    in_order(&mut Tree::default());
}

/// Expects: in a `Tree`, a job has one entry, which moves and can be removed.
/// Read: A B-tree
#[test]
fn a_tree_moves_and_removes_jobs() {
    moved_and_removed(&mut Tree::default());
}

/// Expects: `Wheel` gives out what is due in order, and never too early.
/// Read: A timing wheel
#[test]
fn a_wheel_gives_out_jobs_in_order() {
    in_order(&mut Wheel::default());
}

/// Expects: in a `Wheel`, a job has one entry, which moves and can be removed.
/// Read: A timing wheel
#[test]
fn a_wheel_moves_and_removes_jobs() {
    moved_and_removed(&mut Wheel::default());
}

/// Expects: an entry of a later round stays in its slot until its time comes,
/// also if it shares the slot with one that is due.
/// Read: Rounds
#[test]
fn a_wheel_keeps_what_belongs_to_a_later_round() {
    let mut wheel = Wheel::default();
    // All of them share a slot of a wheel of 512 slots, or of any power of
    // two below that.
    for (job, round) in [(0, 0), (1, 1), (2, 2), (3, 1000)] {
        wheel.insert(job, at(100 + 512 * round));
    }
    assert_eq!(drain(&mut wheel, 100), [(100, 0)]);
    assert_eq!(drain(&mut wheel, 611), []);
    assert_eq!(wheel.next(), Some(at(612)));
    assert_eq!(drain(&mut wheel, 612), [(612, 1)]);
    assert_eq!(drain(&mut wheel, 10_000), [(1124, 2)]);
    assert_eq!(wheel.next(), Some(at(512_100)));
    assert_eq!(drain(&mut wheel, 600_000), [(512_100, 3)]);
}

/// Expects: if the clock jumps by a thousand years, the wheel does not step
/// through each of the seconds.
/// Read: Rounds
#[test]
fn a_wheel_survives_a_jump_of_the_clock() {
    let mut wheel = Wheel::default();
    wheel.insert(1, at(10));
    assert_eq!(drain(&mut wheel, -50_000_000_000), []);
    for round in 0..1000 {
        let year = round * 31_556_952;
        wheel.insert(2, at(year + 5));
        assert!(drain(&mut wheel, year + 1000).contains(&(year + 5, 2)));
    }
}

proptest! {
    /// Expects: whatever is done with a `Scan`, it answers as a sorted map.
    /// Read: A model
    #[test]
    fn a_scan_agrees_with_a_model(steps in steps()) {
        agrees(&mut Scan::default(), &steps);
    }

    /// Expects: whatever is done with a `Heap`, it answers as a sorted map.
    /// Read: A model
    #[test]
    fn a_heap_agrees_with_a_model(steps in steps()) {
        agrees(&mut Heap::default(), &steps);
    }

    /// Expects: whatever is done with a `Tree`, it answers as a sorted map.
    /// Read: A model
    #[test]
    fn a_tree_agrees_with_a_model(steps in steps()) {
        agrees(&mut Tree::default(), &steps);
    }

    /// Expects: whatever is done with a `Wheel`, it answers as a sorted map.
    /// Read: A model
    #[test]
    fn a_wheel_agrees_with_a_model(steps in steps()) {
        agrees(&mut Wheel::default(), &steps);
    }
}
