//! Exercises of chapter 6: your solutions. Their tests are in
//! `course/tests/exercises_06.rs`.

// What is not written yet does not use its arguments.
#![allow(unused_variables, unused_mut, unused_imports, dead_code)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use scheduler::coroutine::Sleep;
use scheduler::executor::{Cancel, Task};

#[path = "../../tests/exercises_06.rs"]
mod tests;

/// Exercise 1: a task that is tried again, up to `attempts` times, with a
/// pause between two attempts. It gives up at once when it is cancelled, also
/// during a pause.
fn retried(
    attempts: u32,
    pause: Duration,
    task: impl FnMut(&Cancel) -> Result<(), String> + Send + 'static,
) -> Task {
    unimplemented!("exercise 1: a task that calls `task`")
}

/// Exercise 2: a channel between coroutines of one thread: values that nobody
/// has received, and the waker of the task that waits for one.
struct Channel<T>(Rc<RefCell<(VecDeque<T>, Option<Waker>)>>);

impl<T> Channel<T> {
    fn new() -> Self {
        Self(Rc::new(RefCell::new((VecDeque::new(), None))))
    }

    /// Returns another end of the same channel.
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }

    fn send(&self, value: T) {
        unimplemented!("exercise 2: keep the value, wake the receiver")
    }

    async fn receive(&self) -> T {
        unimplemented!("exercise 2: see `std::future::poll_fn`")
    }
}

/// Exercise 3: the result of a future. `None` if the sleep is over first.
async fn within<T>(sleep: Sleep, future: impl Future<Output = T>) -> Option<T> {
    unimplemented!("exercise 3: poll both")
}
