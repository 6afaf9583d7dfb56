// says: cannot be a task
// says: a value that serde can save

use matins_task_function::TaskRegistry;

struct Report;

fn main() {
    TaskRegistry::default().register("report", || Report).unwrap();
}
