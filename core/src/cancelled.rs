//! Waiting until a run is told to stop.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use crate::CancelToken;

/// A future that is ready when a token is set: see [`CancelToken::cancelled`].
#[must_use = "it does nothing unless it is awaited"]
pub struct Cancelled {
    token: CancelToken,
    /// Its place among those whom the token wakes, once it was polled.
    place: Option<u64>,
}

impl CancelToken {
    /// Returns a future that is ready when the token is set, on every runtime.
    ///
    /// An async task that has awaited it has time to end by itself when it is cancelled: as long as the cancel grace of its executor.
    /// The future of any other task is dropped at once.
    ///
    /// ```
    /// use matins_core::CancelToken;
    /// # use std::{pin::pin, task::{Context, Waker}};
    ///
    /// let token = CancelToken::new();
    /// let mut cancelled = pin!(token.cancelled());
    /// let mut context = Context::from_waker(Waker::noop());
    /// assert!(cancelled.as_mut().poll(&mut context).is_pending());
    /// token.cancel();
    /// assert!(cancelled.as_mut().poll(&mut context).is_ready());
    /// ```
    pub fn cancelled(&self) -> Cancelled {
        Cancelled { token: self.clone(), place: None }
    }

    /// Returns whether somebody has begun to wait for the token by [`cancelled`](Self::cancelled). For executors of async tasks.
    ///
    /// ```
    /// use matins_core::CancelToken;
    ///
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    ///
    /// let token = CancelToken::new();
    /// let mut cancelled = pin!(token.cancelled());
    /// assert!(!token.is_awaited());
    /// let _ = cancelled.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    /// assert!(token.is_awaited(), "the task has time to end by itself");
    /// ```
    pub fn is_awaited(&self) -> bool {
        self.0.cancelling.is_awaited.load(Ordering::Acquire)
    }
}

impl Future for Cancelled {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.token.is_cancelled() {
            return Poll::Ready(());
        }
        this.token.0.cancelling.is_awaited.store(true, Ordering::Release);
        if this.token.wake_on_cancel(&mut this.place, context.waker().clone()) {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.token.wake_no_more(place);
        }
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled").field("token", &self.token).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn the_last_who_polled_is_woken_once() {
        let token = CancelToken::new();
        assert!(!token.is_awaited());
        let mut cancelled = pin!(token.cancelled());
        let (first, last) = (Arc::<Count>::default(), Arc::<Count>::default());
        for count in [&first, &last] {
            let waker = Waker::from(count.clone());
            assert!(cancelled.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert!(token.is_awaited());
        token.cancel();
        assert_eq!((first.0.load(Ordering::SeqCst), last.0.load(Ordering::SeqCst)), (0, 1));
        let mut late = pin!(token.cancelled());
        assert!(late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }

    /// A loop that waits for the next item or the end makes a future for each item.
    #[test]
    fn a_future_that_is_dropped_leaves_nothing_behind() {
        let token = CancelToken::new();
        for _ in 0..1_000 {
            let mut cancelled = pin!(token.cancelled());
            assert!(cancelled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(token.waiting(), 0);
    }
}
