//! A custom executor: a thread for each run, which prints what it does.
//!
//! ```text
//! cargo run --example telling
//! ```

// ANCHOR: program
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use matins::prelude::*;
use matins::{Completion, Executor, Refused, RunId, RunRequest};
use matins_executor_inflight::{InFlight, PriorityQueue, Ticket};

// ANCHOR: type
/// A thread for each run.
#[derive(Debug)]
pub struct Telling {
    /// Counts runs, watches their time limits, and cancels them.
    runs: Arc<InFlight>,
    /// Queued runs, the most urgent first.
    waiting: Arc<PriorityQueue<(Ticket, RunRequest, Completion)>>,
    /// How many more runs may begin, and the signal that one more may.
    free: Arc<(Mutex<usize>, Condvar)>,
}

impl Telling {
    /// Allows `at_once` runs at the same time, and `waiting` queued ones.
    pub fn new(at_once: usize, waiting: usize, cancel_grace: Duration) -> Self {
        let runs = InFlight::new(at_once + waiting, cancel_grace);
        Self {
            runs,
            waiting: Arc::default(),
            free: Arc::new((Mutex::new(at_once), Condvar::new())),
        }
    }
}
// ANCHOR_END: type

// ANCHOR: executor
impl Executor for Telling {
    fn submit(
        &mut self,
        run: RunRequest,
        done: Completion,
    ) -> Result<(), Refused> {
        let ticket = match self.runs.admit(&run) {
            Ok(ticket) => ticket,
            Err(reason) => return Err(Refused { reason, done }),
        };
        self.waiting.push(run.priority, (ticket, run, done));
        let (runs, waiting, free) =
            (self.runs.clone(), self.waiting.clone(), self.free.clone());
        let work = move || {
            let (free, freed) = &*free;
            let free_now = free.lock().unwrap_or_else(PoisonError::into_inner);
            *freed
                .wait_while(free_now, |free| *free == 0)
                .unwrap_or_else(PoisonError::into_inner) -= 1;
            // The most urgent queued run. It need not be the one that this
            // thread was started for.
            if let Some((ticket, run, done)) = waiting.pop() {
                let name = format!("run {} of {}", run.run, run.job);
                println!("{name} begins");
                runs.execute(ticket, run, done);
                println!("{name} has ended");
            }
            *free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            freed.notify_one();
        };
        if thread::Builder::new().spawn(work).is_err() {
            // No thread for it: the run is dropped, and its completion reports
            // it as lost.
            drop(self.waiting.pop());
        }
        Ok(())
    }

    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
        self.runs.shut_down(how)
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.shutdown(Shutdown::Now);
    }
}
// ANCHOR_END: executor

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let executor = Telling::new(2, 100, Duration::from_secs(5));
    let mut scheduler =
        matins::scheduler().executor("default", executor).background()?;
    scheduler.start()?;
    let job = scheduler
        .add(every(200.milliseconds()).run(|| println!("  work")).id("work"))?;
    for _ in 0..3 {
        job.next_outcome()?.wait()?;
    }
    scheduler.shutdown_and_wait(Shutdown::Wait);
    Ok(())
}
// ANCHOR_END: program
