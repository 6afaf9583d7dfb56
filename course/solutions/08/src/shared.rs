//! Many schedulers, one store: claims, leases and fencing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::engine::{Decision, Definition, plan};
use crate::store::{Change, Job, JobId, Outcome, Run, RunId, State};

// ANCHOR: types
/// The number of a node: of one start of one scheduler. It is never used
/// again.
pub type NodeId = u64;

/// A store that several nodes share. Clones are the same store. Each method is
/// a transaction: it happens as a whole, and one after the other.
#[derive(Debug, Clone, Default)]
pub struct SharedStore(Arc<Mutex<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    /// The clock of the store. The clocks of nodes are never compared.
    now: DateTime<Utc>,
    state: State,
    nodes: BTreeMap<NodeId, Node>,
    /// Whose a run in progress is.
    owners: BTreeMap<RunId, NodeId>,
    last_node: NodeId,
    last_run: RunId,
}

#[derive(Debug)]
struct Node {
    lease: TimeDelta,
    lease_until: DateTime<Utc>,
    is_dead: bool,
}

/// The node was declared dead: others have taken over its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fenced;
// ANCHOR_END: types

impl fmt::Display for Fenced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this node was declared dead: join again as a new one")
    }
}

impl std::error::Error for Fenced {}

impl SharedStore {
    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the clock of the store.
    pub fn set_now(&self, now: DateTime<Utc>) {
        self.lock().now = now;
    }

    /// Returns the time of the store's clock.
    pub fn now(&self) -> DateTime<Utc> {
        self.lock().now
    }

    /// Returns a copy of all that is stored.
    pub fn state(&self) -> State {
        self.lock().state.clone()
    }

    /// Adds the jobs that are not there yet.
    pub fn add(&self, definitions: &BTreeMap<JobId, Definition>) {
        let mut tables = self.lock();
        for job in definitions.values() {
            if !tables.state.jobs.contains_key(&job.id) {
                let job = Job {
                    id: job.id,
                    schedule: job.schedule.clone(),
                    command: job.command.clone(),
                    next_fire: job.trigger.next_after(tables.now),
                };
                tables.state.apply(&Change::PutJob(job));
            }
        }
    }

    // ANCHOR: lease
    /// Adds a node. It is alive until its lease is over, or as long as it
    /// renews it.
    pub fn join(&self, lease: TimeDelta) -> NodeId {
        let mut tables = self.lock();
        tables.last_node += 1;
        let lease_until = tables.now + lease;
        let node = Node { lease, lease_until, is_dead: false };
        let id = tables.last_node;
        tables.nodes.insert(id, node);
        id
    }

    /// Renews the lease of a node, also if it is over, as long as nobody has
    /// declared the node dead.
    ///
    /// # Errors
    /// If the node was declared dead.
    pub fn heartbeat(&self, node: NodeId) -> Result<(), Fenced> {
        let mut tables = self.lock();
        tables.check(node)?;
        let now = tables.now;
        if let Some(node) = tables.nodes.get_mut(&node) {
            node.lease_until = now + node.lease;
        }
        Ok(())
    }
    // ANCHOR_END: lease

    // ANCHOR: claim
    /// Decides about all jobs that are due, and gives the runs that start to
    /// this node. Returns them with the commands of their jobs.
    ///
    /// # Errors
    /// If the node was declared dead.
    pub fn claim(
        &self,
        node: NodeId,
        definitions: &BTreeMap<JobId, Definition>,
    ) -> Result<Vec<(Run, String)>, Fenced> {
        let mut tables = self.lock();
        tables.check(node)?;
        let now = tables.now;
        let jobs = tables.state.jobs.values();
        let due = jobs.filter(|job| job.next_fire.is_some_and(|it| it <= now));
        let due: Vec<Job> = due.cloned().collect();
        let mut start = Vec::new();
        for job in due {
            let (Some(definition), Some(next_fire)) =
                (definitions.get(&job.id), job.next_fire)
            else {
                continue;
            };
            let (trigger, policy) = (&*definition.trigger, &definition.policy);
            // The runs of all nodes count.
            let running = tables.running(job.id);
            let plan = plan(trigger, policy, next_fire, now, running);
            for (fire, decision) in plan.fires {
                let outcome = match decision {
                    Decision::Start => Outcome::Running,
                    Decision::Miss(_) => Outcome::Missed,
                };
                let run = tables.record(job.id, fire, outcome);
                if decision == Decision::Start {
                    tables.owners.insert(run.id, node);
                    start.push((run, job.command.clone()));
                }
            }
            tables.state.apply(&Change::MoveOn(job.id, plan.next_fire));
        }
        Ok(start)
    }
    // ANCHOR_END: claim

