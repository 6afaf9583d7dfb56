//! Telling those who listen, without ever waiting for them.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use matins_core::Event;

/// How many events a listener may lag behind.
const ROOM: usize = 10_000;

/// The events of a scheduler, in order; an iterator that ends when the scheduler is gone.
///
/// A listener that lags more than 10,000 events behind loses some, and is told how many by an [`Event::Lost`].
#[derive(Debug)]
pub struct Events {
    receiver: Receiver<Event>,
}

impl Events {
    /// The next event; waits for it at most that long. `None` when none came.
    pub fn next_within(&self, timeout: Duration) -> Option<Event> {
        self.receiver.recv_timeout(timeout).ok()
    }

    /// The next event, if it is here already.
    pub fn try_next(&self) -> Option<Event> {
        self.receiver.try_recv().ok()
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.receiver.recv().ok()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Listeners {
    listeners: Vec<Listener>,
}

#[derive(Debug)]
struct Listener {
    sender: Sender<Event>,
    lost: u64,
}

impl Listeners {
    pub(crate) fn subscribe(&mut self) -> Events {
        let (sender, receiver) = bounded(ROOM);
        self.listeners.push(Listener { sender, lost: 0 });
        Events { receiver }
    }

    /// Makes the event only where somebody listens.
    pub(crate) fn tell(&mut self, event: impl FnOnce() -> Event) {
        if self.listeners.is_empty() {
            return;
        }
        let event = event();
        self.listeners.retain_mut(|listener| listener.tell(&event));
    }
}

impl Listener {
    /// Whether it still listens.
    fn tell(&mut self, event: &Event) -> bool {
        if self.lost > 0 {
            match self.sender.try_send(Event::Lost { count: self.lost }) {
                Ok(()) => self.lost = 0,
                Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Disconnected(_)) => return false,
            }
        }
        match self.sender.try_send(event.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.lost += 1;
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_lags_is_told_how_much_it_lost() {
        let mut listeners = Listeners::default();
        let events = listeners.subscribe();
        for _ in 0..ROOM + 5 {
            listeners.tell(|| Event::SchedulerPaused);
        }
        assert_eq!(events.receiver.len(), ROOM);
        for _ in 0..3 {
            events.try_next();
        }
        listeners.tell(|| Event::SchedulerResumed);
        let rest: Vec<Event> = std::iter::from_fn(|| events.try_next()).collect();
        assert_eq!(rest[rest.len() - 2..], [Event::Lost { count: 5 }, Event::SchedulerResumed]);
    }

    #[test]
    fn a_listener_that_is_gone_is_forgotten() {
        let mut listeners = Listeners::default();
        drop(listeners.subscribe());
        listeners.tell(|| Event::SchedulerStarted);
        assert!(listeners.listeners.is_empty());
    }
}
