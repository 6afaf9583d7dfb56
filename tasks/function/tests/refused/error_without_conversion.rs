// says: cannot be a task
// says: std::error::Error

use matins_task_function::TaskRegistry;

#[derive(Debug)]
struct Broken;

fn main() {
    TaskRegistry::default().register("fail", || Err::<(), _>(Broken)).unwrap();
}
