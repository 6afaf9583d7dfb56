//! The command and its daemon, with as many jobs as one machine is asked to hold.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use matins::triggers::IntervalTrigger;
use matins::{FileStore, Job, JobId, JobStore, OnConflict, SqliteStore, TaskName};
use matins_benches::contest::Spread;
use tempfile::TempDir;

use super::Measuring;
use crate::card::{BYTES, Family, KIBIBYTES, MILLIS, SECONDS};

/// How long a daemon has to give its first answer.
const PATIENCE: Duration = Duration::from_secs(300);

const CRONTAB_LINES: u32 = 100_000;

pub(crate) fn million(measuring: &mut Measuring, name: &'static str) -> Result<Family, Box<dyn Error>> {
    let jobs = measuring.either(100_000, 1_000_000);
    let mut family = Family::new(
        name,
        &[
            ("start", "from the start of `matins run` to the first answer of `matins status`"),
            ("daemon", "its resident memory, after a list of all jobs"),
            ("status", "the whole command"),
            ("first line of jobs", "from the start of the command"),
            ("client", "the most memory that `matins jobs` takes"),
            ("crontab", "of 100,000 lines; memory is what the daemon takes more than with one line, by line"),
        ],
    );
    let program = program()?;
    for (store, start, mebibytes) in [("sqlite", 2.0, 700.0), ("file", 5.0, 1_200.0)] {
        let directory = TempDir::new()?;
        fill(store, &directory.path().join("jobs.db"), jobs)?;
        let mut daemon = Daemon::start(&program, directory.path(), store, &[])?;
        let work = |what: &str| format!("{store}, {jobs} jobs: {what}");
        family.at_most(work("start"), SECONDS, Spread::exactly(daemon.seconds), start);
        let status = || daemon.status().map(|time| time.as_secs_f64() * 1e3);
        family.at_most(work("status"), MILLIS, times(5, status)?, 50.0);
        let first = || daemon.first_line_of_jobs().map(|time| time.as_secs_f64() * 1e3);
        family.at_most(work("first line of jobs"), MILLIS, times(5, first)?, 50.0);
        let (client, lines) = daemon.list()?;
        if lines != jobs {
            return Err(format!("{lines} jobs of {jobs} were listed").into());
        }
        family.at_most(work("client"), KIBIBYTES, Spread::exactly(client), 50.0 * 1024.0);
        let memory = memory_of(&daemon.child, "VmRSS")?;
        family.at_most(work("daemon"), KIBIBYTES, Spread::exactly(memory), mebibytes * 1024.0);
        daemon.stop()?;
    }
    crontab(&mut family, &program)?;
    Ok(family)
}

fn crontab(family: &mut Family, program: &Path) -> Result<(), Box<dyn Error>> {
    let mut memory = Vec::new();
    for lines in [1, CRONTAB_LINES] {
        let directory = TempDir::new()?;
        let mut text = String::new();
        for line in 0..lines {
            writeln!(text, "{} {} 1 1 * /usr/bin/true --line {line}", line % 60, line / 60 % 24)?;
        }
        fs::write(directory.path().join("big.crontab"), text)?;
        let mut daemon = Daemon::start(program, directory.path(), "sqlite", &["--crontab", "big.crontab"])?;
        memory.push(memory_of(&daemon.child, "VmRSS")?);
        if lines == CRONTAB_LINES {
            family.at_most("crontab: start", SECONDS, Spread::exactly(daemon.seconds), 5.0);
            let check = || -> Result<f64, Box<dyn Error>> {
                let begun = Instant::now();
                let mut command = Command::new(program);
                command.args(["check", "big.crontab"]).current_dir(directory.path());
                let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
                if status.success() {
                    Ok(begun.elapsed().as_secs_f64())
                } else {
                    Err("it is not sound".into())
                }
            };
            family.at_most("crontab: check", SECONDS, times(3, check)?, 1.0);
        }
        daemon.stop()?;
    }
    let a_line = (memory[1] - memory[0]).max(0.0) * 1024.0 / f64::from(CRONTAB_LINES);
    family.at_most("crontab: memory of a line", BYTES, Spread::exactly(a_line), 2048.0);
    Ok(())
}

fn times(count: usize, work: impl FnMut() -> Result<f64, Box<dyn Error>>) -> Result<Spread, Box<dyn Error>> {
    std::iter::repeat_with(work).take(count).collect::<Result<_, _>>().map(Spread::of)
}

