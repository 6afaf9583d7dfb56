//! Runs the configuration's hooks: a command for a run that ended in a certain way, in place of cron's mail.

use std::sync::{Arc, Mutex, PoisonError};

use matins::Handle;
use matins::definitions::Hook;
use matins::prelude::*;
use matins::{CancelReason, Task};
use matins::{Clock, Run, SystemClock};
use matins_terminal::notice;
use serde_json::json;

/// The hooks as they are now; reading the configuration again replaces them.
pub(crate) type Hooks = Arc<Mutex<Vec<Hook>>>;

/// How much of a run's output and of its message a hook gets: an environment has no room for more.
const TAIL: usize = 4 * 1024;

/// Runs hooks as runs end, one after the other, on a thread of its own. While one runs, up to 10,000 events wait; what is
/// beyond that is told on standard error.
///
/// `task` runs their commands.
pub(crate) fn listen(scheduler: &Handle, hooks: &Hooks, task: CommandTask) -> Result<(), SchedulerError> {
    let (hooks, are_there) = (hooks.clone(), hooks.clone());
    let wants = move |event: &Event| {
        matches!(event, Event::RunFinished { .. } | Event::RunMissed { .. })
            && !are_there.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    };
    scheduler.on_event(wants, move |event| match event {
        Event::RunFinished { run, .. } | Event::RunMissed { run, .. } => {
            let fitting: Vec<Hook> = {
                let hooks = hooks.lock().unwrap_or_else(PoisonError::into_inner);
                let fits =
                    |hook: &&Hook| run.outcome.is_some_and(|outcome| hook.is_for(run.job.as_str(), outcome));
                hooks.iter().filter(fits).cloned().collect()
            };
            for hook in fitting {
                if let Err(error) = call(&hook, &run, &task) {
                    notice::tell(format_args!("hook for run {} of {}: {error}", run.id, run.job));
                }
            }
        }
        Event::Lost { count } => {
            notice::tell(format_args!("hooks are slower than runs: {count} events had none"));
        }
        _ => {}
    })
}

fn call(hook: &Hook, run: &Run, task: &CommandTask) -> Result<(), String> {
    let tail = |text: Option<&str>| {
        let text = text.unwrap_or_default();
        let from = text.len().saturating_sub(TAIL);
        let from = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        // A zero byte has no place in an environment.
        text[from..].replace('\0', "\u{fffd}")
    };
    let command = hook
        .command
        .clone()
        .environment("MATINS_JOB", run.job.to_string())
        .environment("MATINS_RUN", run.id.to_string())
        .environment("MATINS_OUTCOME", run.outcome.map_or("", Outcome::as_str))
        .environment("MATINS_SCHEDULED", run.scheduled().to_rfc3339())
        .environment("MATINS_CAUSE", run.cause.map(|cause| cause.to_string()).unwrap_or_default())
        .environment("MATINS_FIRES", run.fires.count.to_string())
        .environment("MATINS_MESSAGE", tail(run.message.as_deref()))
        .environment("MATINS_OUTPUT", tail(run.output.as_deref()));
    let mut context = TaskContext::new(run.job.clone(), run.id, run.scheduled());
    context.started = SystemClock.now();
    let cancel = context.cancel.clone();
    // Whoever waits for the end of the command tells its guard to go.
    let (ended, waits) = std::sync::mpsc::channel::<()>();
    let limit = hook.time_limit;
    let guard = std::thread::Builder::new().name("matins-hook".to_owned());
    let guard = guard.spawn(move || {
        if waits.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            cancel.cancel_because(CancelReason::TimeLimit(limit));
        }
    });
    guard.map_err(|error| format!("its time limit cannot be watched: {error}"))?;
    let result = task.run(&json!(command), &context);
    drop(ended);
    result.map(drop).map_err(|error| matins::error_chain(&error))
}
