//! Task type of my own.
// says: cannot be a task
// says: returned in a `Result`: `Ok::<_, matins::TaskError>(value)`

use matins::TaskRegistry;

struct Report;

fn main() {
    TaskRegistry::default().register("report", || Report).unwrap();
}
