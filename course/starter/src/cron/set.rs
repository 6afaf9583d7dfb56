//! A set of small numbers.

/// A set of numbers from 0 to 63. Bit *n* is 1 if *n* is in the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Set(u64);

impl Set {
    /// Returns the numbers from `first` to `last`, both included, in steps of
    /// `step`, which is at least 1.
    pub fn range(first: u32, last: u32, step: u32) -> Self {
        unimplemented!("chapter 3: a 1 for each number")
    }

    /// Returns what is in one of the two sets.
    pub fn or(self, other: Self) -> Self {
        unimplemented!("chapter 3: the bits of either")
    }

    /// Returns what is in both sets.
    pub fn and(self, other: Self) -> Self {
        unimplemented!("chapter 3: the bits of both")
    }

    /// Returns whether `number` is in the set.
    pub fn contains(self, number: u32) -> bool {
        unimplemented!("chapter 3: one bit")
    }

    /// Returns the smallest number of the set that is at least `from`.
    pub fn next(self, from: u32) -> Option<u32> {
        unimplemented!("chapter 3: the lowest bit from a number on")
    }

    /// Returns the largest number of the set that is at most `to`.
    pub fn previous(self, to: u32) -> Option<u32> {
        unimplemented!("chapter 3: the highest bit up to a number")
    }
}
