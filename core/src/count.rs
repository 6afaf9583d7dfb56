//! Counting fires in slices: how much work a count may do, and how far it came.

use chrono::{DateTime, Utc};

use crate::FireRange;

/// The work that [`Trigger::fire_range_within`](crate::Trigger::fire_range_within) may still do, in steps.
///
/// A step is about as much work as one call of [`Trigger::next_after`](crate::Trigger::next_after): 20 to 100 ns for most
/// triggers of `matins-triggers` in a release build.
///
/// ```
/// use matins_core::CountBudget;
///
/// let mut budget = CountBudget::new(10);
/// budget.spend(3);
/// assert_eq!(budget.left(), 7);
/// budget.spend(100);
/// assert!(budget.is_spent());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountBudget {
    steps: u64,
}

impl CountBudget {
    /// Returns a budget of so many steps.
    pub const fn new(steps: u64) -> Self {
        Self { steps }
    }

    /// Returns a budget that is never spent in practice.
    pub const fn unlimited() -> Self {
        Self { steps: u64::MAX }
    }

    /// Takes steps from it; no more than are left.
    pub const fn spend(&mut self, steps: u64) {
        self.steps = self.steps.saturating_sub(steps);
    }

    /// Returns how many steps are left.
    pub const fn left(&self) -> u64 {
        self.steps
    }

    /// Returns whether no step is left.
    pub const fn is_spent(&self) -> bool {
        self.steps == 0
    }
}

/// How far a count of fires came: the answer of [`Trigger::fire_range_within`](crate::Trigger::fire_range_within).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountProgress {
    /// The fires that are later than the start of the count, up to `through` inclusive; `None` if there are no fires.
    pub fires: Option<FireRange>,
    /// The instant up to which all fires are counted. The count is complete if that is its end; otherwise it is
    /// continued from here.
    pub through: DateTime<Utc>,
}
