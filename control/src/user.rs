//! Names of users, for the history.

use nix::unistd::{Uid, User, geteuid};

/// Returns the name of a user: `ada (uid 1000)`.
///
/// ```
/// assert_eq!(matins_control::user::by_uid(0), "root (uid 0)");
/// ```
pub fn by_uid(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => format!("{} (uid {uid})", user.name),
        _ => format!("uid {uid}"),
    }
}

/// Returns the name of the user who runs this process.
///
/// ```
/// assert!(matins_control::user::own().contains("uid "));
/// ```
pub fn own() -> String {
    by_uid(geteuid().as_raw())
}
