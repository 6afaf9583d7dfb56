//! What a scheduler drives: a store from which it claims what is due, decides, and settles.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{
    AfterOutcome, GroupName, Heartbeat, Job, JobId, JobQuery, JobStore, Joined, Node, OnConflict,
    Quarantined, Run, RunId, RunIds, RunQuery, Served, SharedStore, StoreError, Transition, Wake, WakeUp,
};

/// A store as a scheduler drives it: jobs and runs are claimed, decided about, and settled.
///
/// A [`JobStore`](crate::JobStore) has one owner and needs none of this: one adapter, `Exclusive` of `matins-scheduler`, implements
/// it for all of them. A store that several schedulers share implements it directly.
///
/// # Contract
/// * What one scheduler has claimed, no other is given until it was [settled](Self::settle) or [released](Self::release), or until
///   the first one has lost its membership. A claim does not wait for another: it skips what others have.
/// * [`settle`](Self::settle) applies the whole batch or nothing, and nothing at all for a scheduler that is no member any more
///   ([`StoreError::Fenced`]).
/// * Who claims a job claims its [group](crate::Policy::group) with it: no other scheduler is given a job of that group meanwhile. So two
///   schedulers never begin more runs of a group than its limit.
/// * A run that has begun in a group counts for that group until it has ended, also where its job is changed or removed meanwhile.
/// * Each run has one owner. Only the owner ends it, or whoever takes over from an owner whose lease has ended.
/// * Numbers of runs are unique, rise with time for each job, and are never used again. They may have gaps.
pub trait ClaimStore: Send {
    /// Returns what the store promises.
    fn capabilities(&self) -> Capabilities;

    /// Becomes a member of the schedulers that share the store, under a number that is never used again.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    fn join(&mut self, node: &Node) -> Result<Joined, StoreError>;

    /// Sets what this scheduler can start, until the next call. After [`join`](Self::join) it can start nothing. A claim returns only due
    /// jobs, and waiting runs of jobs, that it can start, and [`next`](Self::next) counts only those. Jobs that a claim names, whose runs
    /// have ended, or whose runs are taken over, are returned in any case.
    ///
    /// A store with one owner has no use for it: a job that this owner cannot start fails.
    ///
    /// # Errors
    /// When the store cannot be read or written, and [`StoreError::Fenced`] where this scheduler is no member any more.
    fn serve(&mut self, served: &Served) -> Result<(), StoreError>;

    /// Renews the lease, and returns what others want of this scheduler.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] where this scheduler is no member any more, and when the store cannot be written.
    fn heartbeat(&mut self) -> Result<Heartbeat, StoreError>;

