//! What the daemon's process is made of before it does anything else, and what it does not hand on to its commands: signals
//! and descriptors that whoever launched it left behind.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::sys::signal::SigSet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{FORBIDDEN, SIGPIPE, SIGUSR1};

/// How many files the daemon may have open, where the system lets it: some four for each command that runs.
const OPEN_FILES: u64 = 8192;

/// To be called before anything else: nothing is open yet, and no thread is running.
pub(crate) fn prepare() {
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    // Blocked signals would neither stop the daemon nor reload its files.
    let _ = SigSet::empty().thread_set_mask();
    catch_ignored();
    raise_open_files();
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

fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    if current.is_some_and(|current| current < wanted) {
        // Where that is refused, runs fail that find no descriptor, and say so.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}
