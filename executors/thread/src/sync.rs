//! The means of the pool: the standard library's and crossbeam's, and shuttle's where its interleavings are tried out.

#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{Builder, JoinHandle},
};

#[cfg(not(shuttle))]
pub(crate) use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

#[cfg(shuttle)]
pub(crate) use self::channel::{Receiver, RecvTimeoutError, Sender, unbounded};

#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{Builder, JoinHandle},
};

/// As much of crossbeam's channel as the pool needs, on shuttle's means. A wait may end at any time as if it had timed out.
#[cfg(shuttle)]
mod channel {
    use std::collections::VecDeque;
    use std::time::Duration;

    pub(crate) use crossbeam_channel::RecvTimeoutError;
    use shuttle::rand::Rng;
    use shuttle::sync::{Arc, Condvar, Mutex};

    struct Shared<T> {
        state: Mutex<(VecDeque<T>, bool)>,
        changed: Condvar,
    }

    pub(crate) struct Sender<T>(Arc<Shared<T>>);

    pub(crate) struct Receiver<T>(Arc<Shared<T>>);

    pub(crate) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
        let shared = Arc::new(Shared { state: Mutex::new((VecDeque::new(), true)), changed: Condvar::new() });
        (Sender(shared.clone()), Receiver(shared))
    }

    impl<T> Sender<T> {
        pub(crate) fn send(&self, value: T) -> Result<(), T> {
            self.0.state.lock().unwrap().0.push_back(value);
            self.0.changed.notify_one();
            Ok(())
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            self.0.state.lock().unwrap().1 = false;
            self.0.changed.notify_all();
        }
    }

    impl<T> Receiver<T> {
        pub(crate) fn try_recv(&self) -> Result<T, ()> {
            self.0.state.lock().unwrap().0.pop_front().ok_or(())
        }

        pub(crate) fn recv_timeout(&self, _timeout: Duration) -> Result<T, RecvTimeoutError> {
            let mut state = self.0.state.lock().unwrap();
            loop {
                if let Some(value) = state.0.pop_front() {
                    return Ok(value);
                }
                if !state.1 {
                    return Err(RecvTimeoutError::Disconnected);
                }
                if shuttle::rand::thread_rng().gen_bool(0.3) {
                    return Err(RecvTimeoutError::Timeout);
                }
                state = self.0.changed.wait(state).unwrap();
            }
        }

        pub(crate) fn len(&self) -> usize {
            self.0.state.lock().unwrap().0.len()
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.len() == 0
        }
    }
}