    /// Claims what is due, what waits for its turn, and the jobs that are named. Only one claim is open at a time: a second one ends
    /// the first.
    ///
    /// Of the jobs whose runs have [ended](Want::ended), those that another scheduler has claimed are shown with their running runs
    /// alone: these can be ended without the job, and what waits for them is started by whoever claims it next.
    ///
    /// # Errors
    /// When the store cannot be read, when another scheduler has claimed one of the [jobs](Want::jobs) that are to be changed, and
    /// [`StoreError::Fenced`] where this scheduler is no member any more. Nothing is claimed then.
    fn claim(&mut self, want: &Want<'_>) -> Result<Claim, StoreError>;

    /// Applies a batch to what was claimed, and ends the claim, whatever comes of it.
    ///
    /// # Errors
    /// As [`JobStore::commit`](crate::JobStore::commit), [`StoreError::Fenced`] where this scheduler is no member any more, and
    /// [`StoreError::Revised`] where an updated job is not the next revision of the one in the store.
    fn settle(&mut self, settlement: Settlement) -> Result<Settled, StoreError>;

    /// Ends the claim without a change.
    fn release(&mut self);

    /// Asks the owner of a run to cancel it: its next [heartbeat](Self::heartbeat) names the run. Returns whether the run is in
    /// progress.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn cancel(&mut self, run: RunId) -> Result<bool, StoreError>;

    /// Returns the runs that the store has as begun by this scheduler and not ended: after a commit whose answer was lost, they tell
    /// whether it was made.
    ///
    /// # Errors
    /// When the store cannot be read, and [`StoreError::Fenced`] where this scheduler is no member any more.
    fn held(&mut self) -> Result<Vec<Run>, StoreError>;

    /// Returns when there is something to claim next, as far as is known: a fire (only if `fires`), or an attempt whose turn comes.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn next(&mut self, fires: bool) -> Result<Option<DateTime<Utc>>, StoreError>;

    /// Has `wake` called when another scheduler changes the store. Says whether that is told, or has to be looked for.
    fn on_change(&mut self, wake: &Arc<Wake>) -> WakeUp;

    /// Adds jobs and rows of the ledger, all of them or none. `on_conflict` says what happens where a job's id is taken, as for
    /// [`JobStore::import`](crate::JobStore::import). A run that has begun and not ended belongs to this scheduler.
    ///
    /// # Errors
    /// As [`JobStore::import`](crate::JobStore::import).
    fn import(&mut self, jobs: Vec<Job>, runs: Vec<Run>, on_conflict: OnConflict) -> Result<(), StoreError>;

    /// Returns the job with this id, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&mut self, id: &JobId) -> Result<Option<Job>, StoreError>;

    /// Returns the jobs that `query` asks for.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn list(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError>;

    /// Returns how many jobs meet the conditions of `query`; its `after` and `limit` do not count.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn count(&mut self, query: &JobQuery) -> Result<usize, StoreError>;

    /// Returns the runs that `query` asks for.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError>;

    /// Returns how many runs meet the conditions of `query`; its `after` and `limit` do not count.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn count_runs(&mut self, query: &RunQuery) -> Result<usize, StoreError>;

    /// Returns the jobs that the store has met and cannot read: see [`JobStore::quarantined`](crate::JobStore::quarantined).
    fn quarantined(&self) -> &[Quarantined];

    /// Returns the store itself where this scheduler is its only owner. Whatever is done to it, the next claim reads it again.
    fn as_job_store(&mut self) -> Option<&mut dyn JobStore>;

    /// Gives the store itself back, where this scheduler is its only owner.
    fn into_job_store(self: Box<Self>) -> Option<Box<dyn JobStore>>;

    /// Returns what the schedulers that share the store can ask about each other. By default, nothing.
    fn shared(&mut self) -> Option<&mut dyn SharedStore> {
        None
    }

    /// Gives the membership up. Runs that this scheduler still owns count as those of one that has died.
    ///
    /// # Errors
    /// When the store cannot be written; the lease ends then by itself.
    fn leave(&mut self) -> Result<(), StoreError>;
}

/// What a store promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Capabilities {
    /// What it holds outlives the process. Such a store takes only jobs whose task has a name of its own.
    pub durable: bool,
    /// Several schedulers may use it at once.
    pub shared: bool,
}

impl Capabilities {
    /// A store that ends with its process.
    pub const IN_MEMORY: Self = Self { durable: false, shared: false };
    /// A store that outlives its process, and has one owner at a time.
    pub const DURABLE: Self = Self { durable: true, shared: false };
    /// A store that outlives its process, and that several schedulers share.
    pub const SHARED: Self = Self { durable: true, shared: true };
}

/// What a scheduler wants to claim.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Want<'a> {
    /// The time, by the scheduler's clock. A store with a clock of its own goes by that.
    pub at: DateTime<Utc>,
    /// At most so many due jobs; 0 where none is to fire.
    pub limit: usize,
    /// Whether runs that wait may start: attempts whose turn has come, and what runs that have ended made way for.
    pub starts: bool,
    /// Whether runs whose owner is gone are taken over.
    pub takes_over: bool,
    /// The jobs of runs that have ended.
    pub ended: &'a [JobId],
    /// Jobs that are to be changed: claimed with all that is known of them.
    pub jobs: &'a [JobId],
    /// Work in progress that no row tells of, and that counts for these groups.
    pub outside: &'a [(GroupName, usize)],
}

impl<'a> Want<'a> {
    /// Wants nothing yet, at this time by the scheduler's clock.
    pub fn at(now: DateTime<Utc>) -> Self {
        Self { at: now, ..Self::default() }
    }

    /// Wants at most so many due jobs.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Wants runs that may [start](#structfield.starts).
    #[must_use]
    pub fn starts(self) -> Self {
        Self { starts: true, ..self }
    }

    /// Wants the runs whose owner is gone.
    #[must_use]
    pub fn takes_over(self) -> Self {
        Self { takes_over: true, ..self }
    }

    /// Wants the jobs of runs that have ended.
    #[must_use]
    pub fn ended(self, ended: &'a [JobId]) -> Self {
        Self { ended, ..self }
    }

    /// Counts this work, which no row tells of, for the groups.
    #[must_use]
    pub fn outside(self, outside: &'a [(GroupName, usize)]) -> Self {
        Self { outside, ..self }
    }

    /// Wants these jobs, to change them.
    #[must_use]
    pub fn jobs(self, jobs: &'a [JobId]) -> Self {
        Self { jobs, ..self }
    }
}

