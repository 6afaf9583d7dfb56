// says: cannot be a task
// says: || -> () { loop

use matins_task_function::TaskRegistry;

fn main() {
    TaskRegistry::default().register("forever", || loop {}).unwrap();
}
