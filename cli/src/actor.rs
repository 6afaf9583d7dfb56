//! Who changed something, for the history.

use nix::unistd::{Uid, User, geteuid};

/// `ada (uid 1000)`.
pub(crate) fn of_uid(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => format!("{} (uid {uid})", user.name),
        _ => format!("uid {uid}"),
    }
}

/// Who runs this process.
pub(crate) fn own() -> String {
    of_uid(geteuid().as_raw())
}
