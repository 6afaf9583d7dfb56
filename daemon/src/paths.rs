//! What the command keeps beside a store: the daemon's socket, the history, and the records of running commands.

use std::path::{Path, PathBuf};

use matins::config::StoreUrl;

/// `jobs.db` gives `jobs.db-control`; nothing is beside a store in memory.
pub(crate) fn socket(store: &StoreUrl) -> Option<PathBuf> {
    beside(store, "control")
}

/// `jobs.db` gives `jobs.db-history`.
pub(crate) fn history(store: &StoreUrl) -> Option<PathBuf> {
    beside(store, "history")
}

/// `jobs.db` gives `jobs.db-commands`, a directory: a file in it for each command that is running.
pub(crate) fn commands(store: &StoreUrl) -> Option<PathBuf> {
    beside(store, "commands")
}

fn beside(store: &StoreUrl, what: &str) -> Option<PathBuf> {
    let path: &Path = match store {
        StoreUrl::Sqlite(path) | StoreUrl::File(path) => path,
        _ => return None,
    };
    let name = path.file_name()?.to_string_lossy();
    Some(path.with_file_name(format!("{name}-{what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lies_beside_the_store() {
        let of = |url: &str| socket(&url.parse().unwrap());
        assert_eq!(of("sqlite:/var/lib/jobs.db"), Some("/var/lib/jobs.db-control".into()));
        assert_eq!(of("file:jobs/"), Some("jobs-control".into()));
        assert_eq!(of("memory:"), None);
    }
}
