//! The membership of a lane among the schedulers that share its store: its lease, and what happens when that has ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use matins_core::{CancelToken, ClaimStore, JobId, Node, Served, StoreError, StoreName, Wake, WakeUp};

use super::OpenLane;
use crate::Event;
use crate::engine::Submission;
use crate::wakeup::Inbox;

/// How long others wait for a sign of life of this scheduler before they take over its runs.
const LEASE: Duration = Duration::from_secs(15);

/// So long after the last renewal others are heard at the earliest.
const SOON: Duration = Duration::from_secs(1);

/// A store that is shared is claimed from only by its members.
pub(crate) struct Membership {
    node: Node,
    lease: Duration,
    /// When the lease was last renewed, counted from before the store was asked, by the time that has passed.
    renewed_at: Duration,
    /// The lease had ended, and others have taken over the runs: it joins again.
    is_over: bool,
    /// How often changes that others make have to be looked for.
    poll: Option<Duration>,
    /// The jobs that no member serves, as the listeners have been told.
    unserved: Vec<JobId>,
    /// Others have changed the store, and may want runs of this scheduler cancelled.
    is_woken: Arc<AtomicBool>,
    /// What the store calls when others change it, as long as this is here.
    _wake: Arc<Wake>,
}

impl Membership {
    /// Joins; `None` for a store that is not shared, which has no leases.
    pub(super) fn join(
        store: &mut dyn ClaimStore,
        name: &StoreName,
        inbox: &Arc<Inbox>,
        now: Duration,
    ) -> Result<Option<Self>, StoreError> {
        let node = Node::new(name.as_str(), LEASE);
        let lease = store.join(&node)?.lease.unwrap_or(LEASE);
        if !store.capabilities().shared {
            return Ok(None);
        }
        let ringing: Weak<Inbox> = Arc::downgrade(inbox);
        let is_woken: Arc<AtomicBool> = Arc::default();
        let woken = is_woken.clone();
        let wake: Arc<Wake> = Arc::new(move || {
            woken.store(true, Ordering::Release);
            if let Some(inbox) = ringing.upgrade() {
                inbox.wake();
            }
        });
        let poll = match store.on_change(&wake) {
            WakeUp::Poll(every) => Some(every),
            _ => None,
        };
        Ok(Some(Self {
            node,
            lease,
            renewed_at: now,
            is_over: false,
            poll,
            unserved: Vec::new(),
            is_woken,
            _wake: wake,
        }))
    }

    /// When it is renewed: three times in a lease, so that two may fail; sooner where others have changed the store.
    fn renew_at(&self) -> Duration {
        let is_woken = self.is_woken.load(Ordering::Acquire);
        self.renewed_at.saturating_add(if is_woken { SOON.min(self.lease / 3) } else { self.lease / 3 })
    }

    /// Until then nobody else can have taken over, whatever the store says: some of the lease is kept for slow answers.
    fn is_sure(&self, now: Duration) -> bool {
        !self.is_over && now < self.renewed_at.saturating_add(self.lease * 4 / 5)
    }

    /// The longest wait before a store that has failed is tried again.
    pub(super) fn longest_retry(&self) -> Duration {
        self.lease / 3
    }

    /// When the lane has to be turned because of it.
    pub(super) fn next(&self, now: Duration) -> Duration {
        let poll = self.poll.map(|every| now.saturating_add(every));
        poll.into_iter().fold(self.renew_at(), Duration::min)
    }
}

