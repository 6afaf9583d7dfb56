//! Panics of code that is not ours.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `work`, and catches its panic, which the panic hook has reported by then.
pub(crate) fn caught(work: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
        drop_panic(panic);
    }
}

/// Returns what a panic that was caught says, if it is text, and drops its value, which is not ours either and may panic in turn.
///
/// ```
/// let panic = std::panic::catch_unwind(|| panic!("out of luck")).unwrap_err();
/// assert_eq!(matins_core::text_of_panic(panic), "out of luck");
/// ```
pub fn text_of_panic(panic: Box<dyn Any + Send>) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(a value that is not text)")
        .to_owned();
    drop_panic(panic);
    text
}

/// Drops the value of a panic. Its drop is not ours either, and may panic in turn.
fn drop_panic(panic: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(again);
    }
}

/// Drops a value that others have made, and catches a panic of that: a task with all that it has captured, the value of a
/// panic. The panic hook has reported the panic by then.
///
/// Threads that must not end drop such values by this:
///
/// ```
/// struct Panics;
///
/// impl Drop for Panics {
///     fn drop(&mut self) {
///         panic!("dropped");
///     }
/// }
///
/// let task = Box::new(Panics);
/// matins_core::drop_caught(task);
/// ```
pub fn drop_caught<T>(value: T) {
    caught(|| drop(value));
}
