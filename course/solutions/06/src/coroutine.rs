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

// ANCHOR: timers
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
// ANCHOR_END: timers

// ANCHOR: sleep
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
        let mut waiting = self.timers.0.borrow_mut();
        if waiting.now >= self.time {
            return Poll::Ready(());
        }
        waiting.queue.insert(self.number, self.time);
        waiting.wakers.insert(self.number, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let mut waiting = self.timers.0.borrow_mut();
        waiting.queue.remove(self.number);
        waiting.wakers.remove(&self.number);
    }
}
// ANCHOR_END: sleep

// ANCHOR: executor
/// The numbers of the tasks that should be polled.
type Ready = Arc<Mutex<VecDeque<u64>>>;

fn push(ready: &Ready, task: u64) {
    let mut ready = ready.lock().unwrap_or_else(PoisonError::into_inner);
    ready.push_back(task);
}

fn pop(ready: &Ready) -> Option<u64> {
    ready.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// What a waker does: it puts a task on the list.
struct WakeTask(u64, Ready);

impl Wake for WakeTask {
    fn wake(self: Arc<Self>) {
        push(&self.1, self.0);
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
        let timers = Timers::default();
        timers.0.borrow_mut().now = clock.now();
        let (ready, tasks) = (Ready::default(), BTreeMap::new());
        Self { clock, timers, ready, tasks, spawned: 0 }
    }

    /// Returns its timers.
    pub fn timers(&self) -> Timers {
        self.timers.clone()
    }

    /// Adds a task.
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'a) {
        self.spawned += 1;
        self.tasks.insert(self.spawned, Box::pin(future));
        push(&self.ready, self.spawned);
    }

    /// Runs until no task can continue. Returns how many have not ended:
    /// they wait for something that will not come.
    pub fn run(&mut self) -> usize {
        loop {
            while let Some(number) = pop(&self.ready) {
                let Some(task) = self.tasks.get_mut(&number) else { continue };
                let wake = WakeTask(number, self.ready.clone());
                let waker = Waker::from(Arc::new(wake));
                let mut context = Context::from_waker(&waker);
                if task.as_mut().poll(&mut context).is_ready() {
                    self.tasks.remove(&number);
                }
                self.timers.0.borrow_mut().now = self.clock.now();
            }
            let next = self.timers.0.borrow().queue.next();
            let Some(next) = next else { return self.tasks.len() };
            while self.clock.now() < next {
                self.clock.sleep_until(next);
            }
            let mut waiting = self.timers.0.borrow_mut();
            waiting.now = self.clock.now();
            let now = waiting.now;
            while let Some((_, number)) = waiting.queue.pop_due(now) {
                if let Some(waker) = waiting.wakers.remove(&number) {
                    waker.wake();
                }
            }
        }
    }
}
// ANCHOR_END: executor