impl OpenLane<'_> {
    /// Renews the lease when it is time, or joins again. `cancels` takes what tells runs to stop.
    pub(super) fn keep_membership(
        &mut self,
        now: Duration,
        cancels: &mut Vec<CancelToken>,
    ) -> Result<(), StoreError> {
        let work = &mut *self.work;
        let Some(membership) = &mut work.membership else { return Ok(()) };
        if membership.is_over {
            let joined = work.store.join(&membership.node)?;
            membership.lease = joined.lease.unwrap_or(LEASE);
            (membership.is_over, membership.renewed_at) = (false, now);
            work.local.served = Some(Served::default());
            if joined.has_lost_history {
                let store = self.lane.name.clone();
                self.engine.hub().listeners.tell(|| Event::StoreLostHistory { store });
            }
        } else if now >= membership.renew_at() {
            self.renew(now, cancels)?;
        }
        self.serve()
    }

    /// Tells the store what this scheduler can start, where that has changed.
    fn serve(&mut self) -> Result<(), StoreError> {
        let executors = self.engine.hub().executors.clone();
        let served = Served::new(self.engine.tasks.names(), executors);
        if self.work.local.served.as_ref() != Some(&served) {
            self.work.store.serve(&served)?;
            self.work.local.served = Some(served);
        }
        Ok(())
    }

    fn renew(&mut self, now: Duration, cancels: &mut Vec<CancelToken>) -> Result<(), StoreError> {
        let heartbeat = self.work.store.heartbeat()?;
        if let Some(membership) = &mut self.work.membership {
            membership.renewed_at = now;
            membership.is_woken.store(false, Ordering::Release);
            let told = std::mem::replace(&mut membership.unserved, heartbeat.unserved);
            let mut hub = self.engine.hub();
            for job in membership.unserved.iter().filter(|job| !told.contains(job)) {
                let (store, job) = (self.lane.name.clone(), job.clone());
                hub.listeners.tell(|| Event::JobNotServed { store, job });
            }
        }
        cancels.extend(heartbeat.cancel.into_iter().filter_map(|run| self.lane.in_flight.token(run)));
        Ok(())
    }

    /// A run is handed over only while nobody else can have taken it over: otherwise the lease is renewed first, or it is dropped.
    pub(super) fn may_hand_over(
        &mut self,
        submissions: &mut Vec<Submission>,
        cancels: &mut Vec<CancelToken>,
    ) -> Result<(), StoreError> {
        let now = self.engine.clock.monotonic();
        let is_sure = self.work.membership.as_ref().is_none_or(|membership| membership.is_sure(now));
        if submissions.is_empty() || is_sure {
            return Ok(());
        }
        let renewed = self.renew(now, cancels);
        if renewed.is_ok() {
            return Ok(());
        }
        self.drop_what_others_may_have(submissions);
        renewed
    }

    /// Runs that were recorded are not handed over once others may have taken them over, whatever has come in between: a store that
    /// has failed after the commit, or a machine that was suspended.
    pub(super) fn drop_what_others_may_have(&mut self, submissions: &mut Vec<Submission>) {
        let now = self.engine.clock.monotonic();
        if self.work.membership.as_ref().is_none_or(|membership| membership.is_sure(now)) {
            return;
        }
        // What nobody has taken over by the next look is found then.
        self.work.is_known &= submissions.is_empty();
        let mut in_flight = self.lane.in_flight.lock();
        for Submission { request, done, .. } in submissions.drain(..) {
            let running = in_flight.remove(&request.run);
            done.forget();
            self.work.leftovers.add_let_go(running);
            self.work.leftovers.add_request(request);
        }
    }

    /// Where a store says that the lease had ended: the runs are others' now. They are told to stop, and what they report is dropped.
    pub(super) fn has_lost_membership(&mut self, error: &StoreError, cancels: &mut Vec<CancelToken>) {
        let Some(membership) = &mut self.work.membership else { return };
        if !matches!(error, StoreError::Fenced) {
            return;
        }
        membership.is_over = true;
        let taken_over = std::mem::take(&mut *self.lane.in_flight.lock());
        // What its executor keeps goes on, for the one that has taken it over.
        let (go_on, end_here): (Vec<_>, Vec<_>) =
            taken_over.into_values().partition(|running| running.survives);
        cancels.extend(end_here.into_iter().map(|running| running.cancel));
        let leftovers = &mut self.work.leftovers;
        leftovers.add_let_go(go_on);
        leftovers.add_let_go(self.work.ended.drain(..).map(|(running, _)| running));
        for Submission { request, done, .. } in self.work.pending.drain(..) {
            done.forget();
            leftovers.add_request(request);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use matins_triggers::DateTrigger;

    use crate::Schedule;
    use crate::lane::rig::{node, shared, start};

    /// A process that was stopped between the commit of a run and its hand-over must not begin what others have taken over.
    #[test]
    fn a_run_that_was_taken_over_is_not_handed_over() {
        let (clock, store) = shared();
        let (here, elsewhere) = (node(&clock, &store), node(&clock, &store));
        assert!(here.turn().0.is_empty() && elsewhere.turn().0.is_empty());
        let job = DateTrigger::new(start() + TimeDelta::hours(1)).task("report").id("report");
        let id = here.add(job).unwrap().id;
        let _pending = here.run_now(&id).unwrap();
        clock.advance(TimeDelta::seconds(20));
        store.expire(1);
        elsewhere.turn();
        assert!(store.rows()[0].outcome.is_some(), "it was taken over");
        assert!(here.turn().0.is_empty(), "and is handed over nowhere else");
    }
}
