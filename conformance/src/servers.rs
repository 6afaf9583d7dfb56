//! Servers for tests: one that the environment names, or one of the test's own.
//!
//! `MATINS_TEST_POSTGRES` names a PostgreSQL server, as `postgres://USER@HOST/DATABASE`. Without it the tests start one of their own from
//! installed programs, in a temporary directory. Where there are none, they are skipped and say so in a line; with
//! `MATINS_TEST_REQUIRE_SERVERS` set they fail instead.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to start.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// A PostgreSQL server of a test's own, in a temporary directory. It listens on a socket there and nowhere else, and is stopped when
/// this is dropped.
#[derive(Debug)]
pub struct Postgres {
    directory: tempfile::TempDir,
    programs: PathBuf,
    server: Option<Child>,
    settings: Vec<String>,
}

impl Postgres {
    /// Starts a server, with settings such as `fsync=off`. `None` where PostgreSQL is not installed, with a line that says so.
    ///
    /// # Panics
    /// If it is installed and does not start, or if it is not installed and `MATINS_TEST_REQUIRE_SERVERS` is set.
    pub fn start(settings: &[&str]) -> Option<Self> {
        let Some(programs) = programs() else {
            skipped("PostgreSQL is not installed (there is no initdb)");
            return None;
        };
        let directory = tempfile::Builder::new().prefix("matins-postgres-").tempdir().expect("a directory");
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut server = Self { directory, programs, server: None, settings };
        let user = unprivileged();
        if let Some(user) = &user {
            let owned = Command::new("chown").arg(user).arg(server.directory.path()).status();
            assert!(owned.is_ok_and(|status| status.success()), "the directory is given to {user}");
        }
        let mut initdb = server.command("initdb");
        initdb.args([
            "--username",
            "matins",
            "--auth",
            "trust",
            "--no-sync",
            "--no-instructions",
            "--pgdata",
        ]);
        let made = initdb.arg(server.data()).stdout(Stdio::null()).output().expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server.run();
        Some(server)
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Returns the directory of its socket.
    pub fn socket(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the URL of a database of this server.
    pub fn url(&self, database: &str) -> String {
        let host = self.directory.path().to_str().expect("a path in UTF-8").replace('/', "%2F");
        format!("postgres://matins@{host}/{database}")
    }

    /// Runs the server, and waits until it answers.
    ///
    /// # Panics
    /// If it does not within a minute.
    pub fn run(&mut self) {
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.directory.path())
            .args(["-c", "listen_addresses="]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let log = fs::File::options().create(true).append(true).open(self.directory.path().join("log"));
        let log = log.map_or_else(|_| Stdio::null(), Stdio::from);
        self.server = Some(command.stdout(Stdio::null()).stderr(log).spawn().expect("postgres runs"));
        let until = Instant::now() + STARTS_WITHIN;
        while !self.answers() {
            let log = || fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "the server does not answer: {}", log());
            thread::yield_now();
        }
    }

    /// Whether the server takes connections.
    fn answers(&self) -> bool {
        let mut ready = self.command("pg_isready");
        ready.arg("-q").arg("-h").arg(self.directory.path());
        ready.status().is_ok_and(|status| status.success())
    }

    /// Stops the server at once, as if its machine had lost power: it recovers when it is [run](Self::run) again.
    pub fn stop_at_once(&mut self) {
        self.stop("immediate");
    }

    fn stop(&mut self, how: &str) {
        let mut stop = self.command("pg_ctl");
        stop.arg("stop").arg("-D").arg(self.data()).args(["-m", how, "-s", "-w"]);
        let _ = stop.stderr(Stdio::null()).status();
        if let Some(mut server) = self.server.take() {
            let _ = server.wait();
        }
    }

    /// A program of PostgreSQL, which refuses to run as root.
    fn command(&self, program: &str) -> Command {
        let path = self.programs.join(program);
        let path = if path.is_file() { path } else { PathBuf::from(program) };
        let mut command = match unprivileged() {
            Some(user) => {
                let mut command = Command::new("setpriv");
                command
                    .args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"])
                    .arg(path);
                command
            }
            None => Command::new(path),
        };
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop("immediate");
    }
}

/// The URL of a PostgreSQL database for tests, which share it: each uses a schema of its own, from [`schema`]. The server is the one
/// that `MATINS_TEST_POSTGRES` names, or one that is started for all tests of this process. `None` where there is none, with a line
/// that says so.
///
/// # Panics
/// As [`Postgres::start`].
pub fn postgres() -> Option<String> {
    static SERVER: OnceLock<Option<String>> = OnceLock::new();
    SERVER.get_or_init(|| std::env::var("MATINS_TEST_POSTGRES").ok().or_else(for_this_process)).clone()
}

/// Starts a server that ends with this process: a shell that waits for the end of its standard input stops it.
fn for_this_process() -> Option<String> {
    let mut server = Postgres::start(&["fsync=off", "max_connections=200"])?;
    let url = server.url("postgres");
    let mut stop = Command::new("sh");
    let script = "cat >/dev/null; kill -QUIT \"$1\" 2>/dev/null; while kill -0 \"$1\" 2>/dev/null; do :; done; rm -rf \"$2\"";
    let process = server.server.as_ref().map_or(0, Child::id).to_string();
    stop.args(["-c", script, "stop"]).arg(process).arg(server.directory.path());
    let keeper = stop.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    server.directory.disable_cleanup(true);
    // The pipe is closed by the end of this process, whatever ends it.
    std::mem::forget(keeper.expect("a shell"));
    std::mem::forget(server);
    Some(url)
}

/// Returns the name of a schema that no other test has.
pub fn schema(test: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let plain: String = test.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(20).collect();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}_{}_{number}", plain.to_ascii_lowercase(), std::process::id())
}

/// Says that tests are skipped.
fn skipped(why: &str) {
    assert!(std::env::var_os("MATINS_TEST_REQUIRE_SERVERS").is_none(), "{why}, and tests need it");
    // Beside what the test harness captures, so that it is seen.
    let _ = io::Write::write_all(&mut io::stderr(), format!("skipped: {why}\n").as_bytes());
}

/// The directory of PostgreSQL's programs: on the path, or where Debian has them.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find(|directory| directory.join("initdb").is_file());
    on_path.map(|directory| fs::canonicalize(directory.join("initdb")).unwrap_or(directory)).map_or_else(
        || {
            let debian = fs::read_dir("/usr/lib/postgresql").ok()?;
            let mut versions: Vec<PathBuf> =
                debian.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
            versions.sort();
            versions.into_iter().rev().find(|bin| bin.join("initdb").is_file())
        },
        |initdb| initdb.parent().map(Path::to_path_buf),
    )
}

/// Whom root runs the server as.
fn unprivileged() -> Option<String> {
    let user = Command::new("id").arg("-u").output().ok()?.stdout;
    (String::from_utf8_lossy(&user).trim() == "0").then(|| "65534".to_owned())
}
