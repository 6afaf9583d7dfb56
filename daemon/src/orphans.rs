//! Commands that a daemon which was killed has left running: the next daemon has their jobs wait for them, or ends them, as
//! `on_orphan` says.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use matins::command::Orphan;
use matins::control::OrphanView;
use matins::{Command, Handle};
use matins::{Occupied, OnOrphan};
use matins_terminal::notice;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Deserialize;

/// How long a command has to end by itself after SIGTERM.
const TERM_GRACE: Duration = Duration::from_secs(5);

/// Those that are still running.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orphans(Arc<Mutex<Vec<OrphanView>>>);

impl Orphans {
    pub(crate) fn all(&self) -> Vec<OrphanView> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ended(&self, orphan: &OrphanView) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| other != orphan);
    }
}

/// Finds what is recorded in `directory` and still running, and makes the directory where it is missing, for the records of
/// this daemon's commands.
pub(crate) fn find(directory: &Path) -> Result<Vec<Orphan>, String> {
    let failed = |error| format!("cannot look for running commands in {}: {error}", directory.display());
    matins_files::use_own_directory(directory).map_err(failed)?;
    Orphan::all_in(directory).map_err(failed)
}

/// Does with each what its job says, on a thread of its own, until all have ended. To be called before the scheduler runs.
pub(crate) fn watch(found: Vec<Orphan>, scheduler: &Handle) -> Orphans {
    let orphans = Orphans::default();
    let watched: Vec<Watched> =
        found.into_iter().filter_map(|orphan| Watched::of(orphan, scheduler)).collect();
    if watched.is_empty() {
        return orphans;
    }
    *orphans.0.lock().unwrap_or_else(PoisonError::into_inner) =
        watched.iter().map(|watched| watched.view.clone()).collect();
    let of_thread = orphans.clone();
    let thread = thread::Builder::new().name("matins-orphans".to_owned());
    if let Err(error) = thread.spawn(move || until_all_have_ended(watched, &of_thread)) {
        notice::tell(format_args!("commands of a daemon that was killed cannot be watched: {error}"));
    }
    orphans
}

/// Has the jobs of all of them count as running, as long as what this returns is kept: for a command that opens a store for a
/// moment, and ends nothing.
pub(crate) fn occupy(directory: &Path, scheduler: &Handle) -> Vec<Occupied> {
    let found = Orphan::all_in(directory).unwrap_or_default();
    found.iter().filter_map(|orphan| occupied(orphan, scheduler)).map(|(occupied, _)| occupied).collect()
}

/// `None` where nothing waits for it: its job says so, or is gone.
fn occupied(orphan: &Orphan, scheduler: &Handle) -> Option<(Occupied, OnOrphan)> {
    let job = scheduler.get(orphan.job()).ok()??;
    let on_orphan = Command::deserialize(&job.arguments).map(|command| command.on_orphan).unwrap_or_default();
    if on_orphan == OnOrphan::Ignore {
        return None;
    }
    let occupied = scheduler.occupy(orphan.job(), view(orphan).describe()).ok()?;
    Some((occupied, on_orphan))
}

fn view(orphan: &Orphan) -> OrphanView {
    OrphanView { job: orphan.job().to_string(), run: orphan.run().0, pid: orphan.process_id() }
}

/// One that is waited for.
struct Watched {
    orphan: Orphan,
    view: OrphanView,
    occupied: Occupied,
    /// When it is sent SIGKILL.
    kill_at: Option<Instant>,
}

impl Watched {
    fn of(orphan: Orphan, scheduler: &Handle) -> Option<Self> {
        let view = view(&orphan);
        let Some((occupied, on_orphan)) = occupied(&orphan, scheduler) else {
            notice::tell(format_args!("{}: {}; nothing waits for it", view.job, view.describe()));
            return None;
        };
        let kill_at = (on_orphan == OnOrphan::Kill).then(|| Instant::now() + TERM_GRACE);
        if kill_at.is_some() {
            notice::tell(format_args!("{}: {}; it is told to end", view.job, view.describe()));
            end(&orphan, &view, false);
        } else {
            notice::tell(format_args!("{}: {}; the job waits for it", view.job, view.describe()));
        }
        Some(Self { orphan, view, occupied, kill_at })
    }
}

fn end(orphan: &Orphan, view: &OrphanView, now: bool) {
    if let Err(error) = orphan.end(now) {
        notice::tell(format_args!("{}: process {} cannot be ended: {error}", view.job, view.pid));
    }
}

fn until_all_have_ended(mut watched: Vec<Watched>, orphans: &Orphans) {
    while !watched.is_empty() {
        let first = watched.iter().filter_map(|watched| watched.kill_at).min();
        let rest = first.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = rest.and_then(|rest| Timespec::try_from(rest).ok());
        let mut polled: Vec<PollFd<'_>> =
            watched.iter().map(|watched| PollFd::new(&watched.orphan, PollFlags::IN)).collect();
        if poll(&mut polled, timeout.as_ref()).is_err() {
            // Interrupted, or out of memory: it is tried again.
            thread::sleep(Duration::from_millis(100));
        }
        for Watched { orphan, view, kill_at, .. } in &mut watched {
            if kill_at.is_some_and(|at| at <= Instant::now()) {
                *kill_at = None;
                end(orphan, view, true);
            }
        }
        for Watched { orphan, view, occupied, .. } in
            watched.extract_if(.., |watched| watched.orphan.has_ended())
        {
            notice::tell(format_args!(
                "{}: process {} of run {} has ended; how, is not known",
                view.job, view.pid, view.run
            ));
            orphans.ended(&view);
            orphan.forget();
            // From here on what has waited for it starts.
            drop(occupied);
        }
    }
}
