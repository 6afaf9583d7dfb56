//! Peers that share a PostgreSQL database: Quartz, where Debian's packages `libquartz2-java`, `libpostgresql-jdbc-java` and a JDK are
//! installed, and APScheduler 4, by an interpreter that has it.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

const APSCHEDULER_4: &str = include_str!("peers/apscheduler4.py");
const QUARTZ: &str = include_str!("peers/Quartz.java");

/// Where Debian keeps the packages of Java.
const JARS: &str = "/usr/share/java";
const NEEDED: [&str; 5] = ["quartz2.jar", "slf4j-api.jar", "slf4j-nop.jar", "c3p0.jar", "postgresql.jar"];

/// A scheduler of another project, with a database of its own.
#[derive(Debug)]
pub(crate) enum Peer {
    Quartz {
        classes: TempDir,
        /// How many jobs a scheduler acquires at once.
        batch: usize,
    },
    ApScheduler4(PathBuf),
}

impl Peer {
    /// Quartz, if it is installed.
    pub(crate) fn quartz(batch: usize) -> Option<Self> {
        let directory = tempfile::tempdir().ok()?;
        let source = directory.path().join("Quartz.java");
        fs::write(&source, QUARTZ).ok()?;
        let mut compiler = Command::new("javac");
        compiler.args(["-cp", &class_path(directory.path()), "-d"]).arg(directory.path()).arg(&source);
        let compiled = compiler.stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?.success();
        compiled.then_some(Self::Quartz { classes: directory, batch })
    }

    /// APScheduler 4.
    ///
    /// # Errors
    /// If the interpreter does not have it.
    pub(crate) fn apscheduler_4(interpreter: PathBuf) -> Result<Self, Box<dyn Error>> {
        let imports = "import apscheduler.datastores.sqlalchemy, apscheduler.eventbrokers.asyncpg";
        let output = Command::new(&interpreter).args(["-c", imports]).output();
        let output = output.map_err(|error| format!("cannot start {}: {error}", interpreter.display()))?;
        if output.status.success() {
            return Ok(Self::ApScheduler4(interpreter));
        }
        Err(format!(
            "{} has no APScheduler 4 for PostgreSQL: {}; install it there (pip install 'apscheduler==4.0.0a6' sqlalchemy asyncpg \
             sniffio 'anyio<4.10'), or leave --python4 out",
            interpreter.display(),
            String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default()
        )
        .into())
    }

    /// The name of its database.
    pub(crate) fn database(&self) -> &'static str {
        match self {
            Self::Quartz { .. } => "quartz",
            Self::ApScheduler4(_) => "apscheduler",
        }
    }

    /// More jobs than one scheduler runs in a second.
    pub(crate) fn enough(&self) -> i64 {
        match self {
            Self::Quartz { .. } => 3_000,
            Self::ApScheduler4(_) => 500,
        }
    }

    /// Fills its database, which is empty, with jobs that are due every second; in a year if `jobs` is negative.
    pub(crate) fn prepare(&self, port: u16, jobs: i64) {
        self.measure(1, &[&port.to_string(), "prepare", &jobs.to_string()]);
    }

    /// Has so many schedulers run side by side; how many jobs they ran in `time` seconds.
    pub(crate) fn run(&self, port: u16, schedulers: usize, before: u64, time: u64) -> f64 {
        let batch = if let Self::Quartz { batch, .. } = self { *batch } else { 0 };
        let port = port.to_string();
        self.measure(schedulers, &[&port, "run", &batch.to_string(), &before.to_string(), &time.to_string()])
    }

    fn measure(&self, processes: usize, arguments: &[&str]) -> f64 {
        let start = |_| {
            let mut command = match self {
                Self::Quartz { classes, .. } => {
                    let mut command = Command::new("java");
                    command.args(["-cp", &class_path(classes.path()), "Quartz"]);
                    command
                }
                Self::ApScheduler4(interpreter) => {
                    let mut command = Command::new(interpreter);
                    command.args(["-c", APSCHEDULER_4]);
                    command
                }
            };
            command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
            command.spawn().expect("a program that was there before")
        };
        let started: Vec<_> = (0..processes).map(start).collect();
        let ran = started.into_iter().map(|child| {
            let output = child.wait_with_output().expect("an output");
            let text = String::from_utf8_lossy(&output.stdout);
            // One that crashed ran nothing more.
            text.trim().parse::<f64>().unwrap_or(0.0)
        });
        ran.sum()
    }
}

fn class_path(classes: &Path) -> String {
    let jars = NEEDED.map(|jar| format!("{JARS}/{jar}")).join(":");
    format!("{jars}:{}", classes.display())
}
