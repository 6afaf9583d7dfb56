//! Whether each fire time of a job is in the ledger exactly once, with an outcome.

use std::collections::BTreeMap;

use matins::{Job, Run};

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) fires: u64,
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
    pub(crate) faults: Vec<String>,
}

impl Tally {
    /// Walks the fire times of a job from its first to the one before its next, along with its rows.
    pub(crate) fn check(&mut self, job: &Job, mut rows: Vec<Run>) {
        rows.sort_by_key(|row| (row.fires.first, row.id));
        let mut last = job.created;
        for row in &rows {
            let Some(outcome) = row.outcome else {
                self.faults.push(format!("without an outcome: {row:?}"));
                continue;
            };
            *self.outcomes.entry(outcome.as_str()).or_default() += row.fires.count;
            self.fires += row.fires.count;
            if job.trigger.next_after(last) != Some(row.fires.first) {
                self.faults.push(format!(
                    "after {last} of {} there is a gap or a repetition before {row:?}",
                    job.id
                ));
            }
            last = row.fires.first;
            for _further in 1..row.fires.count {
                last = job.trigger.next_after(last).expect("an interval never ends");
            }
            if last != row.fires.last {
                self.faults.push(format!("it does not hold the fires that it says: {row:?}"));
            }
        }
        if job.trigger.next_after(last) != job.next_fire {
            self.faults
                .push(format!("{} goes on at {:?}, and the ledger ends at {last}", job.id, job.next_fire));
        }
    }
}
