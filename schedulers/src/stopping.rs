//! How the engine shuts down: what goes on may end, is cancelled at a deadline, and is left behind after a grace.

use std::time::Duration;

use crate::Event;
use chrono::{DateTime, TimeDelta, Utc};
use matins_core::{Outcome, Shutdown};

use crate::engine::{Engine, State, not_run};
use crate::events::Listeners;
use crate::outcomes::Waiters;

/// How long cancelled runs have to end at shutdown, before they are left behind.
pub(crate) const CANCEL_GRACE: TimeDelta = TimeDelta::seconds(6);

/// `None` where that is beyond the last instant there is.
pub(crate) fn after(now: DateTime<Utc>, time: Duration) -> Option<DateTime<Utc>> {
    TimeDelta::from_std(time).ok().and_then(|time| now.checked_add_signed(time))
}

impl Engine {
    pub(crate) fn shutdown(&mut self, how: Shutdown) {
        let now = self.clock.now();
        let (is_stopping, until) = match self.state {
            State::Waiting { .. } => return self.stop(),
            State::Stopped | State::Cancelling { .. } => return,
            State::Stopping { cancel_at } => (true, cancel_at),
            _ => (false, None),
        };
        let cancel_at = match how {
            Shutdown::Wait if is_stopping => until,
            Shutdown::Wait => None,
            Shutdown::Deadline(time) => until.into_iter().chain(after(now, time)).min(),
            _ => Some(now),
        };
        self.state = State::Stopping { cancel_at };
    }

    pub(crate) fn advance_shutdown(&mut self, now: DateTime<Utc>) {
        match self.state {
            State::Stopping { cancel_at: Some(cancel_at) } if cancel_at <= now => {
                let tokens = self.stores.iter().flat_map(|slot| slot.live.running.values());
                for token in tokens.map(|running| running.cancel.clone()).collect::<Vec<_>>() {
                    token.cancel();
                }
                self.state = State::Cancelling { leave_at: now + CANCEL_GRACE };
            }
            State::Cancelling { leave_at } if leave_at <= now => {
                for slot in &mut self.stores {
                    let message = "left running when the scheduler was shut down".to_owned();
                    let left = slot.live.running.values();
                    let left =
                        left.map(|left| not_run(&left.run, now, Outcome::Interrupted, message.clone()));
                    slot.reports.extend(left);
                }
            }
            _ => {}
        }
    }

    /// Lets go of the stores, so that others can open them while handles are still about.
    pub(crate) fn stop(&mut self) {
        self.state = State::Stopped;
        self.stores.clear();
        self.pending.clear();
        self.waiters = Waiters::default();
        self.listeners.tell(|| Event::SchedulerShutDown);
        self.listeners = Listeners::default();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.state == State::Stopped
    }
}
