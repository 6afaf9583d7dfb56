//! A stranger's executor passes the suite: a thread for each run.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use matins_core::{Completion, Executor, Refused, RunId, RunRequest, Shutdown};
use matins_executor_inflight::InFlight;

struct ThreadPerRun {
    runs: Arc<InFlight>,
    /// Places at work, and the bell for those that wait for one.
    places: Arc<(Mutex<usize>, Condvar)>,
}

impl Executor for ThreadPerRun {
    fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
        let ticket = match self.runs.admit(&run) {
            Ok(ticket) => ticket,
            Err(reason) => return Err(Refused { reason, done }),
        };
        let (runs, places) = (self.runs.clone(), self.places.clone());
        thread::spawn(move || {
            let (free, freed) = &*places;
            let waited =
                freed.wait_while(free.lock().unwrap_or_else(PoisonError::into_inner), |free| *free == 0);
            *waited.unwrap_or_else(PoisonError::into_inner) -= 1;
            runs.execute(ticket, run, done);
            *free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            freed.notify_one();
        });
        Ok(())
    }

    fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
        self.runs.shut_down(how)
    }
}

impl Drop for ThreadPerRun {
    fn drop(&mut self) {
        self.shutdown(Shutdown::Now);
    }
}

matins_conformance::executor_suite!(|limits| {
    let runs = InFlight::new(limits.at_once + limits.waiting, Duration::from_secs(1));
    ThreadPerRun { runs, places: Arc::new((Mutex::new(limits.at_once), Condvar::new())) }
});
