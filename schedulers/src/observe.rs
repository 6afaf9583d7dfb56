//! What happens, as events of `tracing` and as metrics, where those features are on. The names are in `observation.md`, a part of the
//! crate's page.

#[cfg(any(feature = "tracing", feature = "metrics"))]
use crate::Event;
#[cfg(any(feature = "tracing", feature = "metrics"))]
use matins_core::Run;
use matins_core::StoreName;

use crate::lane::{Lane, Work};

/// Does `work` on a store, and measures how long that takes.
#[cfg_attr(not(feature = "metrics"), allow(unused_variables))]
pub(crate) fn timed<T>(store: &StoreName, call: &'static str, work: impl FnOnce() -> T) -> T {
    #[cfg(feature = "metrics")]
    let begun = std::time::Instant::now();
    let result = work();
    #[cfg(feature = "metrics")]
    metrics::histogram!("matins_store_seconds", "store" => store.to_string(), "call" => call)
        .record(begun.elapsed().as_secs_f64());
    result
}

/// How many runs are in progress, and how many wait.
#[cfg_attr(not(feature = "metrics"), allow(unused_variables))]
pub(crate) fn queues(lane: &Lane, work: &Work) {
    #[cfg(feature = "metrics")]
    {
        let gauge = |name, length: usize| {
            metrics::gauge!(name, "store" => lane.name.to_string())
                .set(f64::from(u32::try_from(length).unwrap_or(u32::MAX)));
        };
        gauge("matins_runs_running", lane.in_flight.lock().len());
        gauge("matins_runs_waiting", lane.waiting());
        gauge("matins_reports_uncommitted", work.ended.len());
    }
}

/// From fire time to beginning, and from beginning to end, in seconds; `None` for what did not begin.
#[cfg(any(feature = "tracing", feature = "metrics"))]
pub(crate) fn times(run: &Run) -> Option<(f64, f64)> {
    let (started, finished) = (run.started?, run.finished?);
    Some(((started - run.scheduled()).as_seconds_f64(), (finished - started).as_seconds_f64()))
}

/// Whole microseconds in milliseconds: 0.143, and not 0.14300000000000002.
#[cfg(feature = "tracing")]
fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}

#[cfg(feature = "tracing")]
pub(crate) fn trace(event: &Event) {
    use matins_core::Outcome;
    use tracing::level_filters::LevelFilter;
    use tracing::{debug, error, info, warn};
    if LevelFilter::current() == LevelFilter::OFF {
        return;
    }
    match event {
        Event::RunStarted { store, run } => {
            let (job, scheduled) = (&run.job, run.scheduled());
            debug!(target: "matins", %store, %job, run = run.id.0, attempt = run.attempt, %scheduled, "run started");
        }
        Event::RunPostponed { store, run, until } => {
            let (job, scheduled, reason) = (&run.job, run.scheduled(), run.message.as_deref());
            warn!(target: "matins", %store, %job, run = run.id.0, %scheduled, %until, reason, "run postponed");
        }
        Event::RunLeftBehind { store, run } => {
            let (job, scheduled) = (&run.job, run.scheduled());
            warn!(target: "matins", %store, %job, run = run.id.0, attempt = run.attempt, %scheduled, "run left behind");
        }
        Event::WorkEnded { store, job, run } => {
            info!(target: "matins", %store, %job, run = run.0, "work of a run that was left behind ended");
        }
        Event::RunFinished { store, run } => {
            let (job, scheduled, number, attempt) = (&run.job, run.scheduled(), run.id.0, run.attempt);
            let outcome = run.outcome.map(Outcome::as_str);
            let (late_ms, took_ms) =
                times(run).map(|(late, took)| (milliseconds(late), milliseconds(took))).unzip();
            let reason = run.message.as_deref();
            if run.outcome == Some(Outcome::Succeeded) {
                info!(target: "matins", %store, %job, run = number, attempt, %scheduled, outcome, late_ms, took_ms, reason, "run finished");
            } else {
                warn!(target: "matins", %store, %job, run = number, attempt, %scheduled, outcome, late_ms, took_ms, reason, "run finished");
            }
        }
        Event::RunMissed { store, run } => {
            let (job, fires) = (&run.job, run.fires);
            let outcome = run.outcome.map(Outcome::as_str);
            warn!(
                target: "matins", %store, %job, run = run.id.0, first = %fires.first, last = %fires.last,
                count = fires.count, outcome, "fires missed"
            );
        }
        Event::StoreFailed { store, error } => error!(target: "matins", %store, error, "store failed"),
        Event::ClockCorrected { store, by, jobs } => {
            let by_seconds = by.num_seconds();
            warn!(target: "matins", %store, by_seconds, jobs, "clock was ahead, next fire times computed again");
        }
        Event::JobDisabled { store, job, failures } => {
            warn!(target: "matins", %store, %job, failures, "job paused after failures in a row");
        }
        Event::JobNotServed { store, job } => {
            warn!(target: "matins", %store, %job, "job is due, and no scheduler has its task and its executor");
        }
        Event::TriggerFailed { store, job, error } => {
            error!(target: "matins", %store, %job, error, "trigger failed, job paused");
        }
        Event::CallbackFailed { store, job, run, error } => {
            error!(target: "matins", %store, %job, run = run.0, error, "callback failed");
        }
        Event::StoreLostHistory { store } => {
            error!(target: "matins", %store, "store has lost what was committed, fires of that time run again");
        }
        Event::StoreRecovered { store } => info!(target: "matins", %store, "store recovered"),
        Event::JobQuarantined { store, job } => {
            error!(target: "matins", %store, job = job.id, place = job.place, error = job.what, "job quarantined");
        }
        other => debug!(target: "matins", event = ?other),
    }
}

