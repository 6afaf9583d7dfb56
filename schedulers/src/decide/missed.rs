//! Rows of the ledger for fires that do not run.

use matins_core::{JobId, MissedReason, Outcome, Run, Stretch, Transition};

use super::tick::Tick;

impl Tick<'_> {
    /// These fires are missed: a row of the ledger says so, or the one before it grows.
    pub(super) fn miss(&mut self, id: &JobId, fires: Stretch, reason: MissedReason) {
        let outcome = Some(Outcome::Missed(reason));
        let live = self.live;
        let occupied = live.occupations.count(id);
        // Where nothing in here is in its way.
        let is_outside =
            reason == MissedReason::Overlap && occupied > 0 && self.runs_of(id).running.is_empty();
        let why = if is_outside { live.occupations.why(id) } else { None };
        let open = self.runs_of(id).missed.clone();
        let open = open.filter(|open| open.outcome == outcome && open.message.as_deref() == why);
        let row = if let Some(open) = open {
            let row = Run { fires: open.fires.joined(fires), ..*open };
            self.batch.push(Transition::Extend { run: row.id, fires: row.fires });
            row
        } else {
            let row = Run::missed(self.take_number(), id.clone(), fires, reason, self.now);
            let row = Run { message: why.map(str::to_owned), ..row };
            self.record(row.clone());
            row
        };
        self.missed.push(Run { fires, ..row.clone() });
        // Only while runs are in progress can the next missed fires be of the same kind for the same cause.
        let runs = self.runs_of(id);
        runs.missed = (!runs.running.is_empty() || occupied > 0).then(|| Box::new(row));
    }

    /// The job of a waiting run is gone.
    pub(crate) fn give_up_waiting(&mut self, waiting: Run) {
        let runs = self.runs_of(&waiting.job);
        runs.running.retain(|running| *running != waiting.id);
        if runs.waiting.as_ref().is_some_and(|run| run.id == waiting.id) {
            runs.waiting = None;
        }
        let outcome = Some(Outcome::Missed(MissedReason::JobRemoved));
        let run = Run { finished: Some(self.now), outcome, ..waiting };
        self.batch.push(Transition::Finish(run.clone()));
        self.missed.push(run);
    }
}
