//! The command `matins` as a process, for tests.
// Each test uses a part of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const GENEROUS: Duration = Duration::from_secs(60);

pub(crate) fn matins(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_matins"));
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    // The same on every machine.
    command.env("TZ", "UTC").env("MATINS_TZDATA", "bundled");
    command
}

pub(crate) fn output(directory: &Path, arguments: &[&str]) -> Output {
    matins(directory, arguments).output().expect("the command runs")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) struct Daemon {
    pub(crate) child: Child,
    pub(crate) lines: Receiver<String>,
}

impl Daemon {
    pub(crate) fn start(directory: &Path, arguments: &[&str]) -> Self {
        Self::start_with(directory, arguments, &[])
    }

    pub(crate) fn start_with(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = matins(directory, arguments)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the daemon starts");
        let (sender, lines) = mpsc::channel();
        let forward = |output: Box<dyn std::io::Read + Send>, sender: mpsc::Sender<String>| {
            let output = BufReader::new(output);
            thread::spawn(move || {
                output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
            });
        };
        forward(Box::new(child.stdout.take().expect("its output")), sender.clone());
        forward(Box::new(child.stderr.take().expect("its errors")), sender);
        Self { child, lines }
    }

    /// Waits for a line that contains `words`.
    pub(crate) fn wait_for(&self, words: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(GENEROUS) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("waited for {words:?}, {error}; saw {seen:#?}"),
            }
        }
    }

    /// Reads on until then.
    pub(crate) fn read_until(&self, then: Instant) {
        // One that has ended prints no more; whoever asks finds that out.
        while let Ok(_) | Err(RecvTimeoutError::Disconnected) =
            self.lines.recv_timeout(then.saturating_duration_since(Instant::now()))
        {}
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    pub(crate) fn stop(self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.stop_waiting()
    }

    /// Waits for one that was told to stop.
    pub(crate) fn stop_waiting(mut self) -> ExitStatus {
        self.child.wait().expect("it has ended")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that ends with the test, however that ends.
pub(crate) struct Launched(pub(crate) Child);

impl Launched {
    pub(crate) fn end(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).expect("it runs");
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn directory_with(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

pub(crate) fn listing(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// Looks again and again until it is so.
pub(crate) fn wait_until(mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + GENEROUS;
    while !is_so() {
        assert!(Instant::now() < limit, "it did not come about");
        thread::yield_now();
    }
}

/// A job that does not fire while a test runs.
pub(crate) const QUIET: &str =
    "[jobs.quiet]\ncron = \"0 4 * * *\"\ntimezone = \"Europe/Berlin\"\ncommand = [\"true\"]\n";

#[track_caller]
pub(crate) fn done(directory: &Path, arguments: &[&str]) -> String {
    let output = output(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[track_caller]
pub(crate) fn json_of(directory: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&done(directory, arguments)).unwrap()
}

#[track_caller]
pub(crate) fn fails(directory: &Path, arguments: &[&str], status: i32, words: &str) {
    let Output { status: found, stderr, .. } = output(directory, arguments);
    assert_eq!(found.code(), Some(status), "{arguments:?}: {}", text(&stderr));
    assert!(text(&stderr).contains(words), "{arguments:?}: {}", text(&stderr));
}

pub(crate) fn daemon(directory: &Path, arguments: &[&str]) -> Daemon {
    let daemon = Daemon::start(directory, arguments);
    daemon.wait_for("Ctrl-C");
    daemon
}
