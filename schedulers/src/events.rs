//! Telling those who listen, without ever waiting for them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::Event;
use crossbeam_channel::{Receiver, TrySendError, bounded};

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

#[derive(Default)]
pub(crate) struct Listeners {
    all: Vec<Listener>,
    /// There are no more events: whoever listens from now on hears the end at once.
    is_closed: bool,
    #[cfg(feature = "metrics")]
    meters: crate::observe::Meters,
}

struct Listener {
    wants: Box<dyn Fn(&Event) -> bool + Send>,
    deliver: Box<dyn FnMut(Event) -> Delivery + Send>,
    lost: u64,
}

/// How it went with an event for a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Done,
    /// It lags too far behind.
    Full,
    /// It listens no more.
    Gone,
}

impl Listeners {
    /// Events that `wants` wants, over a channel.
    pub(crate) fn subscribe(&mut self, wants: impl Fn(&Event) -> bool + Send + 'static) -> Events {
        let (sender, receiver) = bounded(ROOM);
        self.add(wants, move |event| match sender.try_send(event) {
            Ok(()) => Delivery::Done,
            Err(TrySendError::Full(_)) => Delivery::Full,
            Err(TrySendError::Disconnected(_)) => Delivery::Gone,
        });
        Events { receiver }
    }

    /// Events that `wants` wants, over a channel for async code.
    #[cfg(feature = "tokio")]
    pub(crate) fn subscribe_async(
        &mut self,
        wants: impl Fn(&Event) -> bool + Send + 'static,
    ) -> tokio::sync::mpsc::Receiver<Event> {
        use tokio::sync::mpsc::error::TrySendError;
        let (sender, receiver) = tokio::sync::mpsc::channel(ROOM);
        self.add(wants, move |event| match sender.try_send(event) {
            Ok(()) => Delivery::Done,
            Err(TrySendError::Full(_)) => Delivery::Full,
            Err(TrySendError::Closed(_)) => Delivery::Gone,
        });
        receiver
    }

    fn add(
        &mut self,
        wants: impl Fn(&Event) -> bool + Send + 'static,
        deliver: impl FnMut(Event) -> Delivery + Send + 'static,
    ) {
        if self.is_closed {
            return;
        }
        self.all.push(Listener { wants: Box::new(wants), deliver: Box::new(deliver), lost: 0 });
    }

    /// Ends the events of all who listen, and of all who will.
    pub(crate) fn close(&mut self) {
        self.all.clear();
        self.is_closed = true;
    }

    /// What comes belongs to another turn of the engine.
    #[cfg(feature = "metrics")]
    pub(crate) fn next_turn(&mut self) {
        self.meters = crate::observe::Meters::default();
    }

    /// Makes the event only where somebody listens, or observes.
    pub(crate) fn tell(&mut self, event: impl FnOnce() -> Event) {
        if self.all.is_empty() && cfg!(not(any(feature = "tracing", feature = "metrics"))) {
            return;
        }
        let event = event();
        #[cfg(feature = "tracing")]
        crate::observe::trace(&event);
        #[cfg(feature = "metrics")]
        self.meters.measure(&event);
        self.all.retain_mut(|listener| listener.tell(&event));
    }
}

impl Listener {
    /// Whether it still listens. One whose filter panics does not.
    fn tell(&mut self, event: &Event) -> bool {
        match catch_unwind(AssertUnwindSafe(|| (self.wants)(event))) {
            Ok(true) => {}
            Ok(false) => return true,
            Err(_) => return false,
        }
        if self.lost > 0 {
            match (self.deliver)(Event::Lost { count: self.lost }) {
                Delivery::Done => self.lost = 0,
                Delivery::Full => {}
                Delivery::Gone => return false,
            }
        }
        match (self.deliver)(event.clone()) {
            Delivery::Done => true,
            Delivery::Full => {
                self.lost += 1;
                true
            }
            Delivery::Gone => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_lags_is_told_how_much_it_lost() {
        let mut listeners = Listeners::default();
        let events = listeners.subscribe(|_| true);
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
    fn a_listener_hears_what_it_wants_and_one_whose_filter_panics_is_left_out() {
        let mut listeners = Listeners::default();
        let wants_pauses = listeners.subscribe(|event| *event == Event::SchedulerPaused);
        let panics = listeners.subscribe(|_| panic!("no filter"));
        for _ in 0..2 {
            listeners.tell(|| Event::SchedulerResumed);
            listeners.tell(|| Event::SchedulerPaused);
        }
        assert_eq!(listeners.all.len(), 1);
        assert_eq!(panics.collect::<Vec<_>>(), []);
        drop(listeners);
        assert_eq!(wants_pauses.collect::<Vec<_>>(), [Event::SchedulerPaused, Event::SchedulerPaused]);
    }

    #[test]
    fn who_listens_after_the_end_hears_it_at_once() {
        let mut listeners = Listeners::default();
        let before = listeners.subscribe(|_| true);
        listeners.close();
        assert_eq!(before.count() + listeners.subscribe(|_| true).count(), 0);
    }

    #[test]
    fn a_listener_that_is_gone_is_forgotten() {
        let mut listeners = Listeners::default();
        drop(listeners.subscribe(|_| true));
        listeners.tell(|| Event::SchedulerStarted);
        assert!(listeners.all.is_empty());
    }
}
