//! A set of small numbers.

// ANCHOR: set
/// A set of numbers from 0 to 63. Bit *n* is 1 if *n* is in the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Set(u64);

impl Set {
    /// Returns the numbers from `first` to `last`, both included, in steps of
    /// `step`, which is at least 1.
    pub fn range(first: u32, last: u32, step: u32) -> Self {
        let numbers = (first..=last).step_by(step as usize);
        Self(numbers.fold(0, |bits, number| bits | 1 << number))
    }

    /// Returns what is in one of the two sets.
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns what is in both sets.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns whether `number` is in the set.
    pub fn contains(self, number: u32) -> bool {
        number < 64 && self.0 >> number & 1 == 1
    }

    /// Returns the smallest number of the set that is at least `from`.
    pub fn next(self, from: u32) -> Option<u32> {
        let rest = self.0.checked_shr(from)?;
        (rest != 0).then(|| from + rest.trailing_zeros())
    }

    /// Returns the largest number of the set that is at most `to`.
    pub fn previous(self, to: u32) -> Option<u32> {
        let unwanted = 63_u32.saturating_sub(to);
        let rest = self.0 << unwanted >> unwanted;
        (rest != 0).then(|| 63 - rest.leading_zeros())
    }
}
// ANCHOR_END: set
