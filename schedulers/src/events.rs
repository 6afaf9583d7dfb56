//! Telling those who listen, without ever waiting for them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_channel::{Receiver, TrySendError, bounded};
use matins_core::{IntoDuration, drop_caught};

use crate::Event;
use crate::engine::Engine;

/// How many events a listener may lag behind.
const ROOM: usize = 10_000;

/// How many events are noted at most while a filter keeps the thread that delivers them.
const MOST_NOTED: usize = 10 * ROOM;

/// How often a thread looks for events that have come while it has delivered others.
const MOST_ROUNDS: usize = 100;

/// The events of a scheduler, in order; an iterator that ends when the scheduler is gone.
///
/// A listener that lags more than 10,000 events behind loses some, and is told how many by an [`Event::Lost`].
#[derive(Debug)]
pub struct Events {
    receiver: Receiver<Event>,
}

impl Events {
    /// Waits for the next event for at most `timeout`. Returns `None` if none came.
    /// A negative duration counts as zero.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use matins_executor_thread::ThreadExecutor;
    /// # use matins_scheduler::{Event, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # let mut scheduler = SchedulerBuilder::new()
    /// #     .store("default", MemoryStore::new())
    /// #     .executor("default", ThreadExecutor::new())
    /// #     .background()?;
    /// # scheduler.start()?;
    /// let events = scheduler.subscribe();
    /// assert_eq!(events.next_within(Duration::from_millis(1)), None);
    /// scheduler.pause_all()?;
    /// assert_eq!(events.next_within(Duration::from_secs(60)), Some(Event::SchedulerPaused));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next_within(&self, timeout: impl IntoDuration) -> Option<Event> {
        self.receiver.recv_timeout(timeout.into_duration().unwrap_or_default()).ok()
    }

    /// Returns the next event, or `None` if no event has come. It does not wait.
    ///
    /// ```
    /// # use matins_scheduler::{Event, SchedulerBuilder};
    /// # use matins_store_memory::MemoryStore;
    /// # let start = "2026-01-01T00:00:00Z".parse()?;
    /// # let mut scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).testing(start)?;
    /// let events = scheduler.subscribe();
    /// assert_eq!(events.try_next(), None);
    /// scheduler.pause_all()?;
    /// assert_eq!(events.try_next(), Some(Event::SchedulerPaused));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

/// Who listens, and what they have not been told yet.
///
/// This is under the hub's lock, and often under a lane's too, where nobody else's code may run. So events are only noted here;
/// [`Engine::deliver_events`] delivers them when no lock is held.
#[derive(Default)]
pub(crate) struct Listeners {
    noted: Vec<Event>,
    /// So many more have happened than were noted.
    overflow: u64,
    /// Not those that a thread is delivering to.
    all: Vec<Listener>,
    /// How many a thread is delivering to, if one is.
    delivering: Option<usize>,
    /// There are no more events: whoever listens from now on hears the end at once.
    is_closed: bool,
    #[cfg(feature = "metrics")]
    meters: crate::observe::Meters,
}

