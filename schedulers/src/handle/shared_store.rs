//! What a scheduler asks a store that it shares with others about them.

use matins_core::{SharedStore, StoreName};

use super::Handle;
use crate::SchedulerError;
use crate::engine::Engine;

impl Handle {
    /// Calls `work` with what can be asked of a store that schedulers share: who they are, and which of them runs what. Returns `None`
    /// for a store that belongs to this scheduler alone.
    ///
    /// ```
    /// # use matins_scheduler::SchedulerBuilder;
    /// # use matins_store_memory::MemoryStore;
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let members = scheduler.with_shared_store("default", |store| store.members())?;
    /// assert!(members.is_none(), "a store in memory is not shared");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such store, and after shutdown.
    pub fn with_shared_store<T>(
        &self,
        name: impl AsRef<str>,
        work: impl FnOnce(&mut dyn SharedStore) -> T,
    ) -> Result<Option<T>, SchedulerError> {
        let name = StoreName::new(name)?;
        self.engine().with_shared_store(&name, work)
    }
}

impl Engine {
    fn with_shared_store<T>(
        &self,
        name: &StoreName,
        work: impl FnOnce(&mut dyn SharedStore) -> T,
    ) -> Result<Option<T>, SchedulerError> {
        let lane = self.lane(name)?;
        if !lane.is_shared {
            return Ok(None);
        }
        self.open(&lane, |open| Ok(open.work.store.shared().map(work)))
    }
}
