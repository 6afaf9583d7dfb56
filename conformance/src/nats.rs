//! A NATS server for tests: the one that `MATINS_TEST_NATS` names, or one of the test's own with JetStream, in a temporary directory.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::servers::{end_with_this_process, free_port, skipped};

/// How long it may take to start.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// A NATS server of a test's own, at a port of 127.0.0.1. It is stopped when this is dropped.
#[derive(Debug)]
pub struct Nats {
    directory: tempfile::TempDir,
    program: PathBuf,
    server: Option<Child>,
    port: u16,
}

impl Nats {
    /// Starts a server. `settings` are lines for its configuration, beside the port and the directory of JetStream. `None` where
    /// nats-server is not installed, with a line that says so.
    ///
    /// # Panics
    /// If it is installed and does not start, or if it is not installed and `MATINS_TEST_REQUIRE_SERVERS` is set.
    pub fn start(settings: &str) -> Option<Self> {
        let Some(program) = program() else {
            skipped("nats-server is not installed");
            return None;
        };
        let directory = tempfile::Builder::new().prefix("matins-nats-").tempdir().expect("a directory");
        let mut server = Self { directory, program, server: None, port: free_port() };
        let configuration = format!(
            "listen: 127.0.0.1:{}\njetstream {{ store_dir: \"{}\" }}\n{settings}\n",
            server.port,
            server.directory.path().join("jetstream").display()
        );
        fs::write(server.configuration(), configuration).expect("written");
        server.run();
        Some(server)
    }

    fn configuration(&self) -> PathBuf {
        self.directory.path().join("nats.conf")
    }

    /// Returns its directory, for files that its settings name.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns its address, for clients that need no credentials.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Runs the server, and waits until it takes connections. With the same files, if it has run before.
    ///
    /// # Panics
    /// If it does not within half a minute.
    pub fn run(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.directory.path().join("log"));
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(self.configuration()).stdin(Stdio::null()).stdout(Stdio::null());
        let mut server = command.stderr(log.expect("a log")).spawn().expect("nats-server runs");
        let until = Instant::now() + STARTS_WITHIN;
        // It listens once it has read its files.
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let has_ended = server.try_wait().is_ok_and(|ended| ended.is_some());
            if has_ended || Instant::now() >= until {
                let _ = server.kill();
                let _ = server.wait();
                panic!("nats-server does not listen: {}", self.log());
            }
            thread::yield_now();
        }
        self.server = Some(server);
    }

    /// Returns what it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Kills the server: it is [run](Self::run) again with what is in its files.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The address of a NATS server for tests, which share it: each uses a namespace of its own. It is the one that `MATINS_TEST_NATS` names,
/// or one that is started for all tests of this process. `None` if no server can be had, with a line that says so.
///
/// # Panics
/// As [`Nats::start`].
pub fn nats() -> Option<String> {
    static SERVER: OnceLock<Option<String>> = OnceLock::new();
    SERVER.get_or_init(|| std::env::var("MATINS_TEST_NATS").ok().or_else(for_this_process)).clone()
}

fn for_this_process() -> Option<String> {
    let mut server = Nats::start("")?;
    let url = server.url();
    end_with_this_process(server.server.as_ref().map_or(0, Child::id), server.directory.path());
    server.directory.disable_cleanup(true);
    std::mem::forget(server);
    Some(url)
}

/// Returns the server's program: on the path, or where Debian has it.
pub fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    places.push(Path::new("/usr/sbin").to_owned());
    places.into_iter().map(|place| place.join("nats-server")).find(|program| program.is_file())
}
