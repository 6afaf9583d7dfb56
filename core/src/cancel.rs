//! How a run is told to stop.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use crate::CancelCallbacks;
use crate::cancel_callbacks::Callback;
use crate::panics::caught;
use crate::run_state::RunState;

/// Tells a run that it should stop. Clones are one token.
///
/// ```
/// use matins_core::{CancelReason, CancelToken};
///
/// let token = CancelToken::new();
/// let (sender, receiver) = std::sync::mpsc::channel();
/// token.on_cancel(move || sender.send("stop").unwrap());
/// token.cancel();
/// assert_eq!(receiver.try_recv(), Ok("stop"));
/// assert_eq!(token.reason(), Some(CancelReason::Asked));
/// ```
#[derive(Clone, Default)]
pub struct CancelToken(pub(crate) Arc<RunState>);

/// Why a run is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelReason {
    /// Somebody asked for it.
    Asked,
    /// It has run as long as its job allows.
    TimeLimit(Duration),
}

#[derive(Default)]
pub(crate) struct Cancelling {
    /// Beside the reason, so that a task may look at it often.
    is_set: AtomicBool,
    /// Somebody waits for it as a future.
    pub(crate) is_awaited: AtomicBool,
    /// The scheduler of the run has begun to shut down.
    is_shutting_down: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    reason: Option<CancelReason>,
    /// Made with the first that registers: most runs end without one.
    registered: Option<Box<Registered>>,
}

/// Whoever wants to be told.
#[derive(Default)]
struct Registered {
    callbacks: Vec<Callback>,
    on_shutdown: Vec<Callback>,
    /// Who is woken, by place.
    wakers: BTreeMap<u64, Waker>,
    next_place: u64,
}

impl State {
    fn registered(&mut self) -> &mut Registered {
        self.registered.get_or_insert_default()
    }
}

impl CancelToken {
    /// A token that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the token, because somebody asked for it. The calling thread calls what was registered with [`on_cancel`](Self::on_cancel), once.
    ///
    /// ```
    /// use matins_core::CancelToken;
    ///
    /// let token = CancelToken::new();
    /// let of_the_task = token.clone();
    /// token.cancel();
    /// assert!(of_the_task.is_cancelled());
    /// ```
    pub fn cancel(&self) {
        self.cancel_because(CancelReason::Asked);
    }

    /// Sets it for a reason, as [`cancel`](Self::cancel) does. The first reason stays.
    ///
    /// ```
    /// use std::time::Duration;
    /// use matins_core::{CancelReason, CancelToken};
    ///
    /// let token = CancelToken::new();
    /// token.cancel_because(CancelReason::TimeLimit(Duration::from_secs(60)));
    /// token.cancel();
    /// assert_eq!(token.reason(), Some(CancelReason::TimeLimit(Duration::from_secs(60))));
    /// ```
    pub fn cancel_because(&self, reason: CancelReason) {
        self.set(reason).call();
    }

    /// Sets it for a reason, and returns what was registered with [`on_cancel`](Self::on_cancel) instead of calling it. The
    /// first reason stays.
    ///
    /// Schedulers and executors use this on threads that must not wait for what others have registered:
    ///
    /// ```
    /// use matins_core::{CancelCallbacks, CancelReason, CancelToken};
    ///
    /// let tokens = [CancelToken::new(), CancelToken::new()];
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// for token in &tokens {
    ///     let sender = sender.clone();
    ///     token.on_cancel(move || sender.send("stop").unwrap());
    /// }
    /// let callbacks: CancelCallbacks = tokens.iter().map(|token| token.set(CancelReason::Asked)).collect();
    /// assert!(tokens.iter().all(CancelToken::is_cancelled));
    /// callbacks.call_in_background();
    /// assert_eq!((receiver.recv(), receiver.recv()), (Ok("stop"), Ok("stop")));
    /// ```
    pub fn set(&self, reason: CancelReason) -> CancelCallbacks {
        let mut state = self.lock();
        state.reason.get_or_insert(reason);
        self.0.cancelling.is_set.store(true, Ordering::Release);
        let Some(registered) = &mut state.registered else { return CancelCallbacks::default() };
        let mut callbacks = std::mem::take(&mut registered.callbacks);
        let wakers = std::mem::take(&mut registered.wakers);
        callbacks.extend(wakers.into_values().map(|waker| Box::new(move || waker.wake()) as Callback));
        CancelCallbacks(callbacks)
    }