    // ANCHOR: finish
    /// Ends a run of this node. Returns `false` if the run is not this node's
    /// any more, or has ended.
    ///
    /// # Errors
    /// If the node was declared dead.
    pub fn finish(
        &self,
        node: NodeId,
        run: RunId,
        outcome: Outcome,
    ) -> Result<bool, Fenced> {
        let mut tables = self.lock();
        tables.check(node)?;
        if tables.owners.get(&run) != Some(&node) {
            return Ok(false);
        }
        tables.owners.remove(&run);
        tables.state.apply(&Change::End(run, outcome));
        Ok(true)
    }
    // ANCHOR_END: finish

    // ANCHOR: reap
    /// Declares nodes dead whose leases are over. Their runs are interrupted,
    /// and this node gets a new run for each of the same fires. Returns those,
    /// with the commands of their jobs.
    ///
    /// # Errors
    /// If this node was declared dead itself.
    pub fn reap(&self, node: NodeId) -> Result<Vec<(Run, String)>, Fenced> {
        let mut tables = self.lock();
        tables.check(node)?;
        let now = tables.now;
        for (id, other) in &mut tables.nodes {
            if *id != node && other.lease_until < now {
                other.is_dead = true;
            }
        }
        let nodes = &tables.nodes;
        let is_dead = |owner| nodes.get(owner).is_none_or(|it| it.is_dead);
        let owned = tables.owners.iter();
        let lost = owned.filter(|(_, owner)| is_dead(*owner));
        let lost: Vec<RunId> = lost.map(|(run, _)| *run).collect();
        let mut start = Vec::new();
        for run in lost {
            tables.owners.remove(&run);
            tables.state.apply(&Change::End(run, Outcome::Interrupted));
            let Some(lost) = tables.state.runs.get(&run).cloned() else {
                continue;
            };
            let run = tables.record(lost.job, lost.fire, Outcome::Running);
            tables.owners.insert(run.id, node);
            let job = tables.state.jobs.get(&lost.job);
            let command = job.map(|job| job.command.clone());
            start.push((run, command.unwrap_or_default()));
        }
        Ok(start)
    }
    // ANCHOR_END: reap
}

impl Tables {
    // ANCHOR: fence
    /// The fence: a node that was declared dead changes nothing any more.
    fn check(&self, node: NodeId) -> Result<(), Fenced> {
        match self.nodes.get(&node) {
            Some(node) if !node.is_dead => Ok(()),
            _ => Err(Fenced),
        }
    }
    // ANCHOR_END: fence

    // ANCHOR: running
    fn running(&self, job: JobId) -> usize {
        let runs =
            self.owners.keys().filter_map(|run| self.state.runs.get(run));
        runs.filter(|run| run.job == job).count()
    }

    fn record(
        &mut self,
        job: JobId,
        fire: DateTime<Utc>,
        outcome: Outcome,
    ) -> Run {
        self.last_run += 1;
        let run = Run { id: self.last_run, job, fire, outcome };
        self.state.apply(&Change::Record(run.clone()));
        run
    }
    // ANCHOR_END: running
}

// ANCHOR: register
/// Something outside of the store that has one value, and to which runs of a
/// job write. It refuses a run that is older than one that it has seen.
#[derive(Debug, Default)]
pub struct Register {
    /// The number of the run that wrote last: a fencing token.
    latest: RunId,
    value: Option<DateTime<Utc>>,
}

impl Register {
    /// Writes the fire time of a run. Returns `false`, and changes nothing, if
    /// a later run has written already.
    pub fn write(&mut self, run: &Run) -> bool {
        if run.id < self.latest {
            return false;
        }
        (self.latest, self.value) = (run.id, Some(run.fire));
        true
    }

    /// Returns the fire time that was written last.
    pub fn value(&self) -> Option<DateTime<Utc>> {
        self.value
    }
}
// ANCHOR_END: register

// ANCHOR: effects
/// Something outside of the store that has an effect for each fire, such as an
/// invoice. It knows which fires it has done.
#[derive(Debug, Default)]
pub struct Effects(BTreeMap<(JobId, DateTime<Utc>), RunId>);

impl Effects {
    /// Does the work of a run. Returns `false`, and changes nothing, if it was
    /// done already for the same fire.
    pub fn apply(&mut self, run: &Run) -> bool {
        let is_new = !self.contains(run.job, run.fire);
        if is_new {
            self.0.insert((run.job, run.fire), run.id);
        }
        is_new
    }

    /// Returns whether the work of a fire was done.
    pub fn contains(&self, job: JobId, fire: DateTime<Utc>) -> bool {
        self.0.contains_key(&(job, fire))
    }
}
// ANCHOR_END: effects
