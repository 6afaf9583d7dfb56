//! Task never returns.
// says: cannot be a task
// says: || -> () { loop

use matins::TaskRegistry;

fn main() {
    TaskRegistry::default().register("forever", || loop {}).unwrap();
}
