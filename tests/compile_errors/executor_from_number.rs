//! Executor from number.
// says: is not an executor
// says: the executors of Matins are `ThreadExecutor`, `TokioExecutor`

fn main() {
    let _ = matins::scheduler().executor("default", 4);
}
