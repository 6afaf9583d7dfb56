//! The runs that an executor has taken: what the executors on threads, on rayon and on tokio have in common.
//!
//! [`InFlight`] admits runs while there is room, has them done under their time limits, cancels them, and waits for their
//! end. Where they run is the executor's.
//!
//! | step | what it does |
//! | --- | --- |
//! | [`admit`](InFlight::admit) | a place for a run, or a refusal |
//! | [`execute`](InFlight::execute) | does it under its time limit, catches its panic, reports once |
//! | [`shut_down`](InFlight::shut_down) | waits, cancels, or both; says what would not end |
//!
//! # Time limits
//! A thread cannot be stopped from outside. When a run has taken as long as it may, its
//! [`CancelToken`](matins_core::CancelToken) is set. If it returns within a grace, it has timed out and its thread is free
//! again. If it does not, it is reported as timed out all the same, and left behind: its thread is busy until the task
//! returns, however long that takes. Then the run's [`CompletionSink`](matins_core::CompletionSink) is told that the work has
//! ended; until then a scheduler counts it for the overlap policy of its job. An executor that can replace the thread gives
//! the place of the run to another one: [`execute_or_leave`](InFlight::execute_or_leave) is for that.
//!
//! What a task has registered with [`on_cancel`](matins_core::CancelToken::on_cancel) is called on a thread of its own: it may
//! take its time, panic, or use the scheduler, and time limits are kept all the same.
//!
//! A limit that is noticed late is not judged at once: where the whole process was stopped (SIGSTOP, a debugger), the work of
//! a run may have gone on in a child process and ended in time. Such a run has a second to report before it is told to stop.
//!
//! # For executors of your own
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use matins_core::{Completion, Executor, Refused, RunId, RunRequest, Shutdown};
//! use matins_executor_inflight::InFlight;
//!
//! /// A thread for each run, up to a hundred.
//! struct ThreadPerRun(Arc<InFlight>);
//!
//! impl Executor for ThreadPerRun {
//!     fn submit(&mut self, run: RunRequest, done: Completion) -> Result<(), Refused> {
//!         let ticket = match self.0.admit(&run) {
//!             Ok(ticket) => ticket,
//!             Err(reason) => return Err(Refused { reason, done }),
//!         };
//!         let runs = self.0.clone();
//!         std::thread::spawn(move || runs.execute(ticket, run, done));
//!         Ok(())
//!     }
//!
//!     fn shutdown(&mut self, how: Shutdown) -> Vec<RunId> {
//!         self.0.shut_down(how)
//!     }
//! }
//!
//! let executor = ThreadPerRun(InFlight::new(100, Duration::from_secs(5)));
//! # drop(executor);
//! ```

mod in_flight;
mod limits;
mod sync;
mod waiting;

pub use in_flight::{InFlight, Ticket};
pub use waiting::PriorityQueue;
