//! The history of a store, in a file beside it.

use std::path::Path;
use std::sync::Arc;

pub(crate) use matins::control::{History, HistoryEvent};

use crate::notice;

/// Opens the history in the file at `path`. Without a path it ends with the process, as the store does.
pub(crate) fn open(path: Option<&Path>) -> Result<Arc<History>, String> {
    let history = match path {
        None => History::in_memory(),
        Some(path) => History::open(path)
            .map_err(|error| format!("cannot open the history {}: {error}", path.display()))?,
    };
    Ok(Arc::new(history.on_error(notice::tell)))
}
