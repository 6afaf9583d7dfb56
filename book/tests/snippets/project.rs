//! Projects outside of the workspace, as a reader has them: the manifest of a page, and the programs that the page shows.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use matins_conformance::servers::Postgres;

/// How long a program may take.
const GENEROUS: Duration = Duration::from_secs(120);

/// A program of a page.
pub(crate) struct Program {
    /// Page and number, as the name of a file.
    pub(crate) name: String,
    pub(crate) text: String,
    /// What the page says that it prints. If the last line is `...`, it runs until it is stopped.
    pub(crate) output: Option<String>,
}

/// A manifest, and the programs of all pages that show it.
pub(crate) struct Project {
    pub(crate) name: String,
    pub(crate) manifest: String,
    pub(crate) programs: Vec<Program>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Shared with `tests/applications.rs`, which needs the same libraries in the same profile.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside_target")
}

/// Writes a file, unless it is there already: cargo builds again what is newer.
fn write(file: &Path, text: &str) {
    if fs::read_to_string(file).is_ok_and(|found| found == text) {
        return;
    }
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

impl Project {
    fn directory(&self) -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("snippets").join(&self.name)
    }

    /// Builds all programs. Returns what the compiler says against them.
    pub(crate) fn build(&self) -> String {
        let directory = self.directory();
        let binaries = directory.join("src/bin");
        fs::create_dir_all(&binaries).unwrap();
        for file in fs::read_dir(&binaries).unwrap().map(|entry| entry.unwrap().path()) {
            let stem = file.file_stem().unwrap();
            if !self.programs.iter().any(|program| stem == program.name.as_str()) {
                fs::remove_file(&file).unwrap();
            }
        }
        for program in &self.programs {
            write(&binaries.join(&program.name).with_extension("rs"), &program.text);
        }
        // A reader has a clone of the repository next to the project.
        let clone = format!("\"{}", root().display());
        let manifest = self.manifest.replace("\"../matins", &clone);
        // The reader's project is not below the workspace, and does not need this table.
        write(&directory.join("Cargo.toml"), &format!("{manifest}\n[workspace]\n"));
        // The versions of this workspace, which have been downloaded.
        fs::copy(root().join("Cargo.lock"), directory.join("Cargo.lock")).unwrap();
        let output = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--offline", "--bins", "--keep-going"])
            .current_dir(&directory)
            .env("CARGO_TARGET_DIR", target())
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_INCREMENTAL", "0")
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

/// A running program, which ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Program {
    /// Runs the program twice in a directory of its own, because a reader does so too. Returns what is wrong.
    pub(crate) fn run(&self, server: Option<&Postgres>) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let first = self.run_in(directory.path(), server);
        let problem = match first {
            Ok(printed) => {
                let expected = self.output.as_deref().unwrap_or_default();
                let expected: Vec<&str> = expected.lines().collect();
                let lines: Vec<&str> = printed.lines().collect();
                let as_shown = crate::matches(&lines, &expected);
                let again = || self.run_in(directory.path(), server).err();
                if as_shown { again() } else { Some(format!("printed:\n{printed}")) }
            }
            Err(problem) => Some(problem),
        };
        problem.map(|problem| format!("{}: {problem}", self.name))
    }

    fn run_in(&self, directory: &Path, server: Option<&Postgres>) -> Result<String, String> {
        let file = target().join("debug").join(format!("{}{}", self.name, std::env::consts::EXE_SUFFIX));
        let mut command = Command::new(file);
        command.current_dir(directory).env("MATINS_TZDATA", "bundled").env_remove("TZ");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(server) = server {
            command.env("PGHOST", server.socket()).env("PGUSER", "matins");
        }
        let mut program = Running(command.spawn().map_err(|error| error.to_string())?);
        let (lines, printed) = channel();
        let output = BufReader::new(program.0.stdout.take().unwrap());
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        let mut errors = program.0.stderr.take().unwrap();
        let errors = thread::spawn(move || {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text);
            text
        });

        let endless = self.output.as_deref().and_then(|output| output.trim_end().strip_suffix("\n..."));
        let enough = endless.map_or(usize::MAX, |lines| lines.lines().count());
        let (mut text, mut count, until) = (String::new(), 0, Instant::now() + GENEROUS);
        while count < enough {
            let Ok(line) = printed.recv_timeout(until.saturating_duration_since(Instant::now())) else {
                break;
            };
            text += &format!("{line}\n");
            count += 1;
        }
        if count == enough || Instant::now() >= until {
            drop(program);
            return if count == enough { Ok(text) } else { Err(format!("has not ended; printed:\n{text}")) };
        }
        let status = program.0.wait().map_err(|error| error.to_string())?;
        let errors = errors.join().unwrap_or_default();
        if status.success() { Ok(text) } else { Err(format!("{status}; printed:\n{text}{errors}")) }
    }
}
