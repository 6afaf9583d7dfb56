//! Work as tasks of a tokio runtime.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::{End, Promise, Reports, RunId};

// ANCHOR: tokio
/// Does asynchronous work on a tokio runtime.
#[derive(Debug)]
pub struct TokioExecutor {
    runtime: Handle,
    reports: Reports,
    running: Arc<Mutex<HashMap<RunId, AbortHandle>>>,
}

impl TokioExecutor {
    /// Returns an executor for a runtime.
    pub fn new(runtime: Handle, reports: Reports) -> Self {
        Self { runtime, reports, running: Arc::default() }
    }

    /// Begins a run, which is reported exactly once.
    pub fn submit<F>(&self, run: RunId, limit: Option<Duration>, work: F)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let promise = Promise::new(run, self.reports.clone());
        // A limit that is far away stands for none.
        let limit = limit.unwrap_or(Duration::from_secs(u32::MAX.into()));
        let task = self.runtime.spawn(tokio::time::timeout(limit, work));
        let mut running = lock(&self.running);
        running.insert(run, task.abort_handle());
        drop(running);
        let running = self.running.clone();
        self.runtime.spawn(async move {
            let end = match task.await {
                Ok(Ok(Ok(()))) => End::Succeeded,
                Ok(Ok(Err(error))) => End::Failed(error),
                Ok(Err(_elapsed)) => End::TimedOut,
                Err(error) if error.is_cancelled() => End::Cancelled,
                Err(panic) => End::Failed(panic.to_string()),
            };
            lock(&running).remove(&run);
            promise.report(end);
        });
    }

    /// Drops the future of a run at the `await` where it is. Returns `false`
    /// if the run is not in progress.
    pub fn cancel(&self, run: RunId) -> bool {
        let handle = lock(&self.running).get(&run).cloned();
        handle.inspect(AbortHandle::abort).is_some()
    }
}
// ANCHOR_END: tokio

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
