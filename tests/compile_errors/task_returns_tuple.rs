//! Task returns a tuple.
// says: cannot be a task
// says: returned in a `Result`: `Ok::<_, matins::TaskError>(value)`

use matins::prelude::*;

fn main() {
    let scheduler = matins::scheduler().background().unwrap();
    scheduler.add(every(1.hours()).run(|| (1, "one"))).unwrap();
}
