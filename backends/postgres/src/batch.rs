//! A batch of transitions, sorted by kind: one statement for each, whatever the size.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use matins_core::{
    FireRange, GroupName, GroupTurn, Job, JobId, Run, RunId, Settlement, StoreError, Transition,
};

use crate::found::{LockedJob, Open};
use crate::rows::{check_instant, check_run};

type Time = DateTime<Utc>;

/// What a batch comes to.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) moved: Vec<Moved>,
    pub(crate) live: Vec<LiveRow>,
    pub(crate) ended: Vec<Run>,
    pub(crate) starts: Vec<Started>,
    pub(crate) postponed: Vec<Run>,
    /// Those of them that were a dead scheduler's and are in progress here, with the keys of their jobs.
    pub(crate) taken_up: Vec<(RunId, JobId, i64, Option<GroupName>)>,
    pub(crate) finished: Vec<Run>,
    pub(crate) extended: Vec<(RunId, FireRange)>,
    pub(crate) updates: Vec<Job>,
    /// With their keys, as far as they are locked.
    pub(crate) removed: Vec<(JobId, Option<i64>)>,
    pub(crate) prune_jobs: Vec<(JobId, u32)>,
    pub(crate) prune_before: Option<Time>,
    /// The highest number of a run that is recorded.
    pub(crate) last_number: Option<i64>,
    /// It records runs that another scheduler may have to start.
    pub(crate) leaves_runs: bool,
}

/// A locked job, as the batch leaves its row of the table `due`.
pub(crate) struct Moved {
    pub(crate) key: i64,
    pub(crate) next_fire: Option<Time>,
    pub(crate) running: Vec<i64>,
    pub(crate) turn: Option<GroupTurn>,
}

/// A run that has not ended, with where its job is.
pub(crate) struct LiveRow {
    pub(crate) run: Run,
    pub(crate) key: i64,
    pub(crate) lane: i32,
    pub(crate) group: Option<GroupName>,
}

/// A run that waited, and begins or gets another fire time.
pub(crate) struct Started {
    pub(crate) run: RunId,
    pub(crate) job: JobId,
    pub(crate) key: i64,
    pub(crate) at: Option<Time>,
    pub(crate) fire: Time,
    pub(crate) group: Option<GroupName>,
}

/// What the steps so far come to. A statement changes a row once: of several steps of one kind about a run, the last one holds.
struct Changes<'o> {
    open: &'o Open,
    /// The jobs of the runs that wait.
    waiting: HashMap<i64, &'o JobId>,
    /// The locked jobs that change.
    moved: BTreeMap<&'o JobId, Moved>,
    /// Where the batch has the row of each run.
    live: HashMap<RunId, usize>,
    starts: HashMap<RunId, usize>,
    postponed: HashMap<RunId, usize>,
    finished: HashMap<RunId, usize>,
    extended: HashMap<RunId, usize>,
}

impl<'o> Changes<'o> {
    fn new(open: &'o Open) -> Self {
        let waiting = open.jobs.iter().flat_map(|(id, held)| held.waiting.iter().map(move |run| (*run, id)));
        Self {
            open,
            waiting: waiting.collect(),
            moved: BTreeMap::new(),
            live: HashMap::new(),
            starts: HashMap::new(),
            postponed: HashMap::new(),
            finished: HashMap::new(),
            extended: HashMap::new(),
        }
    }

    /// The job of a run that waits.
    fn job_of(&self, run: RunId) -> Option<(&'o JobId, &'o LockedJob)> {
        let id = self.waiting.get(&(run.0 as i64))?;
        self.open.jobs.get_key_value(*id)
    }

    /// A run is in progress from now on.
    fn run_begins(&mut self, job: &JobId, run: RunId) {
        let number = run.0 as i64;
        if let Some(moved) = self.of(job)
            && !moved.running.contains(&number)
        {
            moved.running.push(number);
        }
    }

    fn of(&mut self, id: &JobId) -> Option<&mut Moved> {
        let (id, held) = self.open.jobs.get_key_value(id)?;
        let LockedJob { key, next_fire, running, turn, .. } = held;
        let unchanged =
            || Moved { key: *key, next_fire: *next_fire, running: running.clone(), turn: turn.clone() };
        Some(self.moved.entry(id).or_insert_with(unchanged))
    }
}

/// Puts the row of a run in the place of the one before, if there is one.
fn put_last<T>(rows: &mut Vec<T>, places: &mut HashMap<RunId, usize>, run: RunId, row: T) {
    match places.entry(run) {
        Entry::Occupied(place) => rows[*place.get()] = row,
        Entry::Vacant(place) => {
            place.insert(rows.len());
            rows.push(row);
        }
    }
}

impl Batch {
    /// Sorts what is to be settled of an open claim.
    ///
    /// # Errors
    /// If a step does not fit the claim, or holds what the database cannot keep.
    pub(crate) fn of(settlement: Settlement, open: &Open) -> Result<Self, StoreError> {
        let Settlement { batch, runs, groups } = settlement;
        let groups: HashMap<RunId, GroupName> = groups.into_iter().collect();
        let (mut all, mut changes) = (Self::default(), Changes::new(open));
        for transition in batch {
            all.take(transition, &groups, &mut changes)?;
        }
        for (id, runs) in &runs {
            let turn = runs.group.as_deref();
            if open.jobs.get(id).is_some_and(|held| held.turn.as_ref() != turn)
                && let Some(moved) = changes.of(id)
            {
                moved.turn = turn.cloned();
            }
        }
        // A job that is written whole has its next fire time in that too.
        for job in &all.updates {
            if let Some(moved) = changes.moved.get_mut(&job.id) {
                moved.next_fire = job.next_fire;
            }
        }
        all.moved = changes.moved.into_values().collect();
        Ok(all)
    }

