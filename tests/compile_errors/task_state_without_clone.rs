//! Task state without clone.
// says: cannot be a task
// says: the `S` of `State<S>` is `Clone`: put it in an `Arc`

use matins::{State, TaskRegistry};

struct Database;

fn main() {
    TaskRegistry::default().register("query", |State(_): State<Database>| ()).unwrap();
}
