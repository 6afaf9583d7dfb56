//! Work as tasks of a tokio runtime.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::{End, Promise, Reports, RunId};

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
        unimplemented!("chapter 6: spawn the work, and a task that reports")
    }

    /// Drops the future of a run at the `await` where it is. Returns `false`
    /// if the run is not in progress.
    pub fn cancel(&self, run: RunId) -> bool {
        unimplemented!("chapter 6: abort the task")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
