//! What the system may have run out of.

use std::io;

/// Returns `true` for an error of the system that says that it, or a limit of this process or its user, has nothing left: no file
/// descriptor (`EMFILE`, `ENFILE`), process or thread (`EAGAIN` of fork(2)), or memory (`ENOMEM`).
///
/// What was tried has not begun, and may succeed later.
///
/// ```
/// use std::io;
///
/// use matins_core::is_out_of_resources;
///
/// assert!(is_out_of_resources(&io::ErrorKind::OutOfMemory.into()));
/// assert!(!is_out_of_resources(&io::ErrorKind::NotFound.into()));
/// ```
pub fn is_out_of_resources(error: &io::Error) -> bool {
    // The standard library has no kind for the first two; their numbers are the same on all systems that descend from Unix.
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
        || matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory)
}
