//! An executor of one's own: a thread for each run, which tells what it does.
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
    /// Counts runs in and out, keeps their time limits, and cancels them.
    runs: Arc<InFlight>,
    /// Those that wait, the most urgent first.
    waiting: Arc<PriorityQueue<(Ticket, RunRequest, Completion)>>,
    /// How many more may run at once, and the bell for those that wait.
    places: Arc<(Mutex<usize>, Condvar)>,
}

impl Telling {
    /// Room for so many runs at once, and for so many that wait.
    pub fn new(at_once: usize, waiting: usize, cancel_grace: Duration) -> Self {
        let runs = InFlight::new(at_once + waiting, cancel_grace);
        Self {
            runs,
            waiting: Arc::default(),
            places: Arc::new((Mutex::new(at_once), Condvar::new())),
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
        let (runs, waiting, places) =
            (self.runs.clone(), self.waiting.clone(), self.places.clone());
        let work = move || {
            let (free, freed) = &*places;
            let free_now = free.lock().unwrap_or_else(PoisonError::into_inner);
            *freed
                .wait_while(free_now, |free| *free == 0)
                .unwrap_or_else(PoisonError::into_inner) -= 1;
            // The most urgent run that waits, which may be another than the one
            // this thread was started for.
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
            // A run that no thread is there for is dropped, and its promise
            // says so.
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
