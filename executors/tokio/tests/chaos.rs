//! The tokio executor survives ten thousand runs under chaos, and leaves nothing behind.

use matins_core::{Completion, Executor, Refused, RunId, RunRequest, Shutdown};
use matins_executor_tokio::TokioExecutor;
use tokio::runtime::{Builder, Runtime};

/// A runtime that ends with its executor.
struct WithRuntime {
    executor: TokioExecutor,
    _runtime: Runtime,
}

impl Executor for WithRuntime {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        self.executor.submit(run, done)
    }

    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
        self.executor.shutdown(how)
    }
}

#[test]
fn ten_thousand_runs_under_chaos() {
    let make = || {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let executor = TokioExecutor::builder(runtime.handle().clone()).at_once(8).build();
        Box::new(WithRuntime { executor, _runtime: runtime }) as _
    };
    assert_eq!(matins_conformance::chaos::survive(10_000, 3, make, |_| (), |_| false), 0);
}