    /// Has `waker` woken when the token is set, in place of the one at `place`. Returns `false` if it is set already.
    pub(crate) fn wake_on_cancel(&self, place: &mut Option<u64>, waker: Waker) -> bool {
        let mut state = self.lock();
        if state.reason.is_some() {
            return false;
        }
        let registered = state.registered();
        let place = *place.get_or_insert_with(|| {
            registered.next_place += 1;
            registered.next_place
        });
        let before = registered.wakers.insert(place, waker);
        drop(state);
        // Foreign code, which is dropped under no lock.
        drop(before);
        true
    }

    /// Wakes who is at this place no more.
    pub(crate) fn wake_no_more(&self, place: u64) {
        let waker = self.lock().registered().wakers.remove(&place);
        drop(waker);
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.lock().registered().wakers.len()
    }

    /// Returns whether the token is set.
    ///
    /// ```
    /// use matins_core::CancelToken;
    ///
    /// let token = CancelToken::new();
    /// let mut copied = 0;
    /// while !token.is_cancelled() {
    ///     copied += 1;
    ///     if copied == 3 {
    ///         token.cancel();
    ///     }
    /// }
    /// assert_eq!(copied, 3);
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelling.is_set.load(Ordering::Acquire)
    }

    /// Why it is set; `None` while it is not.
    pub fn reason(&self) -> Option<CancelReason> {
        // A token that is not set has no reason.
        if self.is_cancelled() { self.lock().reason } else { None }
    }

    /// Notes that the scheduler of the run has begun to shut down, and returns what was registered with
    /// [`on_shutdown`](Self::on_shutdown) instead of calling it. For schedulers; the token is not set by this.
    ///
    /// ```
    /// use matins_core::CancelToken;
    ///
    /// let token = CancelToken::new();
    /// token.note_shutdown().call();
    /// assert!(token.is_shutting_down() && !token.is_cancelled());
    /// ```
    pub fn note_shutdown(&self) -> CancelCallbacks {
        let mut state = self.lock();
        self.0.cancelling.is_shutting_down.store(true, Ordering::Release);
        let registered = state.registered.as_mut();
        CancelCallbacks(
            registered.map(|registered| std::mem::take(&mut registered.on_shutdown)).unwrap_or_default(),
        )
    }

    /// Calls `callback` when the scheduler of the run begins to shut down, or now if it has begun already. The callback should return
    /// soon, and is called as those of [`on_cancel`](Self::on_cancel) are at a shutdown.
    ///
    /// ```
    /// use matins_core::CancelToken;
    ///
    /// let token = CancelToken::new();
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// token.on_shutdown(move || sender.send("finish the page").unwrap());
    /// token.note_shutdown().call();
    /// assert_eq!(receiver.try_recv(), Ok("finish the page"));
    /// ```
    pub fn on_shutdown(&self, callback: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        if self.is_shutting_down() {
            drop(state);
            caught(callback);
        } else {
            state.registered().on_shutdown.push(Box::new(callback));
        }
    }

    /// Returns whether the scheduler of the run has begun to shut down: see
    /// [`TaskContext::is_shutting_down`](crate::TaskContext::is_shutting_down).
    ///
    /// ```
    /// use matins_core::CancelToken;
    ///
    /// let token = CancelToken::new();
    /// assert!(!token.is_shutting_down());
    /// token.note_shutdown();
    /// assert!(token.is_shutting_down());
    /// ```
    pub fn is_shutting_down(&self) -> bool {
        self.0.cancelling.is_shutting_down.load(Ordering::Acquire)
    }

    /// Calls `callback` when it is set, or now if it is set already. The callback should return soon: others may wait for it. If
    /// it panics, the panic is caught once the panic hook has reported it.
    ///
    /// When a time limit has passed, or a scheduler or an executor shuts down, it is called on a thread that does nothing else,
    /// so that it may use a scheduler's handle.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use matins_core::CancelToken;
    ///
    /// let token = CancelToken::new();
    /// let (sender, receiver) = mpsc::channel();
    /// // For instance to close a connection that the task is blocked on.
    /// token.on_cancel(move || drop(sender.send("close")));
    /// assert!(receiver.try_recv().is_err());
    /// token.cancel();
    /// assert_eq!(receiver.try_recv(), Ok("close"));
    /// ```
    pub fn on_cancel(&self, callback: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        if self.is_cancelled() {
            drop(state);
            caught(callback);
        } else {
            state.registered().callbacks.push(Box::new(callback));
        }
    }

    /// Takes what was registered with [`on_cancel`](Self::on_cancel) and [`on_shutdown`](Self::on_shutdown) and has not been called. For
    /// schedulers and executors, once a run is over: it is code of the task, and may use a handle when it is dropped. So whoever holds a lock
    /// gives that back first.
    ///
    /// ```
    /// use matins_core::CancelToken;
    ///
    /// let token = CancelToken::new();
    /// token.on_cancel(|| unreachable!());
    /// token.release().discard();
    /// token.cancel();
    /// ```
    pub fn release(&self) -> CancelCallbacks {
        let registered = self.lock().registered.take();
        let Some(Registered { mut callbacks, on_shutdown, wakers, .. }) = registered.map(|all| *all) else {
            return CancelCallbacks::default();
        };
        callbacks.extend(on_shutdown);
        callbacks.extend(wakers.into_values().map(|waker| Box::new(move || waker.wake()) as Callback));
        CancelCallbacks(callbacks)
    }

    /// Whether both are one token.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.cancelling.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelToken").field(&self.reason()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const GENEROUS: Duration = Duration::from_secs(60);

    #[test]
    fn a_callback_that_panics_keeps_neither_the_caller_nor_the_others_from_going_on() {
        let token = CancelToken::new();
        let (called, calls) = mpsc::channel();
        token.on_cancel(|| panic!("no way to stop"));
        let sender = called.clone();
        token.on_cancel(move || sender.send("before").unwrap());
        token.cancel();
        // One that is registered later is called by its own thread, which its panic does not end either.
        token.on_cancel(|| panic!("too late to stop"));
        token.on_cancel(move || called.send("after").unwrap());
        assert_eq!(calls.iter().collect::<Vec<_>>(), ["before", "after"]);
    }

    /// A panic may carry a value whose own drop panics.
    #[test]
    fn a_panic_whose_value_panics_when_it_is_dropped_is_caught_too() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let token = CancelToken::new();
        token.on_cancel(|| std::panic::panic_any(Bomb));
        token.cancel();
        assert!(token.is_cancelled());
    }

    #[test]
    fn what_is_released_is_dropped_and_not_called() {
        struct Panics;
        impl Drop for Panics {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let token = CancelToken::new();
        let (called, calls) = mpsc::channel();
        let (panics, other) = (Panics, called.clone());
        token.on_cancel(move || drop(panics));
        token.on_cancel(move || other.send("cancel").unwrap());
        token.on_shutdown(move || called.send("shutdown").unwrap());
        token.release().discard();
        token.cancel();
        token.note_shutdown().call();
        assert_eq!(calls.iter().next(), None);
        // Later ones are not for this run, and are called all the same.
        let (called, calls) = mpsc::channel();
        token.on_cancel(move || called.send("late").unwrap());
        assert_eq!(calls.recv(), Ok("late"));
    }

    #[test]
    fn callbacks_in_the_background_wait_neither_for_each_other_nor_hold_up_the_caller() {
        let token = CancelToken::new();
        let (go, let_go) = mpsc::channel::<()>();
        let (called, calls) = mpsc::channel();
        let done = called.clone();
        token.on_cancel(move || {
            let _ = let_go.recv_timeout(GENEROUS);
            done.send("slow").unwrap();
        });
        token.set(CancelReason::Asked).call_in_background();
        let other = CancelToken::new();
        other.on_cancel(move || called.send("quick").unwrap());
        other.set(CancelReason::Asked).call_in_background();
        assert_eq!(calls.recv_timeout(GENEROUS), Ok("quick"));
        go.send(()).unwrap();
        assert_eq!(calls.recv_timeout(GENEROUS), Ok("slow"));
    }

    #[test]
    fn thousands_of_callbacks_in_the_background_are_all_called() {
        const COUNT: i32 = if cfg!(miri) { 50 } else { 5_000 };
        let (called, calls) = mpsc::channel();
        for number in 0..COUNT {
            let (token, called) = (CancelToken::new(), called.clone());
            token.on_cancel(move || called.send(number).unwrap());
            token.set(CancelReason::Asked).call_in_background();
        }
        drop(called);
        let mut numbers: Vec<i32> = calls.iter().collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..COUNT).collect::<Vec<_>>());
    }
}