/// What was claimed.
#[derive(Debug)]
pub struct Claim {
    /// The time, by the clock that decides what is due: the store's, if it has one.
    pub now: DateTime<Utc>,
    /// Each job once.
    pub jobs: Vec<Claimed>,
    /// How many of `jobs` are due: they come first, in the order of their next fire times.
    pub due: usize,
    /// This number and those above it are for the runs that the settlement records.
    pub first_run: RunId,
    /// For the [groups](crate::Policy::group) of the claimed jobs that were read: how many runs are in progress, of all their jobs and owners,
    /// with what is [outside](Want::outside) and without those that are [abandoned](Claimed::abandoned) here.
    pub groups: BTreeMap<GroupName, usize>,
}

/// A claimed job.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its id.
    pub id: JobId,
    /// The job. `None` where it is gone, and where nothing of it can start or end now, so that it was not read.
    pub job: Option<Arc<Job>>,
    /// Its runs that have not ended.
    pub runs: JobRuns,
    /// Runs whose owner is gone. They are not among `runs`.
    pub abandoned: Vec<Run>,
    /// The active jobs that run [after](crate::Trigger::after) it, and after which outcome. Only where a run of it may end now. A store
    /// that remembers the runs of each job from what is [settled](Settlement::runs) claims them too.
    pub followers: Vec<(JobId, AfterOutcome)>,
}

/// The runs of one job that have not ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobRuns {
    /// Those that have begun.
    pub running: RunIds,
    /// Further attempts, and runs that could not begin. They wait until their [`turn`](Run::turn), and count as running.
    pub ready: Vec<Run>,
    /// The run that waits for the others to end.
    pub waiting: Option<Box<Run>>,
    /// The row of missed fires that the next ones extend, as long as nothing else happens to the job.
    pub missed: Option<Box<Run>>,
    /// Whether the job ends with its last run: its trigger has no more fire times. `None` where that has to be told from the job.
    pub ends: Option<bool>,
    /// That only its group keeps a run of the job waiting: a run in `waiting`, or those in `ready` whose turn does not come by itself. A
    /// store returns the job with a claim that [starts](Want::starts) runs as soon as the group has room for it.
    pub group: Option<Box<GroupTurn>>,
}

/// Where a job is among those whose runs wait for their group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupTurn {
    /// The group.
    pub name: GroupName,
    /// The job's limit: its run may begin while fewer runs of the group are in progress.
    pub limit: usize,
    /// The job's priority: those with a higher one begin first.
    pub priority: i32,
    /// The fire time of the first of its runs that wait: of jobs with the same priority, the one with the earlier fire time begins first.
    pub fire: DateTime<Utc>,
}

impl GroupTurn {
    /// Returns the turn of a job in the group of this name.
    ///
    /// ```
    /// use chrono::DateTime;
    /// use matins_core::{GroupName, GroupTurn};
    ///
    /// let turn = GroupTurn::new(GroupName::new("database")?, 2, 0, DateTime::UNIX_EPOCH);
    /// assert_eq!((turn.limit, turn.priority), (2, 0));
    /// # Ok::<(), matins_core::NameError>(())
    /// ```
    pub const fn new(name: GroupName, limit: usize, priority: i32, fire: DateTime<Utc>) -> Self {
        Self { name, limit, priority, fire }
    }

    /// Returns the turn of a job whose first waiting run has this fire time. `None` where the job is in no group.
    pub fn of(job: &Job, fire: DateTime<Utc>) -> Option<Self> {
        let group = job.policy.group.as_ref()?;
        Some(Self { name: group.name.clone(), limit: group.limit(), priority: job.policy.priority, fire })
    }
}

impl JobRuns {
    /// Returns how many runs count for the job's overlap limit.
    pub fn occupied(&self) -> usize {
        self.running.len() + self.ready.len()
    }

    /// Returns whether a run has begun, or waits for its turn or for others to end.
    pub fn is_busy(&self) -> bool {
        self.occupied() > 0 || self.waiting.is_some()
    }

    /// Returns whether nothing is to be remembered of the job.
    pub fn is_empty(&self) -> bool {
        !self.is_busy() && self.missed.is_none() && self.ends != Some(true)
    }
}

/// What comes of a claim.
#[derive(Debug, Default)]
pub struct Settlement {
    /// What changes.
    pub batch: Vec<Transition>,
    /// The runs of the claimed jobs that have not ended, as the batch leaves them. A store can tell them from the batch too.
    pub runs: Vec<(JobId, JobRuns)>,
    /// The groups of the runs that the batch begins.
    pub groups: Vec<(RunId, GroupName)>,
}

/// The answer of [`ClaimStore::settle`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Settled {
    /// How many runs were recorded and have not begun, as far as is known.
    pub waiting: usize,
    /// Runs of the batch that were to be finished, and belong to this scheduler no more: somebody has taken them over.
    pub lost: Vec<RunId>,
}

impl Settled {
    /// So many runs wait, and none was lost.
    pub const fn waiting(waiting: usize) -> Self {
        Self { waiting, lost: Vec::new() }
    }
}
