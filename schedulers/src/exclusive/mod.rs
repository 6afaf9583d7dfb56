//! The adapter that makes a store with one owner one that a scheduler claims from.

mod claiming;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use foldhash::{HashMap, HashMapExt};
use matins_core::{
    Capabilities, Claim, ClaimStore, GroupName, GroupTurn, Heartbeat, Job, JobId, JobQuery, JobRuns,
    JobState, JobStore, Joined, Node, OnConflict, Quarantined, Run, RunId, RunQuery, Served, Settled,
    Settlement, StoreError, Transition, Wake, WakeUp, Want,
};

use crate::followers::Followers;
use crate::group_queues::GroupQueues;
use crate::occupied::WHEN_IT_ENDS;
use crate::pruning::shrink;

/// A [`JobStore`], which has one owner, as a [`ClaimStore`]. It remembers the runs of each job that have not ended, so that nothing
/// is locked and nothing is read twice.
///
/// [`SchedulerBuilder::store`](crate::SchedulerBuilder::store) makes one of each store that it is given.
///
/// ```
/// use matins_core::{ClaimStore, Node, OnConflict, Want};
/// use matins_scheduler::Exclusive;
/// use matins_store_memory::MemoryStore;
/// # use std::time::Duration;
///
/// let mut store = Exclusive::new(Box::new(MemoryStore::new()));
/// store.join(&Node::new("here", Duration::from_secs(15))).unwrap();
/// let claim = store.claim(&Want::default().limit(100)).unwrap();
/// assert!(claim.jobs.is_empty());
/// store.release();
/// ```
pub struct Exclusive {
    store: Box<dyn JobStore>,
    /// Those of the jobs that have any.
    runs: HashMap<JobId, Known>,
    /// The runs that wait for their turn, by when that is, with their jobs.
    turns: BTreeMap<(DateTime<Utc>, RunId), JobId>,
    /// How many of `runs` have a run that waits for others.
    waiting: usize,
    next_run: RunId,
    /// Of the last claim.
    number: u64,
    /// `runs` says what the store says. Not so at first, and after a commit that failed: it may have been made all the same.
    is_known: bool,
    has_joined: bool,
    /// Runs that an earlier owner has begun and not ended.
    abandoned: BTreeMap<JobId, Vec<Run>>,
    /// Jobs with a run that waits, although no other run is in progress: it may start.
    vacant: Vec<JobId>,
    followers: Followers,
    groups: GroupQueues,
    /// The time of the last claim.
    at: DateTime<Utc>,
}

#[derive(Default)]
struct Known {
    runs: JobRuns,
    /// The last claim that it was part of.
    claimed: u64,
}

impl Exclusive {
    /// The adapter of a store.
    pub fn new(store: Box<dyn JobStore>) -> Self {
        Self {
            store,
            runs: HashMap::new(),
            turns: BTreeMap::new(),
            waiting: 0,
            next_run: RunId::FIRST,
            number: 0,
            is_known: false,
            has_joined: false,
            abandoned: BTreeMap::new(),
            vacant: Vec::new(),
            followers: Followers::default(),
            groups: GroupQueues::default(),
            at: DateTime::UNIX_EPOCH,
        }
    }

    /// Reads the runs that have not ended.
    fn look(&mut self) -> Result<(), StoreError> {
        if self.is_known {
            return Ok(());
        }
        let rows = self.store.runs(&RunQuery::default().unfinished())?;
        self.followers = Followers::of(self.store.list(&JobQuery::default().follows())?);
        self.next_run = self.next_run.max(self.store.next_run_id()?);
        self.runs.clear();
        self.turns.clear();
        self.waiting = 0;
        let left: HashSet<RunId> = self.abandoned.values().flatten().map(|run| run.id).collect();
        let is_first = !self.has_joined;
        let mut jobs: BTreeMap<JobId, JobRuns> = BTreeMap::new();
        self.abandoned.clear();
        let in_groups = self.in_groups(&rows)?;
        self.groups.restart(in_groups);
        for row in rows {
            if row.started.is_some() && (is_first || left.contains(&row.id)) {
                self.abandoned.entry(row.job.clone()).or_default().push(row);
                continue;
            }
            let runs = jobs.entry(row.job.clone()).or_default();
            if row.started.is_some() {
                runs.running.push(row.id);
            } else if row.turn.is_some() || row.attempt > 1 || row.message.is_some() {
                // Versions that kept no turn had it in memory only: it is taken to have come. So is that of a run which waited for
                // something that ended with its owner.
                let turn = row.turn.filter(|turn| *turn != WHEN_IT_ENDS || !is_first);
                let turn = Some(turn.unwrap_or(DateTime::UNIX_EPOCH));
                runs.ready.push(row.with(|run| run.turn = turn));
            } else {
                runs.waiting = Some(Box::new(row));
            }
        }
        let is_vacant = |(_, runs): &(&JobId, &JobRuns)| runs.waiting.is_some() && runs.occupied() == 0;
        self.vacant = jobs.iter().filter(is_vacant).map(|(id, _)| id.clone()).collect();
        for (id, mut runs) in jobs {
            // What of these waits for something else is told from those that wait for their group when they are claimed.
            if let Some(run) = runs.ready.iter().find(|run| run.turn == Some(WHEN_IT_ENDS))
                && let Some(job) = self.store.get(&id)?.filter(|job| job.state == JobState::Active)
            {
                runs.group = GroupTurn::of(&job, run.scheduled()).map(Box::new);
            }
            self.remember(id, runs);
        }
        self.is_known = true;
        self.has_joined = true;
        Ok(())
    }