struct Listener {
    wants: Box<dyn Fn(&Event) -> bool + Send>,
    deliver: Box<dyn FnMut(Event) -> Delivery + Send>,
    lost: u64,
    /// So many of the events that are noted are from before it listened.
    skips: usize,
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
        let skips = self.noted.len();
        self.all.push(Listener { wants: Box::new(wants), deliver: Box::new(deliver), lost: 0, skips });
    }

    /// Ends the events of all who listen, once they have been told what is noted, and of all who will listen.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    /// What comes belongs to another turn of the engine.
    #[cfg(feature = "metrics")]
    pub(crate) fn next_turn(&mut self) {
        self.meters.next_turn();
    }

    /// Runs are counted for each job, too.
    #[cfg(feature = "metrics")]
    pub(crate) fn measure_jobs(&mut self) {
        self.meters.measure_jobs();
    }

    /// Notes the event, and makes it only where somebody listens, or observes.
    pub(crate) fn tell(&mut self, event: impl FnOnce() -> Event) {
        let has_listeners = !self.all.is_empty() || self.delivering.is_some_and(|count| count > 0);
        if !has_listeners && cfg!(not(any(feature = "tracing", feature = "metrics"))) {
            return;
        }
        if self.noted.len() < MOST_NOTED {
            self.noted.push(event());
        } else {
            self.overflow += 1;
        }
    }

    /// What there is to deliver; `None` if that is nothing, or another thread delivers it.
    fn begin_round(&mut self) -> Option<Round> {
        let ends = self.is_closed && !self.all.is_empty();
        if self.delivering.is_some() || (self.noted.is_empty() && !ends) {
            return None;
        }
        let listeners = std::mem::take(&mut self.all);
        self.delivering = Some(listeners.len());
        Some(Round {
            events: std::mem::take(&mut self.noted),
            overflow: std::mem::take(&mut self.overflow),
            listeners,
            gone: Vec::new(),
            #[cfg(feature = "metrics")]
            meters: std::mem::take(&mut self.meters),
        })
    }

    /// Takes back who still listens. Returns what is left of the round, to be dropped where no lock is held.
    fn end_round(&mut self, mut round: Round) -> Round {
        self.delivering = None;
        #[cfg(feature = "metrics")]
        std::mem::swap(&mut self.meters, &mut round.meters);
        // Those that have come meanwhile are behind those that were here.
        round.listeners.append(&mut self.all);
        if !self.is_closed || !self.noted.is_empty() {
            std::mem::swap(&mut self.all, &mut round.listeners);
        }
        if self.noted.is_empty() {
            // Its memory is used again.
            std::mem::swap(&mut self.noted, &mut round.events);
        }
        round
    }
}

/// Events on their way to those who listen.
struct Round {
    events: Vec<Event>,
    overflow: u64,
    listeners: Vec<Listener>,
    /// They listen no more.
    gone: Vec<Listener>,
    #[cfg(feature = "metrics")]
    meters: crate::observe::Meters,
}

impl Round {
    /// Tells all who listen. What they have given is called here, and what observes events.
    fn deliver(&mut self) {
        for (place, event) in self.events.iter().enumerate() {
            #[cfg(feature = "tracing")]
            caught(|| crate::observe::trace(event));
            #[cfg(feature = "metrics")]
            caught(|| self.meters.measure(event));
            if self.listeners.is_empty() {
                continue;
            }
            let gone =
                self.listeners.extract_if(.., |listener| place >= listener.skips && !listener.tell(event));
            self.gone.extend(gone);
        }
        self.events.clear();
        for listener in &mut self.listeners {
            listener.skips = 0;
            listener.lost += self.overflow;
        }
    }
}

/// Calls what observes events. A panic of that was reported by the panic hook.
#[cfg(any(feature = "tracing", feature = "metrics"))]
fn caught(observe: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(observe)) {
        drop_caught(panic);
    }
}

impl Engine {
    /// Delivers what has happened to those who listen, in order. Not to be called under a lock: their filters are called here, and
    /// may use a handle. If another thread is delivering already, it delivers this too.
    pub(crate) fn deliver_events(&self) {
        for _ in 0..MOST_ROUNDS {
            self.see_to_callbacks();
            let (discarded, callbacks, round) = {
                let mut hub = self.hub();
                let discarded = std::mem::take(&mut hub.discarded);
                (discarded, std::mem::take(&mut hub.discarded_callbacks), hub.listeners.begin_round())
            };
            discarded.into_iter().for_each(drop_caught);
            callbacks.into_iter().for_each(drop_caught);
            let Some(mut round) = round else { return };
            round.deliver();
            let rest = self.hub().listeners.end_round(round);
            for listener in rest.gone.into_iter().chain(rest.listeners) {
                drop_caught(listener);
            }
        }
        // A filter causes events itself, without end: the driver has other things to do in between.
        self.wakeup.wake();
    }
}

