//! Commands that outlive the scheduler's process: recorded while they run, and found by the next process.

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use matins_core::{JobId, RunId, TaskContext};
use matins_files::OpenOptions;
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
    /// When the directory cannot be read, or others can write to it: then its records say nothing, and removing what is in it
    /// could be what they want. And when the system cannot watch a process that is still running (Linux before 5.3).
    pub fn all_in(directory: &Path) -> io::Result<Vec<Self>> {
        let opened = matins_files::check_own_directory(directory).and_then(|()| fs::read_dir(directory));
        let entries = match opened {
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

        let Some((intent, process)) = read(path) else { return Ok(None) };
        if boot_id().as_deref() != Some(&intent.boot) {
            return Ok(None);
        }
        let Some(process) = process.or_else(|| found_by_pipe(path, &intent)) else { return Ok(None) };
        let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            pidfd => pidfd?,
        };
        // The descriptor is of whichever process has the number now; it stays that one's.
        if ProcessStat::of(process.pid).is_none_or(|stat| stat.start != process.start) {
            return Ok(None);
        }
        Ok(Some(Self { run: intent.run, job: intent.job, pid, pidfd, record: path.to_owned() }))
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

/// What a record says before the command is started.
#[derive(Debug, Serialize, Deserialize)]
struct Intent {
    run: RunId,
    job: JobId,
    /// Which boot of the machine this is.
    boot: String,
    /// The inode of the pipe that the command will print to: it finds a command whose scheduler was killed before it wrote the
    /// second line.
    pipe: u64,
}

/// What a record says, in a second line, as soon as the command is started.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Process {
    pid: u32,
    /// When it was started, in ticks since the machine was. With the boot it tells the process from any other that has, or will
    /// have, its number.
    start: u64,
}

fn read(path: &Path) -> Option<(Intent, Option<Process>)> {
    let bytes = matins_files::read(path).ok()?;
    let mut lines = bytes.split(|byte| *byte == b'\n');
    // A first line that was not written whole is of a command that was never started.
    let intent = serde_json::from_slice(lines.next()?).ok()?;
    Some((intent, lines.next().and_then(|line| serde_json::from_slice(line).ok())))
}

fn boot_id() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

/// What `/proc/PID/stat` tells of a process.
struct ProcessStat {
    /// Field 5.
    group: u32,
    /// Field 22.
    start: u64,
}

impl ProcessStat {
    /// `None` if there is no such process, or it has ended and was not reaped yet.
    fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in parentheses, which may hold anything.
        let (_, after_name) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        let [state, _parent, group, ..] = fields[..] else { return None };
        let (group, start) = (group.parse().ok()?, fields.get(19)?.parse().ok()?);
        (!matches!(state, "Z" | "X")).then_some(Self { group, start })
    }
}

/// The leader of the process group that prints to the pipe of a record. The record is completed, so that it is found without its
/// pipe from then on.
#[cfg(target_os = "linux")]
fn found_by_pipe(path: &Path, intent: &Intent) -> Option<Process> {
    let link = format!("pipe:[{}]", intent.pipe);
    let prints_to_it = |pid: u32| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        descriptors
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .any(|target| target.as_os_str() == link.as_str())
    };
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut leaders = pids.filter_map(|pid| {
        let stat = ProcessStat::of(pid).filter(|stat| stat.group == pid)?;
        prints_to_it(pid).then_some(Process { pid, start: stat.start })
    });
    let process = leaders.next()?;
    // Not completed, it is looked for once more the next time.
    let _ = append(path, &process);
    Some(process)
}

fn append(path: &Path, process: &Process) -> io::Result<()> {
    let mut line = vec![b'\n'];
    serde_json::to_writer(&mut line, process)?;
    OpenOptions::new().append(true).open(path)?.write_all(&line)
}

/// The record of a running command; it is removed when this is dropped.
pub(crate) struct Record(PathBuf);

impl Record {
    /// To be written before the command is started: this process may be killed as soon as it is.
    ///
    /// `None` where it cannot be written: then nobody finds the command if this process is killed, which is no reason not to
    /// run it.
    pub(crate) fn of_intent(directory: &Path, context: &TaskContext, output: impl AsFd) -> Option<Self> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        let pipe = rustix::fs::fstat(output).ok()?.st_ino;
        let intent = Intent { run: context.run, job: context.job.clone(), boot: boot_id()?, pipe };
        let line = serde_json::to_vec(&intent).ok()?;
        let (path, mut file) = Self::new_file(directory, context.run)?;
        let record = Self(path);
        file.write_all(&line).ok()?;
        Some(record)
    }

    /// A file of its own: a run that is made again may stand beside what an earlier process has left of it.
    fn new_file(directory: &Path, run: RunId) -> Option<(PathBuf, fs::File)> {
        const MOST: usize = 1_000;
        for number in 0..MOST {
            let path = directory.join(format!("{run}-{number}"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                file => return Some((path, file.ok()?)),
            }
        }
        None
    }

    /// Says which process the command became. Where this cannot be written, it is found by its pipe.
    pub(crate) fn started(&self, pid: u32) {
        if let Some(ProcessStat { start, .. }) = ProcessStat::of(pid) {
            let _ = append(&self.0, &Process { pid, start });
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
