//! Many runs on one thread: futures, and an executor for them.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use chrono::{DateTime, Utc};

use crate::queue::{Queue, Tree};
use crate::run_loop::Clock;

/// Who is to be woken, and when. Clones are the same timers.
#[derive(Debug, Clone, Default)]
pub struct Timers(Rc<RefCell<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    queue: Tree,
    wakers: BTreeMap<u64, Waker>,
    now: DateTime<Utc>,
    begun: u64,
}

impl Timers {
    /// Returns a future that is ready at a time.
    pub fn sleep_until(&self, time: DateTime<Utc>) -> Sleep {
        let mut waiting = self.0.borrow_mut();
        waiting.begun += 1;
        Sleep { timers: self.clone(), time, number: waiting.begun }
    }

    /// Returns the time at which the executor has last looked.
    pub fn now(&self) -> DateTime<Utc> {
        self.0.borrow().now
    }
}

/// A future that is ready at a time.
#[derive(Debug)]
pub struct Sleep {
    timers: Timers,
    time: DateTime<Utc>,
    number: u64,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        unimplemented!("chapter 6: ready, or leave the waker with the timers")
    }
}

// Chapter 6: a sleep that is dropped leaves nothing with the timers.

/// The numbers of the tasks that should be polled.
type Ready = Arc<Mutex<VecDeque<u64>>>;

fn push(ready: &Ready, task: u64) {
    unimplemented!("chapter 6: at the end of the list")
}

fn pop(ready: &Ready) -> Option<u64> {
    unimplemented!("chapter 6: from the beginning of the list")
}

/// What a waker does: it puts a task on the list.
struct WakeTask(u64, Ready);

impl Wake for WakeTask {
    fn wake(self: Arc<Self>) {
        unimplemented!("chapter 6: put the task on the list")
    }
}

/// Polls futures on one thread.
pub struct Executor<'a> {
    clock: &'a dyn Clock,
    timers: Timers,
    ready: Ready,
    tasks: BTreeMap<u64, Pin<Box<dyn Future<Output = ()> + 'a>>>,
    spawned: u64,
}

impl<'a> Executor<'a> {
    /// Returns an executor without tasks.
    pub fn new(clock: &'a dyn Clock) -> Self {
        unimplemented!("chapter 6: an executor at the time of the clock")
    }

    /// Returns its timers.
    pub fn timers(&self) -> Timers {
        self.timers.clone()
    }

    /// Adds a task.
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'a) {
        unimplemented!("chapter 6: keep the future, it is ready")
    }

    /// Runs until no task can continue. Returns how many have not ended:
    /// they wait for something that will not come.
    pub fn run(&mut self) -> usize {
        unimplemented!("chapter 6: poll what is ready, then wait for a timer")
    }
}
