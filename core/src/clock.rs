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
    /// `None` when no sleep helps, because the clock moves only by hand and then calls what was given to
    /// [`wake_on_change`](Self::wake_on_change).
    fn sleep_until(&self, until: DateTime<Utc>) -> Option<Duration>;

    /// Has `wake` called whenever the clock is moved: by hand, or by a step of the system's clock where the system tells of it.
    /// The clock does not keep it alive; once its owner drops it, it is called no more. A clock whose
    /// [`sleep_until`](Self::sleep_until) answers with short times need not call it.
    fn wake_on_change(&self, wake: &Arc<Wake>) {
        let _ = wake;
    }
}

/// What a [`Clock`] calls when it is moved. It must not block.
pub type Wake = dyn Fn() + Send + Sync;
