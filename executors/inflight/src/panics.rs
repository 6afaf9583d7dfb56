//! Panics of code that is not ours.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Drops what others have made: a task with all that it has captured, the value of a panic. If that panics, nothing else
/// happens: the panic hook has reported it.
pub(crate) fn drop_caught(value: impl Sized) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // Its drop is not ours either.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(panic))).map_err(std::mem::forget);
    }
}
