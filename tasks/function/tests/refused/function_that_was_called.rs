// says: cannot be a task
// says: pass the function itself, without calling it

use matins_task_function::TaskRegistry;

async fn report() {}

fn main() {
    TaskRegistry::default().register("report", report()).unwrap();
}
