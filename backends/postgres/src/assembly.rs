//! From what was locked and read to a [`Claim`].

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use matins_core::{Claim, Claimed, JobId, JobRuns, Run, RunId, Want};

use crate::found::{Found, Locked, LockedJob, Mine};

/// A claim of nothing.
pub(crate) fn empty(now: DateTime<Utc>) -> Claim {
    Claim { now, jobs: Vec::new(), due: 0, first_run: RunId::FIRST, groups: BTreeMap::new() }
}

/// Returns the claim, without the numbers for its runs, and what is locked. `mine` are the runs that were begun here.
pub(crate) fn assemble(
    want: &Want<'_>,
    found: &mut Found,
    mine: &HashMap<JobId, Mine>,
) -> (Claim, HashMap<JobId, LockedJob>) {
    let mut claim = empty(found.now);
    claim.groups = std::mem::take(&mut found.groups);
    let mut abandoned: HashMap<JobId, Vec<Run>> = HashMap::new();
    let mut is_abandoned = HashSet::new();
    for (run, _) in found.abandoned.drain(..) {
        is_abandoned.insert(run.id);
        abandoned.entry(run.job.clone()).or_default().push(run);
    }
    let mut runs: HashMap<i64, JobRuns> = HashMap::new();
    found.live.retain(|(run, _)| !is_abandoned.contains(&run.id));
    for (run, key) in found.live.drain(..) {
        add_run(runs.entry(key).or_default(), run);
    }
    found.locked.sort_by_key(|locked| {
        (!locked.is_due, locked.held.next_fire.filter(|_| locked.is_due), locked.held.key)
    });
    let mut jobs = HashMap::new();
    for Locked { mut held, job, is_due, .. } in found.locked.drain(..) {
        let Some(job) = job else { continue };
        let mut runs = runs.remove(&held.key).unwrap_or_default();
        runs.ready.sort_by_key(|run| run.id);
        runs.group = held.turn.clone().map(Box::new);
        held.running = runs.running.iter().map(|run| run.0 as i64).collect();
        held.waiting = runs.ready.iter().chain(runs.waiting.as_deref()).map(|run| run.id.0 as i64).collect();
        claim.due += usize::from(is_due);
        let id = job.id.clone();
        let abandoned = abandoned.remove(&id).unwrap_or_default();
        let followers = found.followers.remove(&id).unwrap_or_default();
        claim.jobs.push(Claimed { id: id.clone(), job: Some(job), runs, abandoned, followers });
        jobs.insert(id, held);
    }
    // Jobs that are not locked: their runs end without them, or they are gone.
    let mut without_job: HashSet<&JobId> = HashSet::new();
    for id in want.jobs.iter().chain(want.ended).filter(|id| !jobs.contains_key(*id)) {
        if !without_job.insert(id) {
            continue;
        }
        let running = mine.get(id).into_iter().flat_map(|mine| &mine.runs).map(|(run, _)| RunId(*run as u64));
        let runs = JobRuns { running: running.collect(), ends: Some(false), ..JobRuns::default() };
        let abandoned = abandoned.remove(id).unwrap_or_default();
        let followers = found.followers.remove(id).unwrap_or_default();
        claim.jobs.push(Claimed { id: id.clone(), job: None, runs, abandoned, followers });
    }
    for (id, abandoned) in abandoned {
        let (job, runs, followers) = (None, JobRuns::default(), Vec::new());
        claim.jobs.push(Claimed { id, job, runs, abandoned, followers });
    }
    (claim, jobs)
}

fn add_run(runs: &mut JobRuns, run: Run) {
    match (run.started, run.turn) {
        (Some(_), _) => runs.running.push(run.id),
        (None, Some(_)) => runs.ready.push(run),
        (None, None) => runs.waiting = Some(Box::new(run)),
    }
}
