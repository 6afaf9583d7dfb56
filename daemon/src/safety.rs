//! What others can write is not trusted: a file that says what is run as us.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use matins::config::StoreUrl;
use nix::unistd::geteuid;

/// Refuses a configuration, crontab or store that others can write, or that is another's (root's excepted), as cron does
/// with its own. What is not there yet is fine.
pub(crate) fn refuse_if_others_can_write(path: &Path) -> Result<(), String> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
    let own = geteuid().as_raw();
    if metadata.uid() != own && metadata.uid() != 0 {
        return Err(format!(
            "{} belongs to uid {}, and this process runs as uid {own}: whoever owns it says what is run; chown it, or run \
             as its owner",
            path.display(),
            metadata.uid()
        ));
    }
    let writable = metadata.mode() & 0o022;
    if writable != 0 {
        let who = if writable & 0o002 != 0 { "everybody" } else { "its group" };
        return Err(format!(
            "{} can be written by {who}, who would say so what is run; take that away with: chmod go-w {}",
            path.display(),
            path.display()
        ));
    }
    Ok(())
}

/// The same for the files of a store; and refuses a directory in which others can replace them.
pub(crate) fn check_store(store: &StoreUrl) -> Result<(), String> {
    if let StoreUrl::Sqlite(path) | StoreUrl::File(path) = store {
        matins_files::check_store(path).map_err(|error| matins::error_chain(&error))?;
    }
    match store {
        StoreUrl::Sqlite(path) => refuse_if_others_can_write(path),
        StoreUrl::File(directory) => {
            refuse_if_others_can_write(directory)?;
            ["snapshot.jsonl", "log.jsonl"]
                .iter()
                .try_for_each(|file| refuse_if_others_can_write(&directory.join(file)))
        }
        _ => Ok(()),
    }
}

/// A sentence about who else can replace the files of a store, if that is not serious enough to refuse it.
pub(crate) fn warning(store: &StoreUrl) -> Option<String> {
    match store {
        StoreUrl::Sqlite(path) | StoreUrl::File(path) => matins_files::warning(path),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_others_can_write_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jobs.toml");
        assert!(refuse_if_others_can_write(&path).is_ok(), "it is not there");
        fs::write(&path, "").unwrap();
        for (mode, who) in
            [(0o600, None), (0o644, None), (0o664, Some("its group")), (0o606, Some("everybody"))]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = refuse_if_others_can_write(&path).err();
            assert_eq!(refused.is_some(), who.is_some(), "{mode:o}");
            assert!(who.is_none_or(|who| refused.unwrap().contains(who)), "{mode:o}");
        }
    }
}
