//! Commands that outlive the scheduler's process: recorded while they run, and found by the next process.

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use matins_core::{JobId, RunId, TaskContext};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

/// A command that is still running although the scheduler's process that started it was killed.
///
/// Its exit status will not be known: it is no child of this process. As a descriptor ([`AsFd`]) it is readable when the
/// command has ended, so that many of them can be waited for with one call to poll(2).
#[derive(Debug)]
pub struct Orphan {
    run: RunId,
    job: JobId,
    pid: Pid,
    pidfd: OwnedFd,
    record: PathBuf,
}

impl Orphan {
    /// Returns the commands recorded in `directory` by [`CommandTask::recording_in`](crate::CommandTask::recording_in) that
    /// are still running, and removes the records of all others. A directory that does not exist has none.
    ///
    /// A command is told from another process that was given its number by the time at which it was started, and by the boot
    /// of the machine. It must not be called while commands of this process are recorded there.
    ///
    /// # Errors
    /// When the directory cannot be read, and when the system cannot watch a process that is still running (Linux before 5.3).
    pub fn all_in(directory: &Path) -> io::Result<Vec<Self>> {
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut orphans = Vec::new();
        for entry in entries {
            let path = entry?.path();
            match Self::at(&path)? {
                Some(orphan) => orphans.push(orphan),
                // Another process may have removed it.
                None => drop(fs::remove_file(&path)),
            }
        }
        orphans.sort_by_key(|orphan| orphan.run);
        Ok(orphans)
    }

    #[cfg(target_os = "linux")]
    fn at(path: &Path) -> io::Result<Option<Self>> {
        use rustix::process::{PidfdFlags, pidfd_open};

        // A record that was not written whole is of a command that had hardly begun.
        let Ok(bytes) = fs::read(path) else { return Ok(None) };
        let Ok(written) = serde_json::from_slice::<Written>(&bytes) else { return Ok(None) };
        let Some(pid) = i32::try_from(written.pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            pidfd => pidfd?,
        };
        // The descriptor is of whichever process has the number now; it stays that one's.
        if Identity::of(written.pid).as_ref() != Some(&written.identity) {
            return Ok(None);
        }
        Ok(Some(Self { run: written.run, job: written.job, pid, pidfd, record: path.to_owned() }))
    }

    #[cfg(not(target_os = "linux"))]
    fn at(_path: &Path) -> io::Result<Option<Self>> {
        Ok(None)
    }

    /// Returns the run that started it.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Returns the job that started it.
    pub fn job(&self) -> &JobId {
        &self.job
    }

    /// Returns its process id, which is also the id of its process group.
    pub fn process_id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Returns `true` if it has ended.
    pub fn has_ended(&self) -> bool {
        let mut polled = [PollFd::new(&self.pidfd, PollFlags::IN)];
        poll(&mut polled, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// Sends SIGTERM to its process group; with `now`, SIGKILL.
    ///
    /// # Errors
    /// When the signal cannot be sent. If it has ended, that is no error.
    pub fn end(&self, now: bool) -> io::Result<()> {
        if self.has_ended() {
            return Ok(());
        }
        let signal = if now { Signal::KILL } else { Signal::TERM };
        match kill_process_group(self.pid, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes its record, once it has ended. Dropped without this, it is found again by the next process.
    pub fn forget(self) {
        let _ = fs::remove_file(&self.record);
    }
}

impl AsFd for Orphan {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// What tells a process from any other that has, or will have, its number.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    /// When it was started, in ticks since the machine was: field 22 of `/proc/PID/stat`.
    start: u64,
    /// Which boot of the machine that was.
    boot: String,
}

impl Identity {
    /// `None` if there is no such process, or it has ended and was not reaped yet.
    fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in parentheses, which may hold anything.
        let (_, after_name) = stat.rsplit_once(')')?;
        let mut fields = after_name.split_ascii_whitespace();
        let state = fields.next()?;
        let start = fields.nth(18)?.parse().ok()?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        (!matches!(state, "Z" | "X")).then_some(Self { start, boot })
    }
}

/// What a record holds.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    run: RunId,
    job: JobId,
    pid: u32,
    #[serde(flatten)]
    identity: Identity,
}

/// The record of a running command; it is removed when this is dropped.
pub(crate) struct Record(PathBuf);

impl Record {
    /// `None` where it cannot be written: then nobody finds the command if this process is killed, which is no reason not to
    /// run it.
    pub(crate) fn write(directory: &Path, context: &TaskContext, pid: u32) -> Option<Self> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        let identity = Identity::of(pid)?;
        let written = Written { run: context.run, job: context.job.clone(), pid, identity };
        let line = serde_json::to_vec(&written).ok()?;
        let path = directory.join(format!("{}-{pid}", context.run));
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).ok()?;
        let record = Self(path);
        file.write_all(&line).ok()?;
        Some(record)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
