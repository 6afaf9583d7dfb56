//! A map in order, for what is added and removed in that order most of the time.

use std::collections::{BTreeMap, VecDeque, btree_map, vec_deque};
use std::ops::Bound;

use matins_core::{JobId, RunId};

/// A map whose keys are in rising order.
///
/// Jobs that are due together are taken out in order, and come in that order to the instant that they move on to; runs come in the
/// order of their numbers, and mostly end in it. Such entries are appended to a queue and taken from its front, without a search. One
/// that comes after a greater one is in a tree.
#[derive(Debug, Clone)]
pub(crate) struct SortedMap<K, V> {
    /// In rising order; the first and the last of them are present.
    queue: VecDeque<Entry<K, V>>,
    /// How many entries of the queue are not present.
    gaps: usize,
    tree: BTreeMap<K, V>,
}

/// A set of ids in rising order.
pub(crate) type SortedIds<T> = SortedMap<T, ()>;

#[derive(Debug, Clone)]
struct Entry<K, V> {
    key: K,
    /// What is taken from the middle leaves a gap until it is at an end, or the gaps are many.
    value: Option<V>,
}

/// What is kept in order.
pub(crate) trait Key: Ord + Clone {
    /// How far this key is behind `first` if there is an entry for each key between, where that can be told.
    fn distance_from(&self, first: &Self) -> Option<usize>;
}

impl Key for RunId {
    fn distance_from(&self, first: &Self) -> Option<usize> {
        usize::try_from(self.0.checked_sub(first.0)?).ok()
    }
}

impl Key for JobId {
    fn distance_from(&self, _first: &Self) -> Option<usize> {
        None
    }
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), gaps: 0, tree: BTreeMap::new() }
    }
}

impl<K: Key, V> SortedMap<K, V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.tree.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len() - self.gaps + self.tree.len()
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.queue.back().is_none_or(|last| last.key < key) {
            if self.tree.is_empty() || !self.tree.contains_key(&key) {
                return self.queue.push_back(Entry { key, value: Some(value) });
            }
            self.tree.insert(key, value);
            return;
        }
        match self.place(&key) {
            Ok(place) => {
                let before = self.queue[place].value.replace(value);
                self.gaps -= usize::from(before.is_none());
            }
            Err(_) => drop(self.tree.insert(key, value)),
        }
    }

    /// Takes an entry out and returns it.
    pub(crate) fn remove(&mut self, key: &K) -> Option<(K, V)> {
        if self.queue.front().is_some_and(|first| first.key == *key) {
            let taken = self.queue.pop_front();
            self.trim();
            return taken.and_then(|entry| Some((entry.key, entry.value?)));
        }
        if let Some(taken) = self.tree.remove_entry(key) {
            return Some(taken);
        }
        let place = self.place(key).ok()?;
        let entry = &mut self.queue[place];
        let taken = (entry.key.clone(), entry.value.take()?);
        self.gaps += 1;
        self.trim();
        Some(taken)
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let in_queue = self.place(key).ok().and_then(|place| self.queue[place].value.as_ref());
        in_queue.or_else(|| if self.tree.is_empty() { None } else { self.tree.get(key) })
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        match self.place(key) {
            Ok(place) if self.queue[place].value.is_some() => self.queue[place].value.as_mut(),
            _ => self.tree.get_mut(key),
        }
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    fn place(&self, key: &K) -> Result<usize, usize> {
        if let Some(guess) = self.queue.front().and_then(|first| key.distance_from(&first.key))
            && self.queue.get(guess).is_some_and(|entry| entry.key == *key)
        {
            return Ok(guess);
        }
        self.queue.binary_search_by(|entry| entry.key.cmp(key))
    }

    /// Takes away the gaps at both ends, and all of them where they are the larger part. Gives room back that many more have needed.
    fn trim(&mut self) {
        const ROOMY: usize = 2_048;
        if self.queue.capacity() > ROOMY && self.queue.len() < self.queue.capacity() / 8 {
            self.queue.shrink_to(2 * self.queue.len());
        }
        if self.gaps == 0 {
            return;
        }
        while self.queue.front().is_some_and(|entry| entry.value.is_none()) {
            self.queue.pop_front();
            self.gaps -= 1;
        }
        while self.queue.back().is_some_and(|entry| entry.value.is_none()) {
            self.queue.pop_back();
            self.gaps -= 1;
        }
        if self.gaps > self.queue.len() / 2 {
            self.queue.retain(|entry| entry.value.is_some());
            self.queue.shrink_to(2 * self.queue.len());
            self.gaps = 0;
        }
    }

    /// The entries whose keys are within these bounds.
    pub(crate) fn range(&self, (from, to): (Bound<&K>, Bound<&K>)) -> InOrder<'_, K, V> {
        let behind = |key: &K| self.place(key).map_or_else(|place| place, |place| place + 1);
        let before = |key: &K| self.place(key).unwrap_or_else(|place| place);
        let first = match from {
            Bound::Unbounded => 0,
            Bound::Included(key) => before(key),
            Bound::Excluded(key) => behind(key),
        };
        let end = match to {
            Bound::Unbounded => self.queue.len(),
            Bound::Included(key) => behind(key),
            Bound::Excluded(key) => before(key),
        };
        InOrder {
            queue: Ends::of(self.queue.range(first..end.max(first))),
            tree: Ends::of(self.tree.range::<K, _>((from, to))),
        }
    }

    /// All values, by key.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.range((Bound::Unbounded, Bound::Unbounded)).map(|(_, value)| value)
    }

    /// All entries, in no order.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (K, V)> {
        self.queue.into_iter().filter_map(|entry| Some((entry.key, entry.value?))).chain(self.tree)
    }
}

