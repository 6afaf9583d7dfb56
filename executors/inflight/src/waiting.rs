//! The runs that wait for a place in an executor.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::PoisonError;

use crate::sync::{Mutex, MutexGuard};

/// A queue of what waits for a place: the highest priority first, and of one priority in the order in which it came.
///
/// Whoever pushes something has one place look into the queue later: a message to a thread, a task of a pool. The place then
/// takes what is most urgent, which may be something else.
///
/// ```
/// use matins_executor_inflight::PriorityQueue;
///
/// let waiting = PriorityQueue::default();
/// waiting.push(0, "first");
/// waiting.push(0, "second");
/// waiting.push(9, "urgent");
/// assert_eq!([waiting.pop(), waiting.pop()], [Some("urgent"), Some("first")]);
/// ```
#[derive(Debug)]
pub struct PriorityQueue<T>(Mutex<Queues<T>>);

#[derive(Debug)]
struct Queues<T> {
    /// Priority 0, which most have.
    usual: VecDeque<T>,
    /// All others; none of them is empty.
    others: BTreeMap<Reverse<i32>, VecDeque<T>>,
}

impl<T> Default for PriorityQueue<T> {
    fn default() -> Self {
        Self(Mutex::new(Queues { usual: VecDeque::new(), others: BTreeMap::new() }))
    }
}

impl<T> PriorityQueue<T> {
    /// Adds something behind all that has its priority.
    pub fn push(&self, priority: i32, item: T) {
        let mut queues = self.lock();
        match priority {
            0 => queues.usual.push_back(item),
            _ => queues.others.entry(Reverse(priority)).or_default().push_back(item),
        }
    }

    /// Takes what is most urgent.
    pub fn pop(&self) -> Option<T> {
        let mut queues = self.lock();
        let Queues { usual, others } = &mut *queues;
        if let Some(mut first) = others.first_entry()
            && (first.key().0 > 0 || usual.is_empty())
        {
            let item = first.get_mut().pop_front();
            if first.get().is_empty() {
                first.remove();
            }
            return item;
        }
        usual.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, Queues<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn it_gives_back_all_by_priority_then_in_order() {
        let waiting = PriorityQueue::default();
        for (number, priority) in [0, 7, -3, i32::MIN, 0, 7, i32::MAX].into_iter().enumerate() {
            waiting.push(priority, number);
        }
        let order: Vec<usize> = std::iter::from_fn(|| waiting.pop()).collect();
        assert_eq!(order, [6, 1, 5, 0, 4, 2, 3]);
        assert!(waiting.lock().others.is_empty());
    }
}
