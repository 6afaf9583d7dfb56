//! What follows a batch that the store has committed: runs are in flight, and whoever waits or listens is told.

use std::cmp::Reverse;

use matins_core::{Completion, Layers, Outcome, Run, RunId, RunRequest};

use super::OpenLane;
use crate::Event;
use crate::decide::tick::Effects;
use crate::engine::{Submission, not_run};
use crate::running::{Running, Start};

impl OpenLane<'_> {
    /// Brings what is in flight, and whoever waits or listens, in line with a batch that was committed.
    pub(crate) fn apply(&mut self, effects: Effects, submissions: &mut Vec<Submission>) {
        let Effects { postponed, mut starts, finished, tried_again, missed, ended, broken, disabled } =
            effects;
        let local = &mut self.work.local;
        let ended_runs = || finished.iter().chain(&missed).map(|run| &**run);
        ended_runs().for_each(|run| local.ended(run.id));
        for run in &finished {
            self.work.pruning.run_has_ended(&run.job);
        }
        for (run, _, postponed) in &postponed {
            local.postponed.insert(run.id, *postponed);
        }
        if !self.work.callbacks.is_empty() {
            self.note_callbacks(ended_runs(), &tried_again);
        }
        for job in &ended {
            self.forget_job(job, false);
        }
        let (store, number) = (&self.lane.name, self.lane.number);
        let mut hub = self.engine.hub();
        for run in ended_runs() {
            hub.waiters.tell(number, run);
        }
        for (run, until, _) in postponed {
            hub.listeners.tell(|| Event::RunPostponed { store: store.clone(), run, until });
        }
        hub.stats.finished(finished.iter().map(|run| &**run));
        for run in finished {
            hub.listeners.tell(|| Event::RunFinished { store: store.clone(), run });
        }
        for run in missed {
            hub.stats.missed(&run);
            hub.listeners.tell(|| Event::RunMissed { store: store.clone(), run });
        }
        for (job, error) in broken {
            hub.listeners.tell(|| Event::TriggerFailed { store: store.clone(), job, error });
        }
        for (job, failures) in disabled {
            hub.listeners.tell(|| Event::JobDisabled { store: store.clone(), job, failures });
        }
        for job in ended {
            hub.waiters.job_is_gone(number, &job);
            hub.listeners.tell(|| Event::JobRemoved { store: store.clone(), job });
        }
        starts.sort_by_key(|start| Reverse(start.priority));
        submissions.reserve(starts.len());
        let mut in_flight = self.lane.in_flight.lock();
        in_flight.reserve(starts.len());
        let layers = hub.layers.in_force().clone();
        for start in starts {
            // What an earlier process has started is not started once more.
            if !start.is_taken_up {
                hub.stats.started += 1;
                let run = &start.running.run;
                hub.listeners.tell(|| Event::RunStarted { store: store.clone(), run: run.clone() });
            }
            let running = self.begin(start, &layers, submissions);
            in_flight.insert(running.run.id, running);
        }
    }

    /// Has the callbacks of jobs called with what was committed.
    fn note_callbacks<'r>(&self, runs: impl Iterator<Item = &'r Run>, tried_again: &[RunId]) {
        for run in runs {
            let Some(callbacks) = self.work.callbacks.get(&run.job) else { continue };
            let is_tried_again = tried_again.contains(&run.id);
            let left_out = self.engine.callbacks.note(&self.lane.name, run, is_tried_again, callbacks);
            if let Some(event) = left_out {
                self.engine.hub().listeners.tell(|| event);
            }
        }
    }

    /// A run whose task is not registered has failed; any other is for its executor.
    fn begin(&self, start: Start, layers: &Layers, submissions: &mut Vec<Submission>) -> Running {
        let Start { mut running, task: name, arguments, executor, time_limit, priority, is_taken_up } = start;
        running.survives = self.work.local.surviving.contains(&executor);
        let clock = self.engine.clock.clone();
        let done = Completion::new(running.run.id, clock.clone(), self.lane.inbox.clone());
        let Some(task) = self.engine.tasks.get(name.as_str()) else {
            let message =
                format!("no task is registered as {name:?}; register it before the scheduler starts");
            done.finish(not_run(&running.run, clock.now(), Outcome::Failed, message));
            return running;
        };
        let (cancel, log) = (running.cancel.clone(), running.log.clone());
        let mut request = RunRequest::for_run(&running.run, name, task, cancel, log, clock);
        request.store = self.lane.name.clone();
        if !layers.is_empty() {
            request = request.with_layers(layers.clone());
        }
        (request.arguments, request.time_limit, request.priority) = (arguments, time_limit, priority);
        // By the scheduler's clock.
        request.begin_by = running.begin_by().and_then(|until| until.checked_sub_signed(self.work.ahead));
        submissions.push(Submission { executor, is_taken_up, request, done });
        running
    }
}