    /// The groups of these runs, as far as they are in progress: as was told when they began, or else as their jobs are in now.
    fn in_groups(&mut self, rows: &[Run]) -> Result<Vec<(RunId, GroupName)>, StoreError> {
        let mut of_jobs: HashMap<&JobId, Option<GroupName>> = HashMap::new();
        let mut in_groups = Vec::new();
        for row in rows.iter().filter(|row| row.started.is_some()) {
            if !of_jobs.contains_key(&row.job) {
                let group = self.store.get(&row.job)?.and_then(|job| job.policy.group);
                of_jobs.insert(&row.job, group.map(|group| group.name));
            }
            let known = self.groups.of_run(row.id).or_else(|| of_jobs.get(&row.job)?.as_ref());
            in_groups.extend(known.map(|group| (row.id, group.clone())));
        }
        Ok(in_groups)
    }

    /// From now on these are the runs of a job.
    fn remember(&mut self, id: JobId, runs: JobRuns) {
        for run in &runs.ready {
            self.turns.insert(turn_of(run), id.clone());
        }
        self.waiting += usize::from(runs.waiting.is_some());
        self.groups.wait(&id, &runs);
        let is_empty = runs.is_empty();
        let before = if is_empty {
            self.runs.remove(&id)
        } else {
            self.runs.insert(id, Known { runs, claimed: self.number })
        };
        let Some(Known { runs: before, .. }) = before else { return };
        shrink(&mut self.runs);
        self.waiting -= usize::from(before.waiting.is_some());
    }

    /// The turns of a job's runs are not known any more.
    fn forget_turns(&mut self, id: &JobId) {
        if self.turns.is_empty() && !self.groups.has_waiting() {
            return;
        }
        let Some(known) = self.runs.get(id) else { return };
        self.groups.wait_no_more(id, &known.runs);
        for run in &known.runs.ready {
            self.turns.remove(&turn_of(run));
        }
    }

    /// A run that an earlier owner has begun has ended.
    fn has_ended(&mut self, run: &Run) {
        let Some(runs) = self.abandoned.get_mut(&run.job) else { return };
        runs.retain(|abandoned| abandoned.id != run.id);
        if runs.is_empty() {
            self.abandoned.remove(&run.job);
        }
    }
}

fn turn_of(run: &Run) -> (DateTime<Utc>, RunId) {
    (run.turn.unwrap_or(DateTime::UNIX_EPOCH), run.id)
}

impl ClaimStore for Exclusive {
    fn capabilities(&self) -> Capabilities {
        if self.store.is_persistent() { Capabilities::DURABLE } else { Capabilities::IN_MEMORY }
    }

    fn join(&mut self, _node: &Node) -> Result<Joined, StoreError> {
        self.next_run = self.store.next_run_id()?;
        Ok(Joined::new(1))
    }

    fn serve(&mut self, _served: &Served) -> Result<(), StoreError> {
        Ok(())
    }

    fn heartbeat(&mut self) -> Result<Heartbeat, StoreError> {
        Ok(Heartbeat::default())
    }

    fn claim(&mut self, want: &Want<'_>) -> Result<Claim, StoreError> {
        self.claimed(want)
    }