impl Listener {
    /// Whether it still listens. One whose filter, or whose waker, panics does not.
    fn tell(&mut self, event: &Event) -> bool {
        catch_unwind(AssertUnwindSafe(|| self.tell_if_it_wants(event))).unwrap_or_else(|panic| {
            drop_caught(panic);
            false
        })
    }

    fn tell_if_it_wants(&mut self, event: &Event) -> bool {
        if !(self.wants)(event) {
            return true;
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

    fn deliver(listeners: &mut Listeners) {
        let mut round = listeners.begin_round().expect("there is something to deliver");
        round.deliver();
        listeners.end_round(round);
    }

    #[test]
    fn a_listener_that_lags_is_told_how_much_it_lost() {
        let mut listeners = Listeners::default();
        let events = listeners.subscribe(|_| true);
        for _ in 0..ROOM + 5 {
            listeners.tell(|| Event::SchedulerPaused);
        }
        deliver(&mut listeners);
        assert_eq!(events.receiver.len(), ROOM);
        for _ in 0..3 {
            events.try_next();
        }
        listeners.tell(|| Event::SchedulerResumed);
        deliver(&mut listeners);
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
        deliver(&mut listeners);
        assert_eq!(listeners.all.len(), 1);
        assert_eq!(panics.collect::<Vec<_>>(), []);
        drop(listeners);
        assert_eq!(wants_pauses.collect::<Vec<_>>(), [Event::SchedulerPaused, Event::SchedulerPaused]);
    }

    #[test]
    fn who_listens_after_the_end_hears_it_at_once() {
        let mut listeners = Listeners::default();
        let before = listeners.subscribe(|_| true);
        listeners.tell(|| Event::SchedulerShutDown);
        listeners.close();
        assert_eq!(listeners.subscribe(|_| true).count(), 0);
        deliver(&mut listeners);
        assert_eq!(before.collect::<Vec<_>>(), [Event::SchedulerShutDown]);
    }

    #[test]
    fn a_listener_that_is_gone_is_forgotten() {
        let mut listeners = Listeners::default();
        drop(listeners.subscribe(|_| true));
        listeners.tell(|| Event::SchedulerStarted);
        deliver(&mut listeners);
        assert!(listeners.all.is_empty());
    }

    #[test]
    fn a_listener_hears_only_what_happens_after_it_has_subscribed() {
        let mut listeners = Listeners::default();
        let first = listeners.subscribe(|_| true);
        listeners.tell(|| Event::SchedulerStarted);
        let second = listeners.subscribe(|_| true);
        listeners.tell(|| Event::SchedulerPaused);
        let mut round = listeners.begin_round().unwrap();
        // While it is delivered: that is of the next round.
        listeners.tell(|| Event::SchedulerResumed);
        let third = listeners.subscribe(|_| true);
        listeners.tell(|| Event::SchedulerPaused);
        assert!(listeners.begin_round().is_none(), "one thread delivers at a time");
        round.deliver();
        listeners.end_round(round);
        deliver(&mut listeners);
        drop(listeners);
        let (started, paused, resumed) =
            (Event::SchedulerStarted, Event::SchedulerPaused, Event::SchedulerResumed);
        assert_eq!(third.collect::<Vec<_>>(), vec![paused.clone()]);
        assert_eq!(second.collect::<Vec<_>>(), [paused.clone(), resumed.clone(), paused.clone()]);
        assert_eq!(first.collect::<Vec<_>>(), [started, paused.clone(), resumed, paused]);
    }

    #[test]
    fn what_is_not_delivered_does_not_grow_without_end() {
        let mut listeners = Listeners::default();
        let events = listeners.subscribe(|event| !matches!(event, Event::SchedulerPaused));
        for _ in 0..MOST_NOTED + 7 {
            listeners.tell(|| Event::SchedulerPaused);
        }
        deliver(&mut listeners);
        listeners.tell(|| Event::SchedulerResumed);
        deliver(&mut listeners);
        drop(listeners);
        assert_eq!(events.collect::<Vec<_>>(), [Event::Lost { count: 7 }, Event::SchedulerResumed]);
    }
}
