// says: cannot be a task
// says: it needs `serde::Deserialize`

use std::time::Instant;

use matins_task_function::TaskRegistry;

fn main() {
    TaskRegistry::default().register("wait", |until: Instant| println!("{until:?}")).unwrap();
}
