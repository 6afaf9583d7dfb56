//! Task async captures.
// says: cannot be a task
// says: async with captured values: `move || { let db = db.clone(); async move { db.query().await } }`

use matins::TaskRegistry;

struct Database;

impl Database {
    async fn query(&self) {}
}

fn main() {
    let db = Database;
    TaskRegistry::default().register("query", async move || db.query().await).unwrap();
}
