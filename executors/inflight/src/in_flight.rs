//! Runs from when they are taken until they have ended.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use matins_core::{
    CancelReason, CancelToken, Completion, IntoDuration, Refusal, RunId, RunReport, RunRequest, Shutdown,
    drop_caught,
};
use slab::Slab;

use crate::limits::TimeLimits;
use crate::sync::{Arc, AtomicBool, AtomicUsize, Condvar, Mutex, MutexGuard, Ordering};

/// So many parts, so that threads seldom meet at one of them.
const SHARDS: usize = 16;

/// The runs that an executor has taken and that have not ended. See the [crate's page](crate).
pub struct InFlight {
    room: usize,
    cancel_grace: Duration,
    /// Places taken. A run leaves its place before it reports, so that whoever hears of it finds room.
    occupied: AtomicUsize,
    /// Tickets that are out.
    held: AtomicUsize,
    shards: [Shard; SHARDS],
    closed: AtomicBool,
    /// Runs that were left behind and whose threads are busy, by their tickets' places, since runs of several stores may have one
    /// number; `true` where their places were given to others.
    left: Mutex<HashMap<(usize, usize), bool>>,
    /// Since it was closed: a run ended, or was left behind.
    ended: Condvar,
    limits: TimeLimits,
}

#[derive(Default)]
#[repr(align(64))]
struct Shard(Mutex<Slab<(RunId, CancelToken)>>);

/// A run's place among those that were taken. Each is to be given back, by [`execute`](InFlight::execute) or
/// [`finish`](InFlight::finish), or [`cede`](InFlight::cede).
#[derive(Debug)]
#[must_use]
pub struct Ticket {
    shard: usize,
    key: usize,
}

impl Ticket {
    const fn place(&self) -> (usize, usize) {
        (self.shard, self.key)
    }
}

impl InFlight {
    /// Room for so many runs, those that wait included. Runs that are told to stop have `cancel_grace` to return before they
    /// are left behind; a negative duration counts as zero.
    pub fn new(room: usize, cancel_grace: impl IntoDuration) -> Arc<Self> {
        let cancel_grace = cancel_grace.into_duration().unwrap_or_default();
        Arc::new(Self {
            room,
            cancel_grace,
            occupied: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            shards: Default::default(),
            closed: AtomicBool::new(false),
            left: Mutex::new(HashMap::new()),
            ended: Condvar::new(),
            limits: TimeLimits::new(cancel_grace),
        })
    }

    /// Takes a run.
    ///
    /// # Errors
    /// When there is no room, or since [`shut_down`](Self::shut_down).
    pub fn admit(&self, run: &RunRequest) -> Result<Ticket, Refusal> {
        if self.is_closed() {
            return Err(Refusal::ShutDown);
        }
        if self.occupied.fetch_add(1, Ordering::SeqCst) >= self.room {
            self.occupied.fetch_sub(1, Ordering::SeqCst);
            return Err(Refusal::Full);
        }
        self.held.fetch_add(1, Ordering::SeqCst);
        let shard = run.run.0 as usize % SHARDS;
        let key = lock(&self.shards[shard].0).insert((run.run, run.cancel.clone()));
        Ok(Ticket { shard, key })
    }

    /// Does the work of a run on this thread, under its time limit, and reports it.
    pub fn execute(self: &Arc<Self>, ticket: Ticket, run: RunRequest, done: Completion) {
        self.execute_or_leave(ticket, run, done, || false);
    }

