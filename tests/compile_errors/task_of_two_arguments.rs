//! Task of two arguments.
// says: cannot be a task
// says: a task is `fn()`, `fn(A)`, `fn(&TaskContext)` or `fn(A, &TaskContext)`
// says: `A` is one parameter: a tuple `|(a, b): (u32, String)|`

use matins::prelude::*;

fn main() {
    let _ = every(1.hours()).run(|a: u32, b: u32| println!("{}", a + b));
}
