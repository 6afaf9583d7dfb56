//! Ids in order, for what is added and removed in that order most of the time.

use std::collections::{BTreeSet, VecDeque, btree_set, vec_deque};
use std::ops::Bound;

/// A set of ids in rising order.
///
/// Jobs that are due together are taken out in order, and come in that order to the instant that they move on to; runs come in the
/// order of their numbers, and mostly end in it. Such ids are appended to a queue and taken from its front, without a search. An id that comes after a greater one is in a tree.
#[derive(Debug, Clone)]
pub(crate) struct SortedIds<T> {
    /// In rising order; the first and the last of them are present.
    queue: VecDeque<Entry<T>>,
    /// How many ids of the queue are not present.
    gaps: usize,
    tree: BTreeSet<T>,
}

#[derive(Debug, Clone)]
struct Entry<T> {
    id: T,
    /// Ids that are taken from the middle stay until they are at an end, or are many.
    is_present: bool,
}

impl<T> Default for SortedIds<T> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), gaps: 0, tree: BTreeSet::new() }
    }
}

impl<T: Ord + Clone> SortedIds<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.tree.is_empty()
    }

    pub(crate) fn insert(&mut self, id: T) {
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
    pub(crate) fn remove(&mut self, id: &T) -> Option<T> {
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

    fn place(&self, id: &T) -> Result<usize, usize> {
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

    /// The ids within these bounds.
    pub(crate) fn range(&self, (from, to): (Bound<&T>, Bound<&T>)) -> InOrder<'_, T> {
        let behind = |id: &T| self.place(id).map_or_else(|place| place, |place| place + 1);
        let before = |id: &T| self.place(id).unwrap_or_else(|place| place);
        let first = match from {
            Bound::Unbounded => 0,
            Bound::Included(id) => before(id),
            Bound::Excluded(id) => behind(id),
        };
        let end = match to {
            Bound::Unbounded => self.queue.len(),
            Bound::Included(id) => behind(id),
            Bound::Excluded(id) => before(id),
        };
        InOrder {
            queue: Ends::of(self.queue.range(first..end.max(first))),
            tree: Ends::of(self.tree.range::<T, _>((from, to))),
        }
    }

    pub(crate) fn contains(&self, id: &T) -> bool {
        self.place(id).is_ok_and(|place| self.queue[place].is_present) || self.tree.contains(id)
    }

    /// All ids, in no order.
    pub(crate) fn into_ids(self) -> impl Iterator<Item = T> {
        self.queue.into_iter().filter(|entry| entry.is_present).map(|entry| entry.id).chain(self.tree)
    }
}

/// The ids of queue and tree in rising order.
pub(crate) struct InOrder<'a, T> {
    queue: Ends<vec_deque::Iter<'a, Entry<T>>>,
    tree: Ends<btree_set::Range<'a, T>>,
}

impl<'a, T: Ord> Iterator for InOrder<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        loop {
            let Some(entry) = self.queue.first() else { return self.tree.next() };
            if self.tree.first().is_some_and(|id| *id < entry.id) {
                return self.tree.next();
            }
            let entry = self.queue.next()?;
            if entry.is_present {
                return Some(&entry.id);
            }
        }
    }
}

impl<'a, T: Ord> DoubleEndedIterator for InOrder<'a, T> {
    fn next_back(&mut self) -> Option<&'a T> {
        loop {
            let Some(entry) = self.queue.last() else { return self.tree.next_back() };
            if self.tree.last().is_some_and(|id| *id > entry.id) {
                return self.tree.next_back();
            }
            let entry = self.queue.next_back()?;
            if entry.is_present {
                return Some(&entry.id);
            }
        }
    }
}

/// An iterator whose next item can be seen at both ends.
struct Ends<I: Iterator> {
    between: I,
    first: Option<I::Item>,
    last: Option<I::Item>,
}

impl<I: DoubleEndedIterator<Item: Copy>> Ends<I> {
    fn of(between: I) -> Self {
        Self { between, first: None, last: None }
    }

    fn first(&mut self) -> Option<I::Item> {
        self.first = self.first.or_else(|| self.between.next());
        self.first.or(self.last)
    }

    fn last(&mut self) -> Option<I::Item> {
        self.last = self.last.or_else(|| self.between.next_back());
        self.last.or(self.first)
    }

    fn next(&mut self) -> Option<I::Item> {
        self.first.take().or_else(|| self.between.next()).or_else(|| self.last.take())
    }

    fn next_back(&mut self) -> Option<I::Item> {
        self.last.take().or_else(|| self.between.next_back()).or_else(|| self.first.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use matins_core::JobId;
    use proptest::prelude::*;

    fn id(number: u8) -> JobId {
        JobId::new(format!("{number:03}")).unwrap()
    }

    proptest! {
        /// It answers as a set of the standard library does, whatever is added and removed.
        #[test]
        fn it_is_a_set(
            steps in prop::collection::vec((any::<bool>(), 0_u8..20), 0..200),
            from in 0_u8..20,
            length in 1_u8..20,
            ends in prop::collection::vec(any::<bool>(), 25),
        ) {
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
            let bounds = (Bound::Excluded(id(from)), Bound::Excluded(id(from + length)));
            let bounds = (bounds.0.as_ref(), bounds.1.as_ref());
            prop_assert!(ids.range(bounds).eq(model.range::<JobId, _>(bounds)));
            prop_assert!(ids.range(bounds).rev().eq(model.range::<JobId, _>(bounds).rev()));
            prop_assert!((0..20).all(|number| ids.contains(&id(number)) == model.contains(&id(number))));
            let all = (Bound::Unbounded, Bound::Unbounded);
            let (mut both, mut of_model) = (ids.range(all), model.iter());
            for at_the_end in ends {
                if at_the_end {
                    prop_assert_eq!(both.next_back(), of_model.next_back());
                } else {
                    prop_assert_eq!(both.next(), of_model.next());
                }
            }
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
