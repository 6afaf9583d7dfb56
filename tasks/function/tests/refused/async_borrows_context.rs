// says: async with `TaskContext` by value

use matins_core::TaskContext;
use matins_task_function::TaskRegistry;

async fn report(context: &TaskContext) {
    println!("{}", context.run);
}

fn main() {
    TaskRegistry::default().register("report", report).unwrap();
}