/// The counters and histograms of one turn: what a thousand runs count on is looked for once.
///
/// They are looked for again at each turn, since a program may install its recorder when it likes.
#[cfg(feature = "metrics")]
#[derive(Default)]
pub(crate) struct Meters {
    stores: Vec<StoreMeters>,
    /// What is measured of each job, if that is asked for.
    jobs: Option<crate::job_meters::JobMeters>,
}

#[cfg(feature = "metrics")]
struct StoreMeters {
    store: StoreName,
    started: metrics::Counter,
    late: metrics::Histogram,
    took: metrics::Histogram,
    finished: Vec<(&'static str, metrics::Counter)>,
}

#[cfg(feature = "metrics")]
impl StoreMeters {
    fn of(store: &StoreName) -> Self {
        use metrics::{counter, histogram};
        let name = store.to_string();
        Self {
            store: store.clone(),
            started: counter!("matins_runs_started_total", "store" => name.clone()),
            late: histogram!("matins_lateness_seconds", "store" => name.clone()),
            took: histogram!("matins_duration_seconds", "store" => name),
            finished: Vec::new(),
        }
    }

    fn finished(&mut self, outcome: &'static str) -> &metrics::Counter {
        let place = self.finished.iter().position(|(other, _)| *other == outcome).unwrap_or_else(|| {
            let store = self.store.to_string();
            let counter =
                metrics::counter!("matins_runs_finished_total", "store" => store, "outcome" => outcome);
            self.finished.push((outcome, counter));
            self.finished.len() - 1
        });
        &self.finished[place].1
    }
}

#[cfg(feature = "metrics")]
impl Meters {
    /// Measures each job from now on, too.
    pub(crate) fn measure_jobs(&mut self) {
        self.jobs.get_or_insert_default();
    }

    /// What is counted on is looked for again.
    pub(crate) fn next_turn(&mut self) {
        self.stores.clear();
    }

    pub(crate) fn measure(&mut self, event: &Event) {
        use matins_core::Outcome;
        use metrics::counter;
        let outcome = |run: &Run| run.outcome.map_or("none", Outcome::as_str);
        if let Some(jobs) = &mut self.jobs {
            jobs.measure(event);
        }
        match event {
            Event::RunStarted { store, .. } => self.of(store).started.increment(1),
            Event::RunPostponed { store, .. } => {
                counter!("matins_runs_postponed_total", "store" => store.to_string()).increment(1);
            }
            Event::RunFinished { store, run } => {
                let meters = self.of(store);
                meters.finished(outcome(run)).increment(1);
                if let Some((late, took)) = times(run) {
                    meters.late.record(late);
                    meters.took.record(took);
                }
            }
            Event::RunMissed { store, run } => {
                let missed = counter!("matins_fires_missed_total", "store" => store.to_string(), "outcome" => outcome(run));
                missed.increment(run.fires.count);
            }
            Event::StoreFailed { store, .. } => {
                counter!("matins_store_failures_total", "store" => store.to_string()).increment(1);
            }
            _ => {}
        }
    }

    fn of(&mut self, store: &StoreName) -> &mut StoreMeters {
        let place = self.stores.iter().position(|meters| meters.store == *store).unwrap_or_else(|| {
            self.stores.push(StoreMeters::of(store));
            self.stores.len() - 1
        });
        &mut self.stores[place]
    }
}

#[cfg(all(test, feature = "tracing"))]
mod tests {
    use super::milliseconds;

    #[test]
    fn milliseconds_are_printed_without_binary_fractions() {
        let seconds = [0.000_143, 0.000_033, 86_400.000_001, -0.000_25];
        assert_eq!(
            seconds.map(|seconds| milliseconds(seconds).to_string()),
            ["0.143", "0.033", "86400000.001", "-0.25"]
        );
    }
}
