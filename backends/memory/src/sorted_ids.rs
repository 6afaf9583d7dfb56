//! Ids in order, for jobs that come and go in that order most of the time.

use std::collections::{BTreeSet, VecDeque, btree_set, vec_deque};
use std::iter::Peekable;
use std::ops::Bound;

use matins_core::JobId;

/// A set of ids in rising order.
///
/// Jobs that are due together are taken out in order, and come in that order to the instant that they move on to. Such ids are
/// appended to a queue and taken from its front, without a search. An id that comes after a greater one is in a tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct SortedIds {
    /// In rising order; the first and the last of them are present.
    queue: VecDeque<Entry>,
    /// How many ids of the queue are not present.
    gaps: usize,
    tree: BTreeSet<JobId>,
}

#[derive(Debug, Clone)]
struct Entry {
    id: JobId,
    /// Ids that are taken from the middle stay until they are at an end, or are many.
    is_present: bool,
}

impl SortedIds {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.tree.is_empty()
    }

    pub(crate) fn insert(&mut self, id: JobId) {
        if self.queue.back().is_none_or(|last| last.id < id) {
            if !self.tree.contains(&id) {
                self.queue.push_back(Entry { id, is_present: true });
            }
            return;
        }
        match self.place(&id) {
            Ok(place) => {
                let entry = &mut self.queue[place];
                self.gaps -= usize::from(!entry.is_present);
                entry.is_present = true;
            }
            Err(_) => drop(self.tree.insert(id)),
        }
    }

    /// Takes an id out and returns it.
    pub(crate) fn remove(&mut self, id: &JobId) -> Option<JobId> {
        if self.queue.front().is_some_and(|first| first.id == *id) {
            let taken = self.queue.pop_front();
            self.trim();
            return taken.map(|entry| entry.id);
        }
        if let Some(taken) = self.tree.take(id) {
            return Some(taken);
        }
        let place = self.place(id).ok()?;
        let entry = &mut self.queue[place];
        if !entry.is_present {
            return None;
        }
        entry.is_present = false;
        self.gaps += 1;
        let taken = entry.id.clone();
        self.trim();
        Some(taken)
    }

    fn place(&self, id: &JobId) -> Result<usize, usize> {
        self.queue.binary_search_by(|entry| entry.id.cmp(id))
    }

    /// Takes away the entries at both ends that are not present, and all of them where they are the larger part.
    fn trim(&mut self) {
        if self.gaps == 0 {
            return;
        }
        while self.queue.front().is_some_and(|entry| !entry.is_present) {
            self.queue.pop_front();
            self.gaps -= 1;
        }
        while self.queue.back().is_some_and(|entry| !entry.is_present) {
            self.queue.pop_back();
            self.gaps -= 1;
        }
        if self.gaps > self.queue.len() / 2 {
            self.queue.retain(|entry| entry.is_present);
            self.queue.shrink_to(2 * self.queue.len());
            self.gaps = 0;
        }
    }

    /// The ids after that one; all of them for `None`.
    pub(crate) fn after(&self, behind: Option<&JobId>) -> InOrder<'_> {
        let (from, bound) = match behind {
            None => (0, Bound::Unbounded),
            Some(id) => (self.place(id).map_or_else(|place| place, |place| place + 1), Bound::Excluded(id)),
        };
        InOrder {
            queue: self.queue.range(from..).peekable(),
            tree: self.tree.range::<JobId, _>((bound, Bound::Unbounded)).peekable(),
        }
    }

    /// All ids, in no order.
    pub(crate) fn into_ids(self) -> impl Iterator<Item = JobId> {
        self.queue.into_iter().filter(|entry| entry.is_present).map(|entry| entry.id).chain(self.tree)
    }
}

/// The ids of queue and tree in rising order.
pub(crate) struct InOrder<'a> {
    queue: Peekable<vec_deque::Iter<'a, Entry>>,
    tree: Peekable<btree_set::Range<'a, JobId>>,
}

impl<'a> Iterator for InOrder<'a> {
    type Item = &'a JobId;

    fn next(&mut self) -> Option<&'a JobId> {
        loop {
            let Some(entry) = self.queue.peek() else { return self.tree.next() };
            if self.tree.peek().is_some_and(|id| **id < entry.id) {
                return self.tree.next();
            }
            let entry = self.queue.next()?;
            if entry.is_present {
                return Some(&entry.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(number: u8) -> JobId {
        JobId::new(format!("{number:03}")).unwrap()
    }

    proptest! {
        /// It answers as a set of the standard library does, whatever comes and goes.
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((any::<bool>(), 0_u8..20), 0..200), behind in 0_u8..20) {
            let (mut ids, mut model) = (SortedIds::default(), BTreeSet::new());
            for (comes, number) in steps {
                if comes {
                    ids.insert(id(number));
                    model.insert(id(number));
                } else {
                    prop_assert_eq!(ids.remove(&id(number)), model.take(&id(number)));
                }
                prop_assert_eq!(ids.is_empty(), model.is_empty());
                prop_assert!(ids.gaps <= ids.queue.len() / 2);
            }
            prop_assert!(ids.after(None).eq(&model));
            let behind = id(behind);
            let rest: Vec<&JobId> = model.iter().filter(|id| **id > behind).collect();
            prop_assert!(ids.after(Some(&behind)).eq(rest));
            let mut all: Vec<JobId> = ids.into_ids().collect();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(model));
        }
    }

    #[test]
    fn ids_that_come_and_go_in_order_need_no_tree() {
        let mut ids = SortedIds::default();
        (0..100).for_each(|number| ids.insert(id(number)));
        (0..99).for_each(|number| drop(ids.remove(&id(number))));
        assert_eq!((ids.queue.len(), ids.gaps, ids.tree.len()), (1, 0, 0));
    }
}
