//! What the daemon's process is made of before it does anything else, and what it does not hand on to its commands: signals
//! and descriptors that whoever launched it left behind.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::sys::signal::SigSet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{FORBIDDEN, SIGPIPE, SIGUSR1};

/// How many files the daemon may have open, where the system lets it: some five for each command that runs.
const OPEN_FILES: u64 = 8192;

/// To be called before anything else: nothing is open yet, and no thread is running.
pub(crate) fn prepare() -> Descriptors {
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    // Blocked signals would neither stop the daemon nor reload its files.
    let _ = SigSet::empty().thread_set_mask();
    catch_ignored();
    Descriptors::raise()
}

/// A program that is started has the default action for a signal that its parent catches, while one that its parent ignores
/// stays ignored. So whatever was ignored (by `nohup`, or by a shell for its background processes) is caught from now on, and
/// then nothing is done about it. The same goes for SIGUSR1, which would end the daemon.
fn catch_ignored() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .unwrap_or_default();
    let is_ignored = |signal: &i32| ignored & (1 << (signal - 1)) != 0;
    let flag = Arc::new(AtomicBool::new(false));
    let caught = (1..=64).filter(|signal| is_ignored(signal) || *signal == SIGUSR1);
    // SIGPIPE is ignored by every Rust program, and set back by it for those that it starts.
    for signal in caught.filter(|signal| *signal != SIGPIPE && !FORBIDDEN.contains(signal)) {
        // The C library keeps a few for itself.
        let _ = signal_hook::flag::register(signal, flag.clone());
    }
}

/// How many files this process may have open, and what others get of that.
///
/// Connections of clients never take more than three eighths of them: the rest is for commands and the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Descriptors {
    /// The soft limit that this process was started with; `None` if it was not raised.
    before: Option<u64>,
    /// The soft limit now.
    limit: u64,
}

impl Descriptors {
    fn raise() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let wanted = maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
        let now = current.unwrap_or(u64::MAX);
        // Where that is refused, runs that find no descriptor are tried again.
        let is_raised =
            now < wanted && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok();
        if is_raised { Self { before: current, limit: wanted } } else { Self { before: None, limit: now } }
    }

    /// The soft limit that commands get back, if it was raised: a program that uses select(2) cannot handle more than 1,024
    /// descriptors, and relies on this limit.
    pub(crate) fn soft_limit_for_commands(self) -> Option<u64> {
        self.before
    }

    /// How many clients may be connected to the control socket.
    pub(crate) fn control_connections(self) -> usize {
        self.part(4).min(256)
    }

    /// How many clients may be connected to the HTTP server.
    pub(crate) fn http_connections(self) -> usize {
        self.part(8).min(64)
    }

    fn part(self, of: u64) -> usize {
        usize::try_from(self.limit / of).unwrap_or(usize::MAX).max(1)
    }
}