    /// As [`execute`](Self::execute). When the run is left behind, `left` is called, on another thread: it returns `true` if
    /// another thread works from now on in place of this one, so that the place of the run is free. Returns whether that was so.
    pub fn execute_or_leave(
        self: &Arc<Self>,
        ticket: Ticket,
        run: RunRequest,
        done: Completion,
        left: impl FnOnce() -> bool + Send + 'static,
    ) -> bool {
        // Until its report is made, a scheduler that is dropped here, with the task, must not wait for it.
        let _scope = run.enter();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            if run.time_limit.is_none() {
                let report = run.execute();
                // What a task has captured is dropped here, if its job has gone meanwhile.
                drop_caught(run);
                return Ok((report, done));
            }
            let (runs, place) = (Arc::downgrade(self), ticket.place());
            let leave = move || {
                if let Some(runs) = runs.upgrade() {
                    runs.leave(place, left());
                }
            };
            self.limits.execute(run, done, leave)
        }));
        match ended {
            Ok(Ok((report, done))) => {
                self.finish(ticket, report, done);
                false
            }
            Ok(Err(end)) => {
                let was_replaced = self.vacate(ticket);
                // Whoever hears that the work has ended finds its place free.
                drop(end);
                was_replaced
            }
            Err(panic) => {
                let was_replaced = self.vacate(ticket);
                drop_caught(panic);
                was_replaced
            }
        }
    }

    /// Reports a run, which has left its place by then.
    pub fn finish(&self, ticket: Ticket, report: RunReport, done: Completion) {
        self.occupied.fetch_sub(1, Ordering::SeqCst);
        done.finish(report);
        self.give_back(&ticket);
    }

    /// Gives a place back whose run was reported already, or is lost.
    pub fn cede(&self, ticket: Ticket) {
        self.vacate(ticket);
    }

    /// Gives a place back. Returns whether it was another run's already.
    fn vacate(&self, ticket: Ticket) -> bool {
        let was_free = lock(&self.left).remove(&ticket.place()) == Some(true);
        if !was_free {
            self.occupied.fetch_sub(1, Ordering::SeqCst);
        }
        self.give_back(&ticket);
        was_free
    }

    fn give_back(&self, ticket: &Ticket) {
        drop(lock(&self.shards[ticket.shard].0).remove(ticket.key));
        self.held.fetch_sub(1, Ordering::SeqCst);
        if self.is_closed() {
            // Whoever waits has looked before this, or waits by now.
            drop(lock(&self.left));
            self.ended.notify_all();
        }
    }

    /// A run was reported, and its thread is still busy with it.
    fn leave(&self, place: (usize, usize), its_place_is_free: bool) {
        lock(&self.left).insert(place, its_place_is_free);
        if its_place_is_free {
            self.occupied.fetch_sub(1, Ordering::SeqCst);
        }
        self.ended.notify_all();
    }

    /// Admits no more runs, and ends those in progress. Returns the runs that would not end.
    pub fn shut_down(&self, how: Shutdown) -> Vec<RunId> {
        self.close();
        let ended = match how {
            Shutdown::Wait => self.wait(None),
            Shutdown::Deadline(time) => self.wait(Instant::now().checked_add(time)),
            _ => false,
        };
        if !ended {
            self.cancel_all();
            self.wait(Instant::now().checked_add(self.cancel_grace));
        }
        let runs = |shard: &Shard| lock(&shard.0).iter().map(|(_, (run, _))| *run).collect::<Vec<_>>();
        self.shards.iter().flat_map(runs).collect()
    }

    /// Waits until all runs have ended but those that were left behind, and cancels none. With a time, it waits no longer than that.
    /// Returns whether they have. [Close](Self::close) it first: otherwise the end of a run wakes nobody who waits.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use matins_executor_inflight::InFlight;
    ///
    /// let runs = InFlight::new(100, Duration::from_secs(5));
    /// runs.close();
    /// assert!(runs.wait_for_end(Some(Duration::from_secs(1))));
    /// ```
    pub fn wait_for_end(&self, time: Option<Duration>) -> bool {
        self.wait(time.and_then(|time| Instant::now().checked_add(time)))
    }

    /// Admits no more runs.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Whether no more runs are admitted.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// How long runs that are told to stop have to return.
    pub fn cancel_grace(&self) -> Duration {
        self.cancel_grace
    }

    /// How many have not ended, those that were left behind included.
    pub fn count(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    fn cancel_all(&self) {
        let tokens =
            |shard: &Shard| lock(&shard.0).iter().map(|(_, (_, token))| token.clone()).collect::<Vec<_>>();
        let tokens = self.shards.iter().flat_map(tokens);
        // What tasks have registered may wait for whoever waits here, or for each other.
        tokens.for_each(|token| token.set(CancelReason::Asked).call_in_background());
    }

    /// Waits until all runs have ended but those that were left behind, at most until `deadline`; whether it came to that.
    fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut left = lock(&self.left);
        loop {
            if self.count() <= left.len() {
                return true;
            }
            left = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return false,
                Some(rest) => self.ended.wait_timeout(left, rest).unwrap_or_else(PoisonError::into_inner).0,
                None => self.ended.wait(left).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight")
            .field("room", &self.room)
            .field("runs", &self.count())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
