//! Reaps orphans, where the daemon is process 1 of a container, or a subreaper: processes whose parents have ended become its
//! children, and nobody else waits for them.

#[cfg(target_os = "linux")]
pub(crate) use linux::start;

#[cfg(not(target_os = "linux"))]
pub(crate) fn start() -> Result<(), String> {
    Ok(())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::fs;
    use std::thread;
    use std::time::Duration;

    use matins::command::is_awaited;
    use rustix::process::{Pid, WaitId, WaitIdOptions, child_subreaper, waitid};
    use signal_hook::consts::SIGCHLD;
    use signal_hook::iterator::Signals;

    /// A child that has ended is reaped if nobody else has done so for as long as this.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// Reaps on a thread of its own from now on, where this process inherits orphans.
    pub(crate) fn start() -> Result<(), String> {
        let is_subreaper = child_subreaper().is_ok_and(|subreaper| subreaper.is_some());
        if std::process::id() != 1 && !is_subreaper {
            return Ok(());
        }
        let failed = |error| format!("cannot reap orphans: {error}");
        let mut signals = Signals::new([SIGCHLD]).map_err(failed)?;
        let thread = thread::Builder::new().name("matins-reaper".to_owned());
        thread.spawn(move || signals.forever().for_each(|_| reap_all())).map(drop).map_err(failed)
    }

    /// Reaps until no child is left that has ended.
    fn reap_all() {
        let mut before = BTreeMap::new();
        loop {
            thread::sleep(PATIENCE);
            let ended = ended_children();
            for (pid, started) in &ended {
                // Seen twice, with a second in between: whoever waits for a child of its own has had the time to.
                if before.get(pid) == Some(started) && !is_awaited(*pid) {
                    reap(*pid);
                }
            }
            if ended.is_empty() {
                return;
            }
            before = ended;
        }
    }

    fn reap(pid: u32) {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // Somebody else may have done so just now.
            let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        }
    }

    /// The children of this process that have ended, and when each was started.
    fn ended_children() -> BTreeMap<u32, u64> {
        let own = std::process::id();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|entry| {
                let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
                let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
                // The second field is the program's name in parentheses, which may hold anything.
                let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
                let (state, parent) = (fields.next()?, fields.next()?.parse::<u32>().ok()?);
                let started = fields.nth(17)?.parse().ok()?;
                (state == "Z" && parent == own).then_some((pid, started))
            })
            .collect()
    }
}
