//! What is counted while a simulation runs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use matins_core::{MissedReason, Outcome, Run};
use matins_scheduler::Event;

use crate::Busiest;

/// The job that ends a simulation.
pub(crate) const LAST_JOB: &str = "(the end of the simulation)";

#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) fires: u64,
    pub(crate) per_hour: BTreeMap<DateTime<Utc>, u64>,
    pub(crate) busiest_minute: Peak,
    pub(crate) busiest_second: Peak,
    pub(crate) timed_out: BTreeMap<String, u64>,
    pub(crate) missed: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

/// The most fires in one range of time; fires come in order.
#[derive(Default)]
pub(crate) struct Peak {
    current: Option<Busiest>,
    pub(crate) most: Option<Busiest>,
}

impl Peak {
    fn count(&mut self, at: DateTime<Utc>, fires: u64) {
        let current = match self.current {
            Some(current) if current.at == at => Busiest { fires: current.fires + fires, ..current },
            _ => Busiest { at, fires },
        };
        self.current = Some(current);
        if self.most.is_none_or(|most| most.fires < current.fires) {
            self.most = Some(current);
        }
    }
}

impl Counted {
    pub(crate) fn count(&mut self, event: &Event) {
        match event {
            Event::RunStarted { run, .. } if run.job.as_str() != LAST_JOB => self.fire(run),
            Event::RunMissed { run, .. } => {
                self.fire(run);
                let reason = match run.outcome {
                    Some(Outcome::Missed(reason)) => MissedReason::describe(reason),
                    _ => "for a reason that is not known",
                };
                *self.missed.entry(reason).or_default().entry(run.job.to_string()).or_default() +=
                    run.fires.count;
            }
            Event::RunFinished { run, .. } if run.outcome == Some(Outcome::TimedOut) => {
                *self.timed_out.entry(run.job.to_string()).or_default() += 1;
            }
            _ => {}
        }
    }

    fn fire(&mut self, run: &Run) {
        let (at, count) = (run.scheduled(), run.fires.count);
        self.fires += count;
        let begin_of = |seconds: i64| {
            DateTime::from_timestamp(at.timestamp().div_euclid(seconds) * seconds, 0).unwrap_or(at)
        };
        *self.per_hour.entry(begin_of(3600)).or_default() += count;
        self.busiest_minute.count(begin_of(60), count);
        self.busiest_second.count(begin_of(1), count);
    }
}
