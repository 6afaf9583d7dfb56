//! How the engine shuts down: what is in progress may end, is cancelled at a deadline, and is left behind after a grace.

use std::time::Duration;

use matins_core::{CancelToken, Shutdown, drop_caught};

use crate::Event;
use crate::engine::{Engine, State, cancel};

/// How long cancelled runs have to end at shutdown, before they are left behind.
pub(crate) const CANCEL_GRACE: Duration = Duration::from_secs(6);

impl Engine {
    /// Whether a driver has begun to drive the engine, and has not stopped.
    pub(crate) fn is_driven(&self) -> bool {
        !matches!(self.state(), State::Waiting { .. } | State::Stopped)
    }

    /// Begins to shut down. Where nobody drives the engine yet, it is over at once: whether it is.
    pub(crate) fn shutdown(&self, how: Shutdown) -> bool {
        let now = self.clock.monotonic();
        let mut hub = self.hub();
        let (is_stopping, until) = match hub.state {
            State::Waiting { .. } => {
                // Under the same lock: a driver that starts now finds it stopped.
                hub.state = State::Stopped;
                drop(hub);
                self.close();
                return true;
            }
            State::Stopped | State::Cancelling { .. } => return false,
            State::Stopping { cancel_at } => (true, cancel_at),
            _ => (false, None),
        };
        let cancel_at = match how {
            Shutdown::Wait if is_stopping => until,
            Shutdown::Wait => None,
            Shutdown::Deadline(time) => until.into_iter().chain(now.checked_add(time)).min(),
            _ => Some(now),
        };
        hub.state = State::Stopping { cancel_at };
        drop(hub);
        // What a token calls may use a handle.
        for token in self.lanes().iter().flat_map(|lane| lane.in_flight.tokens()) {
            token.note_shutdown().call_in_background();
        }
        self.ring_all();
        false
    }

    /// Cancels what is in flight, when its time has come. What its executor keeps is let go of instead.
    pub(crate) fn advance_shutdown(&self) {
        let now = self.clock.monotonic();
        {
            let mut hub = self.hub();
            match hub.state {
                State::Stopping { cancel_at: Some(cancel_at) } if cancel_at <= now => {
                    hub.state = State::Cancelling { leave_at: now.saturating_add(CANCEL_GRACE) };
                }
                _ => return,
            }
        }
        // Not under a lock: what a token calls may use a handle.
        let lanes = self.lanes();
        let tokens: Vec<CancelToken> =
            lanes.iter().flat_map(|lane| lane.in_flight.tokens_at_shutdown()).collect();
        cancel(&tokens);
        for lane in lanes {
            lane.inbox.wake();
        }
    }

    pub(crate) fn stop(&self) {
        // Before the last event.
        self.tell_failed_callbacks();
        self.hub().state = State::Stopped;
        self.close();
    }

    /// Lets go of the stores, so that others can open them while handles are still about.
    pub(crate) fn close(&self) {
        for lane in self.lanes() {
            let work = lane.lock().take();
            if let Some(mut work) = work {
                // Where it cannot be told, the lease ends by itself.
                let _ = work.store.leave();
                for task in work.closures.values() {
                    self.tasks.unregister(task.as_str());
                }
                drop_caught(work.callbacks);
            }
            self.remove_lane(lane.number);
        }
        let leftovers = {
            let mut hub = self.hub();
            hub.listeners.tell(|| Event::SchedulerShutDown);
            hub.listeners.close();
            (std::mem::take(&mut hub.waiters), std::mem::take(&mut hub.layers))
        };
        // Not under a lock: this wakes those who wait, and drops what layers hold.
        drop(leftovers);
        self.callbacks.close();
    }
}
