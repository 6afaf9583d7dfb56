//! Store from text.
// says: `&str` is not a job store
// says: the stores of Matins are `MemoryStore::new()`, `SqliteStore::open("jobs.db")?`

fn main() {
    let _ = matins::scheduler().store("default", "sqlite:jobs.db");
}
