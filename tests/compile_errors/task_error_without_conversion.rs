//! Task error without conversion.
// says: cannot be a task
// says: std::error::Error

use matins::TaskRegistry;

#[derive(Debug)]
struct Broken;

fn main() {
    TaskRegistry::default().register("fail", || Err::<(), _>(Broken)).unwrap();
}
