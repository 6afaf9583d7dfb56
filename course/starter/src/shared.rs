//! Many schedulers, one store: claims, leases and fencing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::engine::{Decision, Definition, plan};
use crate::store::{Change, Job, JobId, Outcome, Run, RunId, State};

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

    /// Adds a node. It is alive until its lease is over, or as long as it
    /// renews it.
    pub fn join(&self, lease: TimeDelta) -> NodeId {
        unimplemented!("chapter 8: a new number, and a lease")
    }

    /// Renews the lease of a node, also if it is over, as long as nobody has
    /// declared the node dead.
    ///
    /// # Errors
    /// If the node was declared dead.
    pub fn heartbeat(&self, node: NodeId) -> Result<(), Fenced> {
        unimplemented!("chapter 8: the lease begins again, unless it is dead")
    }

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
        unimplemented!("chapter 8: the fence, then plan what is due")
    }

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
        unimplemented!("chapter 8: the fence, then only its own run")
    }

    /// Declares nodes dead whose leases are over. Their runs are interrupted,
    /// and this node gets a new run for each of the same fires. Returns those,
    /// with the commands of their jobs.
    ///
    /// # Errors
    /// If this node was declared dead itself.
    pub fn reap(&self, node: NodeId) -> Result<Vec<(Run, String)>, Fenced> {
        unimplemented!("chapter 8: the fence, the dead, their runs")
    }
}

impl Tables {
    /// The fence: a node that was declared dead changes nothing any more.
    fn check(&self, node: NodeId) -> Result<(), Fenced> {
        unimplemented!("chapter 8: is it known and not dead?")
    }

    fn running(&self, job: JobId) -> usize {
        unimplemented!("chapter 8: the runs of a job, of all nodes")
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
}

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
        unimplemented!("chapter 8: refuse what is older than the latest")
    }

    /// Returns the fire time that was written last.
    pub fn value(&self) -> Option<DateTime<Utc>> {
        unimplemented!("chapter 8: what was written last")
    }
}

/// Something outside of the store that has an effect for each fire, such as an
/// invoice. It knows which fires it has done.
#[derive(Debug, Default)]
pub struct Effects(BTreeMap<(JobId, DateTime<Utc>), RunId>);

impl Effects {
    /// Does the work of a run. Returns `false`, and changes nothing, if it was
    /// done already for the same fire.
    pub fn apply(&mut self, run: &Run) -> bool {
        unimplemented!("chapter 8: once for each fire")
    }

    /// Returns whether the work of a fire was done.
    pub fn contains(&self, job: JobId, fire: DateTime<Utc>) -> bool {
        unimplemented!("chapter 8: was it done?")
    }
}
