//! `matins worker`: runs commands for daemons elsewhere.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use matins::control::display as show;
use matins::definitions::COMMAND;
use matins::nats::{NatsServer, Worker};
use matins::prelude::*;
use matins::{TaskRegistry, TaskResult, layer_fn};
use matins_terminal::{self as terminal, notice};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::Failure;
use crate::{process_setup, reaper, service};

/// So often the worker is looked at, and so often where it is to end with its last command.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
const LOOKS_FOR_END_EVERY: Duration = Duration::from_millis(100);

/// Works for the daemons that hand runs to a server, until it is told to stop: so many commands at once, or else one for each processor.
///
/// # Errors
/// If the server cannot be reached.
pub fn work(server: NatsServer, at_once: Option<usize>) -> Result<(), Failure> {
    let descriptors = process_setup::prepare();
    let signals =
        Signals::new([SIGINT, SIGTERM]).map_err(|error| format!("cannot listen to signals: {error}"))?;
    reaper::start()?;
    let tasks = TaskRegistry::default();
    tasks.layer(layer_fn(|context| {
        let run = format!("{}: run {}", terminal::one_line(context.job.as_str()), context.run);
        notice::log(format!("{run} begins"));
        move |result: TaskResult| {
            match &result {
                Ok(_) => notice::log(format!("{run} succeeded")),
                Err(error) => {
                    notice::log(format!("{run} failed: {}", terminal::one_line(&error.to_string())));
                }
            }
            result
        }
    }));
    let command = CommandTask::default().open_files(descriptors.soft_limit_for_commands());
    tasks.register(COMMAND, command).map_err(|error| matins::error_chain(&error))?;
    let mut builder = Worker::builder(server.clone());
    if let Some(at_once) = at_once {
        builder = builder.at_once(at_once);
    }
    let mut worker = builder.start(tasks).map_err(|error| matins::error_chain(&error))?;
    let at_once = at_once.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    notice::log(format!(
        "matins {}: worker {} runs commands from {server}, {at_once} at once",
        env!("CARGO_PKG_VERSION"),
        worker.name()
    ));
    service::ready("running commands");
    let how = look_after(&worker, &forward(signals)?);
    worker.stop(how);
    notice::log("stopped");
    Ok(())
}

/// The signals, as they come.
fn forward(mut signals: Signals) -> Result<Receiver<()>, String> {
    let (sender, received) = mpsc::channel();
    let forward = move || signals.forever().try_for_each(|_| sender.send(()));
    let thread = thread::Builder::new().name("matins-signals".to_owned());
    thread.spawn(forward).map_err(|error| format!("cannot act on signals: {error}"))?;
    Ok(received)
}

/// Says when the server is lost and found, and returns when the worker is to stop: after the first signal and its last run, or at the
/// second signal.
fn look_after(worker: &Worker, signals: &Receiver<()>) -> Shutdown {
    let (mut was_ready, mut drains) = (true, false);
    loop {
        match signals.recv_timeout(if drains { LOOKS_FOR_END_EVERY } else { LOOKS_EVERY }) {
            Ok(()) if drains => {
                notice::tell("stopping at once");
                return Shutdown::Now;
            }
            Ok(()) => {
                let runs = show::counted(worker.in_flight(), "command");
                notice::tell(format_args!("stopping when {runs} have ended; once more to stop at once"));
                service::stopping();
                worker.drain();
                drains = true;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Shutdown::Wait,
        }
        service::feed_watchdog_once();
        if drains {
            if worker.in_flight() == 0 {
                return Shutdown::Wait;
            }
            continue;
        }
        let is_ready = worker.is_ready();
        if is_ready != was_ready {
            let text = if is_ready {
                "connected to the NATS server again"
            } else {
                "the connection to the NATS server is lost; it is tried again"
            };
            notice::tell(text);
            service::ready(if is_ready {
                "running commands"
            } else {
                "without a connection to the NATS server"
            });
        }
        was_ready = is_ready;
    }
}
