//! The runs of a job that are in progress: mostly none or one.

use std::ops::Deref;
use std::{array, fmt, iter, slice, vec};

use crate::RunId;

/// How many ids are kept in place.
const IN_PLACE: usize = 2;

/// A list of run ids. Up to two of them need no memory of their own.
///
/// ```
/// use matins_core::{RunId, RunIds};
///
/// let mut running: RunIds = [RunId(1), RunId(2)].into_iter().collect();
/// running.push(RunId(3));
/// running.retain(|id| *id != RunId(2));
/// assert_eq!(running[..], [RunId(1), RunId(3)]);
/// ```
#[derive(Clone)]
pub struct RunIds(Ids);

#[derive(Clone)]
enum Ids {
    InPlace { ids: [RunId; IN_PLACE], len: usize },
    Many(Vec<RunId>),
}

impl RunIds {
    /// Returns an empty list.
    ///
    /// ```
    /// use matins_core::RunIds;
    ///
    /// assert!(RunIds::new().is_empty());
    /// ```
    pub const fn new() -> Self {
        Self(Ids::InPlace { ids: [RunId::FIRST; IN_PLACE], len: 0 })
    }

    /// Adds an id at the end.
    ///
    /// ```
    /// use matins_core::{RunId, RunIds};
    ///
    /// let mut running = RunIds::new();
    /// running.push(RunId(7));
    /// assert_eq!(running.last(), Some(&RunId(7)));
    /// ```
    #[inline]
    pub fn push(&mut self, id: RunId) {
        match &mut self.0 {
            Ids::InPlace { ids, len } if *len < IN_PLACE => {
                ids[*len] = id;
                *len += 1;
            }
            Ids::InPlace { ids, .. } => self.0 = Ids::Many(ids.iter().copied().chain([id]).collect()),
            Ids::Many(ids) => ids.push(id),
        }
    }

    /// Removes the ids for which `keep` returns `false`. The others stay in order.
    ///
    /// ```
    /// use matins_core::{RunId, RunIds};
    ///
    /// let mut running: RunIds = (1..=4).map(RunId).collect();
    /// running.retain(|id| id.0 % 2 == 0);
    /// assert_eq!(running[..], [RunId(2), RunId(4)]);
    /// ```
    #[inline]
    pub fn retain(&mut self, mut keep: impl FnMut(&RunId) -> bool) {
        match &mut self.0 {
            Ids::InPlace { ids, len } => {
                let mut kept = 0;
                for at in 0..*len {
                    if keep(&ids[at]) {
                        ids[kept] = ids[at];
                        kept += 1;
                    }
                }
                *len = kept;
            }
            Ids::Many(ids) => ids.retain(keep),
        }
    }
}

impl Deref for RunIds {
    type Target = [RunId];

    #[inline]
    fn deref(&self) -> &[RunId] {
        match &self.0 {
            Ids::InPlace { ids, len } => &ids[..*len],
            Ids::Many(ids) => ids,
        }
    }
}

impl Default for RunIds {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for RunIds {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for RunIds {}

impl fmt::Debug for RunIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Extend<RunId> for RunIds {
    fn extend<I: IntoIterator<Item = RunId>>(&mut self, ids: I) {
        ids.into_iter().for_each(|id| self.push(id));
    }
}

impl FromIterator<RunId> for RunIds {
    fn from_iter<I: IntoIterator<Item = RunId>>(ids: I) -> Self {
        let mut list = Self::new();
        list.extend(ids);
        list
    }
}

impl IntoIterator for RunIds {
    type Item = RunId;
    type IntoIter = iter::Chain<iter::Take<array::IntoIter<RunId, IN_PLACE>>, vec::IntoIter<RunId>>;

    fn into_iter(self) -> Self::IntoIter {
        let (ids, len, many) = match self.0 {
            Ids::InPlace { ids, len } => (ids, len, Vec::new()),
            Ids::Many(many) => ([RunId::FIRST; IN_PLACE], 0, many),
        };
        ids.into_iter().take(len).chain(many)
    }
}

impl<'a> IntoIterator for &'a RunIds {
    type Item = &'a RunId;
    type IntoIter = slice::Iter<'a, RunId>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it holds in place and what it holds in memory of its own is the same list.
    #[test]
    fn it_is_the_list_that_a_vec_would_be() {
        let (mut ours, mut expected) = (RunIds::new(), Vec::new());
        for number in 0..200_u64 {
            if number % 7 == 6 {
                let keep = |id: &RunId| id.0 / 3 != number / 5;
                ours.retain(keep);
                expected.retain(keep);
            } else {
                ours.push(RunId(number));
                expected.push(RunId(number));
            }
            if number % 50 == 49 {
                (ours, expected) = (RunIds::default(), Vec::new());
            }
            assert_eq!(ours[..], expected[..]);
            assert_eq!(ours, expected.iter().copied().collect());
            assert_eq!(ours.clone().into_iter().collect::<Vec<_>>(), expected);
            assert_eq!(format!("{ours:?}"), format!("{expected:?}"));
        }
    }
}
