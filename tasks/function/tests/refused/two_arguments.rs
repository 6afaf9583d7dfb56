// says: cannot be a task
// says: `A` is one parameter: a tuple

use matins_task_function::TaskRegistry;

fn main() {
    TaskRegistry::default().register("add", |a: u32, b: u32| println!("{}", a + b)).unwrap();
}
