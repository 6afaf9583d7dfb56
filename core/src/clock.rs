//! What time is it? The one door to the system clock.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

/// A source of the current instant.
///
/// The library asks the time nowhere else, so a test can put a clock of its own here and run ten years of schedule
/// in milliseconds.
pub trait Clock: Debug + Send + Sync {
    /// The current instant.
    fn now(&self) -> DateTime<Utc>;

    /// How long a thread should sleep, in real time, before it looks at this clock again while it waits for `until`;
    /// `None` when no sleep helps, because the clock moves only by hand and then calls the wakers given to
    /// [`wake_on_change`](Self::wake_on_change).
    fn sleep_until(&self, until: DateTime<Utc>) -> Option<Duration>;

    /// Registers `wake`, to be called whenever the clock is moved by hand. Clocks that run by themselves need not.
    fn wake_on_change(&self, wake: Arc<dyn Fn() + Send + Sync>) {
        drop(wake);
    }
}
