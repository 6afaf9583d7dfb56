//! How a run is told to stop.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
pub struct CancelToken(Arc<Shared>);

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
struct Shared {
    /// Beside the reason, so that a task may look at it often.
    cancelled: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    reason: Option<CancelReason>,
    callbacks: Vec<Box<dyn FnOnce() + Send>>,
}

impl CancelToken {
    /// A token that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets it, because somebody asked. What was registered with [`on_cancel`](Self::on_cancel) is called now, once.
    pub fn cancel(&self) {
        self.cancel_because(CancelReason::Asked);
    }

    /// Sets it for a reason. The first reason stays.
    pub fn cancel_because(&self, reason: CancelReason) {
        let callbacks = {
            let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.reason.get_or_insert(reason);
            self.0.cancelled.store(true, Ordering::Release);
            std::mem::take(&mut state.callbacks)
        };
        for callback in callbacks {
            callback();
        }
    }

    /// Whether it is set.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Why it is set; `None` while it is not.
    pub fn reason(&self) -> Option<CancelReason> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).reason
    }

    /// Calls `callback` when it is set, or now if it is set already. It must not block.
    pub fn on_cancel(&self, callback: impl FnOnce() + Send + 'static) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_cancelled() {
            drop(state);
            callback();
        } else {
            state.callbacks.push(Box::new(callback));
        }
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelToken").field(&self.reason()).finish()
    }
}
