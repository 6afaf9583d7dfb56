//! Store from result.
// says: is not a job store
// says: a `Result` is not a store: add `?`

fn main() {
    let _ = matins::scheduler().store("default", matins::FileStore::open("jobs"));
}
