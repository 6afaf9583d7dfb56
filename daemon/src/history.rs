//! The history of a store: in a file beside it, or in the store.

use std::sync::Arc;

use matins::config::StoreUrl;
pub(crate) use matins::control::{History, HistoryEvent};
use matins::{Handle, StoreName};
use matins_terminal::notice;

use crate::paths;

/// Opens the history of a scheduler's store: in a file beside it, or in the store if others share that. The history of a store in memory
/// ends with the process, as the store does.
pub(crate) fn of_store(scheduler: &Handle, url: &StoreUrl) -> Result<Arc<History>, String> {
    let history = match (url, paths::history(url)) {
        (StoreUrl::Postgres(_), _) => History::shared(scheduler, StoreName::default()),
        (_, None) => History::in_memory(),
        (_, Some(path)) => History::open(&path)
            .map_err(|error| format!("cannot open the history {}: {error}", path.display()))?,
    };
    Ok(Arc::new(history.on_error(notice::tell)))
}
