//! Task that was called.
// says: `()` cannot be a task
// says: a task is `fn()`, `fn(A)`

use matins::prelude::*;

fn report() {}

fn main() {
    let _ = every(1.hours()).run(report());
}
