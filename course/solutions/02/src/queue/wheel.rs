//! A timing wheel: a slot for each second of the next ten minutes or so.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::{Entry, JobId, Queue};

/// The number of slots. There is one for each second of a round.
const SLOTS: i64 = 512;

// ANCHOR: wheel
/// An entry is in the slot of its second, modulo `SLOTS`. So a slot also has
/// entries of later rounds, which stay in it until their round comes.
///
/// Invariant: what is due in second `turned` or before is in `due`, and all
/// else is in the slots.
#[derive(Debug)]
pub struct Wheel {
    slots: Vec<Vec<Entry>>,
    turned: i64,
    due: BTreeSet<Entry>,
    times: HashMap<JobId, DateTime<Utc>>,
}

fn slot(second: i64) -> usize {
    second.rem_euclid(SLOTS) as usize
}
// ANCHOR_END: wheel

impl Default for Wheel {
    fn default() -> Self {
        Self {
            slots: vec![Vec::new(); SLOTS as usize],
            turned: i64::MIN,
            due: BTreeSet::new(),
            times: HashMap::new(),
        }
    }
}

// ANCHOR: turn
impl Wheel {
    /// Moves what is due up to a second out of the slots.
    fn turn_to(&mut self, second: i64) {
        if second <= self.turned {
            return;
        }
        // After a whole round every slot has been looked at once.
        let steps = second.saturating_sub(self.turned).min(SLOTS);
        for passed in second - steps + 1..=second {
            let is_due = |entry: &mut Entry| entry.0.timestamp() <= second;
            let slot = &mut self.slots[slot(passed)];
            self.due.extend(slot.extract_if(.., is_due));
        }
        self.turned = second;
    }
}
// ANCHOR_END: turn

// ANCHOR: queue
impl Queue for Wheel {
    fn insert(&mut self, job: JobId, time: DateTime<Utc>) {
        self.remove(job);
        self.times.insert(job, time);
        let second = time.timestamp();
        if second <= self.turned {
            self.due.insert((time, job));
        } else {
            self.slots[slot(second)].push((time, job));
        }
    }

    fn remove(&mut self, job: JobId) -> bool {
        let Some(time) = self.times.remove(&job) else {
            return false;
        };
        let entries = &mut self.slots[slot(time.timestamp())];
        match entries.iter().position(|entry| entry.1 == job) {
            Some(index) => drop(entries.swap_remove(index)),
            None => drop(self.due.remove(&(time, job))),
        }
        true
    }

    fn next(&self) -> Option<DateTime<Utc>> {
        if let Some(first) = self.due.first() {
            return Some(first.0);
        }
        // The first slot that has an entry of this round has the first one.
        let round = self.turned.saturating_add(1);
        for second in round..round.saturating_add(SLOTS) {
            let entries = self.slots[slot(second)].iter();
            let times = entries.map(|entry| entry.0);
            let this_round = times.filter(|time| time.timestamp() == second);
            if let Some(first) = this_round.min() {
                return Some(first);
            }
        }
        self.times.values().min().copied()
    }

    fn pop_due(&mut self, now: DateTime<Utc>) -> Option<Entry> {
        self.turn_to(now.timestamp());
        let first = *self.due.first()?;
        (first.0 <= now).then(|| {
            self.due.remove(&first);
            self.times.remove(&first.1);
            first
        })
    }

    fn entries(&self) -> usize {
        self.slots.iter().map(Vec::len).sum::<usize>() + self.due.len()
    }
}
// ANCHOR_END: queue
