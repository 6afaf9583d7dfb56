//! A store that ends with the process.

use super::{Change, State, Store, StoreError};

// ANCHOR: memory
/// Remembers until the process ends.
#[derive(Debug, Default)]
pub struct MemoryStore(State);

impl Store for MemoryStore {
    fn state(&self) -> &State {
        &self.0
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        changes.iter().for_each(|change| self.0.apply(change));
        Ok(())
    }
}
// ANCHOR_END: memory