/// The command, built in release beside this program.
fn program() -> Result<PathBuf, Box<dyn Error>> {
    let program = std::env::current_exe()?.with_file_name("matins");
    let target = program.ancestors().nth(2).ok_or("this program is in no directory")?;
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "-p", "matins-cli", "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    if built.success() && program.is_file() {
        return Ok(program);
    }
    Err(format!("{} was not built", program.display()).into())
}

/// Jobs of a day each, whose first fire is far off.
fn fill(store: &str, path: &Path, jobs: usize) -> Result<(), Box<dyn Error>> {
    const TOGETHER: usize = 10_000;
    let mut store: Box<dyn JobStore> = match store {
        "sqlite" => Box::new(SqliteStore::open(path)?),
        _ => Box::new(FileStore::open(path)?),
    };
    let far: DateTime<Utc> = "2999-01-01T00:00:00Z".parse()?;
    let job = |number: usize| -> Result<Job, Box<dyn Error>> {
        let start = far + TimeDelta::seconds(i64::try_from(number % 86_400)?);
        let (id, task) = (JobId::new(format!("job-{number:07}"))?, TaskName::new("command")?);
        let trigger = std::sync::Arc::new(IntervalTrigger::new(start, TimeDelta::days(1))?);
        let mut job = Job::new(id, task, trigger, Some(start), far);
        job.arguments = serde_json::json!({"program": "true"});
        Ok(job)
    };
    for first in (0..jobs).step_by(TOGETHER) {
        let some = (first..(first + TOGETHER).min(jobs)).map(job).collect::<Result<Vec<Job>, _>>()?;
        store.import(some, Vec::new(), OnConflict::Refuse)?;
    }
    Ok(())
}

struct Daemon<'a> {
    program: &'a Path,
    directory: &'a Path,
    store: String,
    child: Child,
    /// From its start to the first answer.
    seconds: f64,
}

impl<'a> Daemon<'a> {
    fn start(
        program: &'a Path,
        directory: &'a Path,
        store: &str,
        files: &[&str],
    ) -> Result<Self, Box<dyn Error>> {
        let store = format!("{store}:jobs.db");
        let mut command = Command::new(program);
        command.args(["run", "--store", &store]).args(files).current_dir(directory).stdin(Stdio::null());
        let begun = Instant::now();
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut daemon = Self { program, directory, store, child, seconds: 0.0 };
        let socket = directory.join("jobs.db-control");
        while !socket.exists() || daemon.status().is_err() {
            if begun.elapsed() > PATIENCE || daemon.child.try_wait()?.is_some() {
                return Err("the daemon gives no answer".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        daemon.seconds = begun.elapsed().as_secs_f64();
        Ok(daemon)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.args(arguments).args(["--store", &self.store]).current_dir(self.directory);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    fn status(&self) -> Result<Duration, Box<dyn Error>> {
        let begun = Instant::now();
        let output = self.command(&["status"]).output()?;
        let time = begun.elapsed();
        if output.status.success() { Ok(time) } else { Err("there is no answer".into()) }
    }

    fn first_line_of_jobs(&self) -> Result<Duration, Box<dyn Error>> {
        let begun = Instant::now();
        let mut asking = self.command(&["jobs"]).spawn()?;
        let mut answer = BufReader::new(asking.stdout.take().ok_or("no output")?);
        let read = answer.read_line(&mut String::new())?;
        let time = begun.elapsed();
        drop(answer);
        asking.wait()?;
        if read == 0 { Err("there is no answer".into()) } else { Ok(time) }
    }

    /// The most memory that a list of all jobs takes in the client, in KiB, and how many there are.
    fn list(&self) -> Result<(f64, usize), Box<dyn Error>> {
        let mut asking = self.command(&["jobs"]).spawn()?;
        let mut answer = asking.stdout.take().ok_or("no output")?;
        let (mut most, mut lines, mut buffer) = (0.0_f64, 0, vec![0; 1 << 20]);
        loop {
            let read = answer.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            lines += buffer[..read].split(|byte| *byte == b'\n').count() - 1;
            most = most.max(memory_of(&asking, "VmHWM").unwrap_or(0.0));
        }
        asking.wait()?;
        if most == 0.0 { Err("the client's memory was not seen".into()) } else { Ok((most, lines)) }
    }

    fn stop(&mut self) -> Result<(), Box<dyn Error>> {
        self.command(&["stop"]).output()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        // It has ended already, unless something went wrong.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A field of `/proc/PID/status`, in KiB.
fn memory_of(process: &Child, field: &str) -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let line = status.lines().find(|line| line.starts_with(field)).ok_or("no such field")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
}