    fn settle(&mut self, settlement: Settlement) -> Result<Settled, StoreError> {
        let Settlement { batch, runs, groups } = settlement;
        let mut next_run = self.next_run;
        // The store takes the batch. A copy of the few steps that matter here as well is applied once they are committed.
        let (mut noted, mut over) = (Vec::new(), Vec::new());
        for transition in &batch {
            match transition {
                Transition::Record(run) => next_run = next_run.max(run.id.next()),
                Transition::Finish(run) => {
                    if self.groups.of_run(run.id).is_some()
                        && (run.outcome.is_some() || run.started.is_none())
                    {
                        over.push(run.id);
                    }
                    if !self.abandoned.is_empty() {
                        noted.push(transition.clone());
                    }
                }
                Transition::Update(_) | Transition::End { .. } => noted.push(transition.clone()),
                _ => {}
            }
        }
        if !batch.is_empty()
            && let Err(error) = self.store.commit(batch)
        {
            self.is_known = false;
            return Err(error);
        }
        self.next_run = next_run;
        for transition in &noted {
            match transition {
                Transition::Finish(run) => self.has_ended(run),
                Transition::Update(job) => self.followers.put(self.followers.links([&**job])),
                Transition::End { job } => self.followers.remove(job),
                _ => {}
            }
        }
        for run in over {
            self.groups.end(run);
        }
        for (run, group) in groups {
            self.groups.begin(run, group);
        }
        for (id, runs) in runs {
            self.forget_turns(&id);
            if !self.vacant.is_empty() {
                self.vacant.retain(|job| *job != id || (runs.waiting.is_some() && runs.group.is_none()));
            }
            self.remember(id, runs);
        }
        Ok(Settled::waiting(self.waiting + self.turns.len()))
    }

    fn release(&mut self) {}

    fn cancel(&mut self, _run: RunId) -> Result<bool, StoreError> {
        // Its runs are all those of its owner, who knows them.
        Ok(false)
    }

    fn held(&mut self) -> Result<Vec<Run>, StoreError> {
        self.is_known = false;
        self.look()?;
        let rows = self.store.runs(&RunQuery::default().unfinished())?;
        let is_ours = |row: &Run| {
            row.started.is_some()
                && self.runs.get(&row.job).is_some_and(|known| known.runs.running.contains(&row.id))
        };
        Ok(rows.into_iter().filter(is_ours).collect())
    }

    fn next(&mut self, fires: bool) -> Result<Option<DateTime<Utc>>, StoreError> {
        let turn = self.turns.keys().next().map(|(turn, _)| *turn).filter(|turn| *turn < WHEN_IT_ENDS);
        let due = if fires { self.store.next_due()? } else { None };
        let vacant = Some(self.at).filter(|_| self.groups.is_vacant());
        Ok(turn.into_iter().chain(due).chain(vacant).min())
    }

    fn on_change(&mut self, _wake: &Arc<Wake>) -> WakeUp {
        WakeUp::Announced
    }

    fn import(&mut self, jobs: Vec<Job>, runs: Vec<Run>, on_conflict: OnConflict) -> Result<(), StoreError> {
        let links = self.followers.links(&jobs);
        // Which jobs were kept as they were the store does not say: where that matters, it is read again.
        let is_told = runs.is_empty() && (on_conflict != OnConflict::Keep || links.is_empty());
        let busy = jobs.iter().filter(|job| self.runs.contains_key(&job.id)).map(|job| job.id.clone());
        let busy: Vec<JobId> = busy.collect();
        let mut jobs = jobs;
        let imported = match jobs.pop() {
            Some(job) if jobs.is_empty() && runs.is_empty() => self.store.add(job, on_conflict),
            last => {
                jobs.extend(last);
                self.store.import(jobs, runs, on_conflict)
            }
        };
        match imported {
            Ok(()) if is_told => {
                self.followers.put(links);
                for job in busy {
                    // One has taken the place of another, whose last run may be in progress.
                    if let Some(known) = self.runs.get_mut(&job) {
                        (known.runs.missed, known.runs.ends) = (None, None);
                    }
                }
            }
            // The store has refused it whole.
            Err(StoreError::Conflict { .. }) => {}
            _ => self.is_known = false,
        }
        imported
    }

    fn get(&mut self, id: &JobId) -> Result<Option<Job>, StoreError> {
        self.store.get(id)
    }

    fn list(&mut self, query: &JobQuery) -> Result<Vec<Job>, StoreError> {
        self.store.list(query)
    }

    fn count(&mut self, query: &JobQuery) -> Result<usize, StoreError> {
        self.store.count(query)
    }

    fn runs(&mut self, query: &RunQuery) -> Result<Vec<Run>, StoreError> {
        self.store.runs(query)
    }

    fn count_runs(&mut self, query: &RunQuery) -> Result<usize, StoreError> {
        self.store.count_runs(query)
    }

    fn quarantined(&self) -> &[Quarantined] {
        self.store.quarantined()
    }

    fn as_job_store(&mut self) -> Option<&mut dyn JobStore> {
        self.is_known = false;
        Some(&mut *self.store)
    }

    fn into_job_store(self: Box<Self>) -> Option<Box<dyn JobStore>> {
        Some(self.store)
    }

    fn leave(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl fmt::Debug for Exclusive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exclusive")
            .field("busy_jobs", &self.runs.len())
            .field("is_known", &self.is_known)
            .finish_non_exhaustive()
    }
}
