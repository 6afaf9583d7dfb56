// says: does not implement `Fn` because it captures state from its environment

use matins_task_function::TaskRegistry;

struct Database;

impl Database {
    async fn query(&self) {}
}

fn main() {
    let db = Database;
    TaskRegistry::default().register("query", async move || db.query().await).unwrap();
}