    fn take(
        &mut self,
        transition: Transition,
        groups: &HashMap<RunId, GroupName>,
        changes: &mut Changes<'_>,
    ) -> Result<(), StoreError> {
        let open = changes.open;
        match transition {
            Transition::Advance { job, from, to } => {
                let Some(found) = open.jobs.get(&job).map(|held| held.next_fire) else {
                    return Err(StoreError::NotFound { id: job });
                };
                let moved = changes.of(&job).filter(|moved| moved.next_fire == from);
                let Some(moved) = moved else {
                    return Err(StoreError::Stale { id: job, expected: from, found });
                };
                check_instant(&format!("the next fire time of job {job:?}"), to)?;
                moved.next_fire = to;
            }
            Transition::Record(run) => {
                check_run(&run)?;
                self.last_number = self.last_number.max(Some(run.id.0 as i64));
                self.record(Arc::unwrap_or_clone(run), groups, changes);
            }
            Transition::Start { run, started, scheduled } => {
                self.start(run, started, scheduled, groups, changes);
            }
            Transition::Extend { run, fires } => {
                put_last(&mut self.extended, &mut changes.extended, run, (run, fires));
            }
            Transition::Finish(run) => {
                check_run(&run)?;
                let run = Arc::unwrap_or_clone(run);
                if run.outcome.is_some() {
                    put_last(&mut self.finished, &mut changes.finished, run.id, run);
                    return Ok(());
                }
                if run.started.is_some() && open.given.contains(&(run.id.0 as i64)) {
                    changes.run_begins(&run.job, run.id);
                    let key = open.jobs.get(&run.job).map_or(0, |held| held.key);
                    self.taken_up.push((run.id, run.job.clone(), key, groups.get(&run.id).cloned()));
                }
                put_last(&mut self.postponed, &mut changes.postponed, run.id, run);
            }
            Transition::Update(job) => {
                // One that is not locked is gone.
                let Some(held) = open.jobs.get(&job.id) else { return Ok(()) };
                if held.revision + 1 != job.revision {
                    let (expected, found) = (job.revision.saturating_sub(1), held.revision);
                    return Err(StoreError::Revised { id: job.id, expected, found });
                }
                self.updates.push(*job);
            }
            Transition::End { job } => {
                let key = open.jobs.get(&job).map(|held| held.key);
                self.removed.push((job, key));
            }
            Transition::PruneJob { job, keep } => self.prune_jobs.push((job, keep)),
            Transition::PruneBefore { before } => self.prune_before = Some(before),
        }
        Ok(())
    }

    /// A run that waits begins, or gets another fire time.
    fn start(
        &mut self,
        run: RunId,
        started: Option<Time>,
        fire: Time,
        groups: &HashMap<RunId, GroupName>,
        changes: &mut Changes<'_>,
    ) {
        let group = groups.get(&run).filter(|_| started.is_some()).cloned();
        // Its row is not in the database yet.
        if let Some(place) = changes.live.get(&run) {
            let row = &mut self.live[*place];
            (row.run.started, row.run.fires, row.group) = (started, FireRange::single(fire), group);
            if started.is_some() {
                changes.run_begins(&row.run.job, run);
            }
            return;
        }
        let Some((job, held)) = changes.job_of(run) else { return };
        if started.is_some() {
            changes.run_begins(job, run);
        }
        // What was put off is written after what begins.
        if let Some(place) = changes.postponed.get(&run) {
            self.postponed[*place].started = started;
        }
        let row = Started { run, job: job.clone(), key: held.key, at: started, fire, group };
        put_last(&mut self.starts, &mut changes.starts, run, row);
    }

    fn record(&mut self, run: Run, groups: &HashMap<RunId, GroupName>, changes: &mut Changes<'_>) {
        if run.outcome.is_some() {
            self.ended.push(run);
            return;
        }
        let open = changes.open;
        let locked = open.jobs.get(&run.job).map(|held| (held.key, held.lane));
        let has_begun = run.started.is_some();
        // A job that follows another one is not locked, and may be gone by now. A run that has begun outlives its job.
        let place = locked.or_else(|| open.followers.get(&run.job).copied());
        let Some((key, lane)) = place.or_else(|| has_begun.then_some((0, 0))) else { return };
        if has_begun {
            changes.run_begins(&run.job, run.id);
        }
        self.leaves_runs |= !has_begun && run.turn.is_some();
        let group = groups.get(&run.id).filter(|_| has_begun).cloned();
        changes.live.insert(run.id, self.live.len());
        self.live.push(LiveRow { run, key, lane, group });
    }

    /// Whether nothing changes of jobs and runs.
    pub(crate) fn is_empty(&self) -> bool {
        self.moved.is_empty()
            && self.live.is_empty()
            && self.ended.is_empty()
            && self.starts.is_empty()
            && self.postponed.is_empty()
            && self.finished.is_empty()
            && self.extended.is_empty()
            && self.updates.is_empty()
            && self.removed.is_empty()
    }
}