/// The entries of queue and tree in rising order.
pub(crate) struct InOrder<'a, K, V> {
    queue: Ends<vec_deque::Iter<'a, Entry<K, V>>>,
    tree: Ends<btree_map::Range<'a, K, V>>,
}

impl<'a, K: Ord, V> Iterator for InOrder<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<(&'a K, &'a V)> {
        loop {
            let Some(entry) = self.queue.first() else { return self.tree.next() };
            if self.tree.first().is_some_and(|(key, _)| *key < entry.key) {
                return self.tree.next();
            }
            let entry = self.queue.next()?;
            if let Some(value) = &entry.value {
                return Some((&entry.key, value));
            }
        }
    }
}

impl<'a, K: Ord, V> DoubleEndedIterator for InOrder<'a, K, V> {
    fn next_back(&mut self) -> Option<(&'a K, &'a V)> {
        loop {
            let Some(entry) = self.queue.last() else { return self.tree.next_back() };
            if self.tree.last().is_some_and(|(key, _)| *key > entry.key) {
                return self.tree.next_back();
            }
            let entry = self.queue.next_back()?;
            if let Some(value) = &entry.value {
                return Some((&entry.key, value));
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
    use proptest::prelude::*;

    fn id(number: u8) -> JobId {
        JobId::new(format!("{number:03}")).unwrap()
    }

    fn run(number: u8) -> RunId {
        RunId(u64::from(number))
    }

    type Steps = Vec<(bool, u8)>;

    fn steps() -> impl Strategy<Value = Steps> {
        prop::collection::vec((any::<bool>(), 0_u8..20), 0..200)
    }

    /// What was added and removed, in this map and in one of the standard library.
    fn made<K: Key>(key: impl Fn(u8) -> K, steps: Steps) -> (SortedMap<K, usize>, BTreeMap<K, usize>) {
        let (mut map, mut model) = (SortedMap::default(), BTreeMap::new());
        for (at, (comes, number)) in steps.into_iter().enumerate() {
            let key = key(number);
            if comes {
                map.insert(key.clone(), at);
                model.insert(key, at);
            } else {
                assert!(map.remove(&key) == model.remove_entry(&key));
            }
            assert_eq!((map.is_empty(), map.len()), (model.is_empty(), model.len()));
            assert!(map.gaps <= map.queue.len() / 2);
        }
        (map, model)
    }

    proptest! {
        /// It answers as a map of the standard library does, whatever is added and removed.
        #[test]
        fn it_is_a_map(
            steps in steps(),
            from in 0_u8..20,
            length in 1_u8..20,
            ends in prop::collection::vec(any::<bool>(), 25),
        ) {
            let (map, model) = made(id, steps);
            let bounds = (Bound::Excluded(id(from)), Bound::Excluded(id(from + length)));
            let bounds = (bounds.0.as_ref(), bounds.1.as_ref());
            prop_assert!(map.range(bounds).eq(model.range::<JobId, _>(bounds)));
            prop_assert!(map.range(bounds).rev().eq(model.range::<JobId, _>(bounds).rev()));
            prop_assert!(map.values().eq(model.values()));
            let all = (Bound::Unbounded, Bound::Unbounded);
            let (mut both, mut of_model) = (map.range(all), model.iter());
            for at_the_end in ends {
                if at_the_end {
                    prop_assert_eq!(both.next_back(), of_model.next_back());
                } else {
                    prop_assert_eq!(both.next(), of_model.next());
                }
            }
            let mut all: Vec<(JobId, usize)> = map.into_entries().collect();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(model));
        }

        /// Also where the place of a key is guessed from its number.
        #[test]
        fn each_key_has_its_value(steps in steps()) {
            let (mut map, mut model) = made(run, steps);
            for number in 0..20 {
                prop_assert_eq!(map.get(&run(number)), model.get(&run(number)));
                prop_assert_eq!(map.contains(&run(number)), model.contains_key(&run(number)));
                prop_assert_eq!(map.get_mut(&run(number)), model.get_mut(&run(number)));
            }
        }
    }

    #[test]
    fn what_comes_and_goes_in_order_needs_no_tree() {
        let mut ids = SortedIds::default();
        (0..100).for_each(|number| ids.insert(id(number), ()));
        (0..99).for_each(|number| drop(ids.remove(&id(number))));
        assert_eq!((ids.queue.len(), ids.gaps, ids.tree.len()), (1, 0, 0));
    }

    #[test]
    fn room_for_many_is_given_back() {
        let mut ids = SortedIds::default();
        (0..100_000).for_each(|number| ids.insert(RunId(number), ()));
        for number in 0..99_990 {
            assert!(ids.remove(&RunId(number)).is_some());
        }
        assert!(ids.len() == 10 && ids.queue.capacity() < 4_096, "{}", ids.queue.capacity());
    }
}
