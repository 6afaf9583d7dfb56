//! Task async borrows context.
// says: async with `TaskContext` by value

use matins::TaskContext;
use matins::TaskRegistry;

async fn report(context: &TaskContext) {
    println!("{}", context.run);
}

fn main() {
    TaskRegistry::default().register("report", report).unwrap();
}
