//! Waiting for the store while somebody else has it open: a command, for a moment, or the previous daemon, in a deployment where the
//! new one starts first.

use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use matins::StoreError;
use matins_store_owner::wait_for_owner_while;
use matins_terminal::notice;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::open_store::OpenError;
use crate::service;

/// How long is waited where nobody says otherwise: a command has the store for a moment only.
const PATIENCE: Duration = Duration::from_secs(2);

/// How waiting for a store ended.
pub(crate) enum Waited<T> {
    /// It is open.
    Opened {
        store: T,
        /// Somebody else had it, perhaps a daemon that has not quite ended yet.
        is_handed_over: bool,
    },
    /// A signal came first.
    Stopped,
}

/// Calls `open` until nobody else has the store, for at most `limit`, or until a signal asks the process to end.
pub(crate) fn wait<T>(
    limit: Option<Duration>,
    signals: &mut Signals,
    mut open: impl FnMut() -> Result<T, OpenError>,
) -> Result<Waited<T>, OpenError> {
    let (mut is_handed_over, mut is_stopped) = (false, false);
    let waiting = |error: &StoreError| {
        if let (false, Some(limit), StoreError::Owned { path, owner, .. }) = (is_handed_over, limit, error) {
            let path = path.display();
            notice::tell(format_args!(
                "{path} belongs to another scheduler: {owner}; waiting {limit:?} for it to end"
            ));
            service::waiting_for_owner(limit);
        }
        is_handed_over = true;
        is_stopped = signals.pending().any(|signal| matches!(signal, SIGINT | SIGTERM));
        if is_stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let opened = wait_for_owner_while(limit.unwrap_or(PATIENCE), waiting, || match open() {
        Err(OpenError::Owned(error)) => Err(error),
        other => Ok(other),
    });
    match opened {
        Ok(opened) => Ok(Waited::Opened { store: opened?, is_handed_over }),
        Err(_) if is_stopped => Ok(Waited::Stopped),
        Err(error) => Err(error.into()),
    }
}

/// Repeats `attempt` for a moment if the store was handed over: its previous daemon closes its sockets after its store.
pub(crate) fn after_hand_over<T>(
    is_handed_over: bool,
    mut attempt: impl FnMut() -> Result<T, String>,
) -> Result<T, String> {
    let until = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Err(_) if is_handed_over && Instant::now() < until => thread::sleep(Duration::from_millis(20)),
            result => return result,
        }
    }
}
