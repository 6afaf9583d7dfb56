//! What is measured of each job, if that is asked for: the facade `metrics` cannot remove a gauge, so those of a job that is removed are
//! set to "not a number", with which no comparison is true.

use chrono::DateTime;
use foldhash::{HashMap, HashSet};
use matins_core::{JobId, Outcome, Run, StoreName};
use metrics::{Gauge, counter, gauge};

use crate::Event;
use crate::observe::times;

/// The jobs that have gauges, and what of them is in progress. No entry outlives its job and the runs of it.
#[derive(Default)]
pub(crate) struct JobMeters {
    measured: HashMap<StoreName, HashSet<JobId>>,
    in_progress: HashMap<(StoreName, JobId), InProgress>,
}

#[derive(Default)]
struct InProgress {
    runs: u64,
    /// The job was removed meanwhile.
    is_gone: bool,
}

impl JobMeters {
    pub(crate) fn measure(&mut self, event: &Event) {
        match event {
            Event::RunStarted { store, run } => {
                self.in_progress.entry((store.clone(), run.job.clone())).or_default().runs += 1;
            }
            Event::RunPostponed { store, run, .. } => drop(self.has_ended(store, &run.job)),
            Event::RunFinished { store, run } => {
                count(store, run);
                if !self.has_ended(store, &run.job) {
                    self.set_gauges(store, run);
                }
            }
            Event::JobAdded { store, job } => {
                if let Some(in_progress) = self.in_progress.get_mut(&(store.clone(), job.clone())) {
                    in_progress.is_gone = false;
                }
            }
            Event::JobRemoved { store, job } => {
                if self.measured.get_mut(store).is_some_and(|jobs| jobs.remove(job)) {
                    clear_gauges(store, job);
                }
                if let Some(in_progress) = self.in_progress.get_mut(&(store.clone(), job.clone())) {
                    in_progress.is_gone = true;
                }
            }
            Event::StoreRemoved { store } => {
                for job in self.measured.remove(store).unwrap_or_default() {
                    clear_gauges(store, &job);
                }
                self.in_progress.retain(|(other, _), _| other != store);
            }
            _ => {}
        }
    }

    /// A run is in progress no more. Returns whether its job was removed before.
    fn has_ended(&mut self, store: &StoreName, job: &JobId) -> bool {
        let key = (store.clone(), job.clone());
        let Some(in_progress) = self.in_progress.get_mut(&key) else { return false };
        in_progress.runs = in_progress.runs.saturating_sub(1);
        let is_gone = in_progress.is_gone;
        if in_progress.runs == 0 {
            self.in_progress.remove(&key);
        }
        is_gone
    }

    fn set_gauges(&mut self, store: &StoreName, run: &Run) {
        self.measured.entry(store.clone()).or_default().insert(run.job.clone());
        if let Some((_, took)) = times(run) {
            last_duration(store, &run.job).set(took);
        }
        if let (Some(Outcome::Succeeded), Some(finished)) = (run.outcome, run.finished) {
            last_success(store, &run.job).set((finished - DateTime::UNIX_EPOCH).as_seconds_f64());
        }
    }
}

fn count(store: &StoreName, run: &Run) {
    let outcome = run.outcome.map_or("none", Outcome::as_str);
    let (store, job) = (store.to_string(), run.job.to_string());
    counter!("matins_job_runs_total", "store" => store, "job" => job, "outcome" => outcome).increment(1);
}

fn clear_gauges(store: &StoreName, job: &JobId) {
    last_duration(store, job).set(f64::NAN);
    last_success(store, job).set(f64::NAN);
}

fn last_duration(store: &StoreName, job: &JobId) -> Gauge {
    gauge!("matins_job_last_duration_seconds", "store" => store.to_string(), "job" => job.to_string())
}

fn last_success(store: &StoreName, job: &JobId) -> Gauge {
    gauge!("matins_job_last_success_timestamp_seconds", "store" => store.to_string(), "job" => job.to_string())
}
