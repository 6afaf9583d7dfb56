//! Task type of my own.
// says: cannot be a task
// says: a value that serde can save

use matins::TaskRegistry;

struct Report;

fn main() {
    TaskRegistry::default().register("report", || Report).unwrap();
}
