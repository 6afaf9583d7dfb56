//! What a service manager is told: `sd_notify(3)`, where `NOTIFY_SOCKET` says that somebody listens.

use std::thread;
use std::time::Duration;

use matins::Handle;
use matins::SchedulerState;
use matins_terminal::notice;
use sd_notify::NotifyState;

/// Jobs are fired from now on.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The store is waited for: starting takes longer, by a moment after that.
pub(crate) fn waiting_for_owner(limit: Duration) {
    let longer = (limit + Duration::from_secs(10)).as_micros();
    tell(&[
        NotifyState::ExtendTimeoutUsec(u32::try_from(longer).unwrap_or(u32::MAX)),
        NotifyState::Status("waiting for the owner of the store to end"),
    ]);
}

/// The files are read again; [`ready`] says when that is done.
pub(crate) fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// Nothing fires any more.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("waiting for the running jobs")]);
}

fn tell(states: &[NotifyState<'_>]) {
    // Nobody listens, or it has gone: the jobs go on.
    let _ = sd_notify::notify(states);
}

/// Tells the watchdog, where there is one, that all is well.
pub(crate) fn feed_watchdog_once() {
    if sd_notify::watchdog_enabled().is_some() {
        tell(&[NotifyState::Watchdog]);
    }
}

/// Feeds the watchdog, where there is one, as long as the scheduler answers.
pub(crate) fn feed_watchdog(scheduler: Handle) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let feed = move || {
        while scheduler.state() != SchedulerState::ShutDown {
            tell(&[NotifyState::Watchdog]);
            thread::sleep(limit / 3);
        }
    };
    if let Err(error) = thread::Builder::new().name("matins-watchdog".to_owned()).spawn(feed) {
        notice::tell(format_args!("the watchdog cannot be fed: {error}"));
    }
}
