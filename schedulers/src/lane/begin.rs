//! A run that was recorded, as its executor gets it.

use matins_core::{Completion, Layers, Outcome, RunRequest};

use super::OpenLane;
use crate::engine::{Submission, not_run};
use crate::running::{Running, Start};

impl OpenLane<'_> {
    /// A run whose task is not registered has failed; any other is for its executor.
    pub(super) fn begin(&self, start: Start, layers: &Layers) -> (Box<Running>, Option<Submission>) {
        let Start { running, task: name, arguments, executor, time_limit, priority } = start;
        let clock = self.engine.clock.clone();
        let done = Completion::new(running.run.id, clock.clone(), self.lane.inbox.clone());
        let Some(task) = self.engine.tasks.get(name.as_str()) else {
            let message =
                format!("no task is registered as {name:?}; register it before the scheduler starts");
            done.finish(not_run(&running.run, clock.now(), Outcome::Failed, message));
            return (running, None);
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
        (running, Some(Submission { executor, request, done }))
    }
}
