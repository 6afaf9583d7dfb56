//! Servers for tests: one that the environment names, or one of the test's own.
//!
//! `MATINS_TEST_POSTGRES` names a PostgreSQL server, as `postgres://USER@HOST/DATABASE`. Without it the tests start one of their own from
//! installed programs, in a temporary directory. If none are installed, they are skipped and say so in a line; with
//! `MATINS_TEST_REQUIRE_SERVERS` set they fail instead.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to start.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// A PostgreSQL server of a test's own, in a temporary directory. It listens on a socket there, and nowhere else unless it is started
/// [on the loopback address](Self::start_on_loopback). It is stopped when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    directory: tempfile::TempDir,
    programs: PathBuf,
    server: Option<Child>,
    settings: Vec<String>,
    port: Option<u16>,
}

impl Postgres {
    /// Starts a server, with settings such as `fsync=off`. `None` where PostgreSQL is not installed, with a line that says so.
    ///
    /// # Panics
    /// If it is installed and does not start, or if it is not installed and `MATINS_TEST_REQUIRE_SERVERS` is set.
    pub fn start(settings: &[&str]) -> Option<Self> {
        Self::start_at(settings, None)
    }

    /// As [`start`](Self::start), and the server also listens at a free port of 127.0.0.1.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_on_loopback(settings: &[&str]) -> Option<Self> {
        Self::start_at(settings, Some(free_port()))
    }

    fn start_at(settings: &[&str], port: Option<u16>) -> Option<Self> {
        let Some(programs) = programs() else {
            skipped("PostgreSQL is not installed (there is no initdb)");
            return None;
        };
        let mut server = Self::in_directory(programs, settings, port);
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

    fn in_directory(programs: PathBuf, settings: &[&str], port: Option<u16>) -> Self {
        let directory = tempfile::Builder::new().prefix("matins-postgres-").tempdir().expect("a directory");
        give_to_unprivileged(directory.path());
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        Self { directory, programs, server: None, settings, port }
    }

    /// Starts a standby server that follows this one by streaming replication. `source` is where it finds this server: its
    /// [address](Self::address), or that of a proxy. It listens at a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If the standby does not start.
    #[must_use = "it is stopped when it is dropped"]
    pub fn standby(&self, source: SocketAddr, settings: &[&str]) -> Self {
        let mut standby = Self::in_directory(self.programs.clone(), settings, Some(free_port()));
        let from = format!("host={} port={} user=matins", source.ip(), source.port());
        let mut copy = standby.command("pg_basebackup");
        copy.args(["-d", &from, "-R", "-X", "stream", "-c", "fast", "--no-sync", "-D"]).arg(standby.data());
        let copied = copy.output().expect("pg_basebackup runs");
        assert!(copied.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&copied.stderr));
        standby.run();
        standby
    }

    /// Makes a standby server a primary one, and waits until it takes writes.
    ///
    /// # Panics
    /// If it does not.
    pub fn promote(&self) {
        let mut promote = self.command("pg_ctl");
        promote.args(["promote", "-w", "-s", "-D"]).arg(self.data());
        let promoted = promote.output().expect("pg_ctl runs");
        assert!(promoted.status.success(), "pg_ctl promote: {}", String::from_utf8_lossy(&promoted.stderr));
    }

    /// Where it listens, if that is not only its socket.
    pub fn address(&self) -> Option<SocketAddr> {
        self.port.map(|port| (Ipv4Addr::LOCALHOST, port).into())
    }

    /// Runs statements in the database `postgres`, and returns the rows of the last one as texts.
    ///
    /// # Errors
    /// What the server or `psql` says. The server may be stopped.
    pub fn query(&self, sql: &str) -> Result<Vec<Vec<String>>, String> {
        let mut psql = self.command("psql");
        psql.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-F",
            "\u{1f}",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "matins",
            "-d",
            "postgres",
        ]);
        psql.arg("-h").arg(self.socket()).args(self.port_option()).args(["-c", sql]);
        let answer = psql.output().map_err(|error| format!("psql: {error}"))?;
        if !answer.status.success() {
            return Err(String::from_utf8_lossy(&answer.stderr).into_owned());
        }
        let rows = String::from_utf8_lossy(&answer.stdout);
        Ok(rows.lines().map(|row| row.split('\u{1f}').map(str::to_owned).collect()).collect())
    }

    fn port_option(&self) -> Vec<String> {
        self.port.map(|port| format!("-p{port}")).into_iter().collect()
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
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("postgres://matins@{host}{port}/{database}")
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
            .args([
                "-c",
                if self.port.is_some() { "listen_addresses=127.0.0.1" } else { "listen_addresses=" },
            ])
            .args(self.port_option());
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
        ready.arg("-q").arg("-h").arg(self.directory.path()).args(self.port_option());
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
        let mut command = unprivileged_command(if path.is_file() { path } else { PathBuf::from(program) });
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
/// that `MATINS_TEST_POSTGRES` names, or one that is started for all tests of this process. `None` if no server can be had, with a line
/// that says so.
///
/// # Panics
/// As [`Postgres::start`].
pub fn postgres() -> Option<String> {
    static SERVER: OnceLock<Option<String>> = OnceLock::new();
    SERVER.get_or_init(|| std::env::var("MATINS_TEST_POSTGRES").ok().or_else(for_this_process)).clone()
}

/// Starts a server that ends with this process.
fn for_this_process() -> Option<String> {
    let mut server = Postgres::start(&["fsync=off", "max_connections=200"])?;
    let url = server.url("postgres");
    end_with_this_process(server.server.as_ref().map_or(0, Child::id), server.directory.path());
    server.directory.disable_cleanup(true);
    std::mem::forget(server);
    Some(url)
}

/// Has a shell that waits for the end of its standard input end a server then, and remove its directory.
pub(crate) fn end_with_this_process(server: u32, directory: &Path) {
    let mut stop = Command::new("sh");
    // One that does not end by itself within five seconds is killed.
    let script = "cat >/dev/null; kill -QUIT \"$1\" 2>/dev/null; tries=0; \
        while kill -0 \"$1\" 2>/dev/null && [ $tries -lt 50 ]; do tries=$((tries + 1)); sleep 0.1; done; \
        kill -KILL \"$1\" 2>/dev/null; rm -rf \"$2\"";
    stop.args(["-c", script, "stop", &server.to_string()]).arg(directory);
    let keeper = stop.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    // The pipe is closed by the end of this process, whatever ends it.
    std::mem::forget(keeper.expect("a shell"));
}

/// Returns the name of a schema that no other test has.
pub fn schema(test: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let plain: String = test.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(20).collect();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}_{}_{number}", plain.to_ascii_lowercase(), std::process::id())
}

/// A port of 127.0.0.1 at which nobody listens.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("its address").port()
}

/// Lets whom servers run as write to a directory.
pub(crate) fn give_to_unprivileged(directory: &Path) {
    if let Some(user) = unprivileged() {
        let owned = Command::new("chown").arg(&user).arg(directory).status();
        assert!(owned.is_ok_and(|status| status.success()), "the directory is given to {user}");
    }
}

/// A program that refuses to run as root.
pub(crate) fn unprivileged_command(program: PathBuf) -> Command {
    let Some(user) = unprivileged() else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"]).arg(program);
    command
}

/// Says that tests are skipped, and why.
///
/// # Panics
/// If `MATINS_TEST_REQUIRE_SERVERS` is set.
pub fn skipped(why: &str) {
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
