//! What time is it? The only access to the system clock.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

/// A source of the current instant.
///
/// The library asks the time nowhere else, so a test can put a clock of its own here and run ten years of schedule
/// in milliseconds.
///
/// ```
/// use std::sync::atomic::{AtomicI64, Ordering};
/// use std::sync::{Arc, Mutex};
/// use std::time::Duration;
///
/// use chrono::{DateTime, Utc};
/// use matins_core::{Clock, Wake};
///
/// /// A clock that a test sets.
/// #[derive(Default)]
/// struct ByHand {
///     now: AtomicI64,
///     wakes: Mutex<Vec<std::sync::Weak<Wake>>>,
/// }
///
/// impl std::fmt::Debug for ByHand {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         write!(f, "ByHand({})", self.now())
///     }
/// }
///
/// impl ByHand {
///     fn set(&self, now: i64) {
///         self.now.store(now, Ordering::SeqCst);
///         let wakes = self.wakes.lock().unwrap().clone();
///         wakes.iter().filter_map(std::sync::Weak::upgrade).for_each(|wake| wake());
///     }
/// }
///
/// impl Clock for ByHand {
///     fn now(&self) -> DateTime<Utc> {
///         DateTime::UNIX_EPOCH + Duration::from_secs(self.now.load(Ordering::SeqCst) as u64)
///     }
///
///     fn sleep_until(&self, _until: DateTime<Utc>) -> Option<Duration> {
///         None
///     }
///
///     fn wake_on_change(&self, wake: &Arc<Wake>) {
///         self.wakes.lock().unwrap().push(Arc::downgrade(wake));
///     }
/// }
///
/// let clock = ByHand::default();
/// clock.set(3_600);
/// assert_eq!(clock.monotonic(), Duration::from_secs(3_600));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a clock",
    label = "this does not implement `Clock`",
    note = "the clocks of Matins are `SystemClock` and, for tests, `VirtualClock`"
)]
pub trait Clock: Debug + Send + Sync {
    /// The current instant.
    fn now(&self) -> DateTime<Utc>;

    /// Returns the time that has passed since some fixed instant. It never goes back, and is not changed when the clock is set.
    ///
    /// Fire times are compared with [`now`](Self::now). All relative waits (backoff, deadlines, leases) and the durations of runs
    /// are measured with this method. If both disagree about the time that has passed, the clock was set, and the scheduler
    /// acts on that.
    ///
    /// The default is derived from `now`, so that the clock counts as one that is never set. A clock that can be set should
    /// implement this method.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use chrono::{DateTime, Utc};
    /// use matins_core::Clock;
    ///
    /// /// A clock that is never set.
    /// #[derive(Debug)]
    /// struct Fixed(DateTime<Utc>);
    ///
    /// impl Clock for Fixed {
    ///     fn now(&self) -> DateTime<Utc> {
    ///         self.0
    ///     }
    ///
    ///     fn sleep_until(&self, _until: DateTime<Utc>) -> Option<Duration> {
    ///         None
    ///     }
    /// }
    ///
    /// let clock = Fixed("1970-01-02T00:00:00Z".parse().unwrap());
    /// assert_eq!(clock.monotonic(), Duration::from_secs(86_400));
    /// ```
    fn monotonic(&self) -> Duration {
        (self.now() - DateTime::UNIX_EPOCH).to_std().unwrap_or_default()
    }

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
