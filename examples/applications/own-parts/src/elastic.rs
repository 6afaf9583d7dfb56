//! An executor: threads that are there while there is work.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use matins_core::{Completion, Executor, Refused, RunId, RunRequest, Shutdown};
use matins_executor_inflight::{InFlight, PriorityQueue, Ticket};

/// Starts a thread for each run, up to a limit. A thread ends when no further
/// run waits.
#[derive(Debug)]
pub struct Elastic {
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    runs: Arc<InFlight>,
    waiting: PriorityQueue<(Ticket, RunRequest, Completion)>,
    threads: Mutex<usize>,
    most_threads: usize,
}

impl Elastic {
    /// Returns an executor with up to `threads` threads, for which `waiting`
    /// more runs may wait. A run that is cancelled has `grace` to end.
    pub fn new(threads: usize, waiting: usize, grace: Duration) -> Self {
        let runs = InFlight::new(threads + waiting, grace);
        let pool = Pool {
            runs,
            waiting: PriorityQueue::default(),
            threads: Mutex::new(0),
            most_threads: threads,
        };
        Self { pool: Arc::new(pool) }
    }
}

impl Pool {
    fn threads(&self) -> MutexGuard<'_, usize> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one run after the other, until none waits.
    fn work(&self) {
        while let Some((ticket, run, done)) = self.next_or_end() {
            self.runs.execute(ticket, run, done);
        }
    }

    /// Returns the most urgent run. Without one, the calling thread no longer
    /// counts: a run that comes later starts another.
    fn next_or_end(&self) -> Option<(Ticket, RunRequest, Completion)> {
        let mut threads = self.threads();
        let next = self.waiting.pop();
        if next.is_none() {
            *threads -= 1;
        }
        next
    }
}

impl Executor for Elastic {
    fn submit(
        &mut self,
        run: RunRequest,
        done: Completion,
    ) -> Result<(), Refused> {
        let ticket = match self.pool.runs.admit(&run) {
            Ok(ticket) => ticket,
            Err(reason) => return Err(Refused { reason, done }),
        };
        let mut threads = self.pool.threads();
        self.pool.waiting.push(run.priority, (ticket, run, done));
        if *threads < self.pool.most_threads {
            let pool = self.pool.clone();
            match thread::Builder::new().spawn(move || pool.work()) {
                Ok(_) => *threads += 1,
                // Another thread will do the run. If there is none, the dropped
                // `Completion` reports that the run was lost.
                Err(_) if *threads > 0 => {}
                Err(_) => drop(self.pool.waiting.pop()),
            }
        }
        Ok(())
    }

    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
        self.pool.runs.shut_down(how)
    }
}

impl Drop for Elastic {
    fn drop(&mut self) {
        self.shutdown(Shutdown::Now);
    }
}
