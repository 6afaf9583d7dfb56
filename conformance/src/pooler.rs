//! A pool of connections in front of PostgreSQL, for tests: PgBouncer, which gives each transaction another connection.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::servers::{
    end_with_this_process, free_port, give_to_unprivileged, postgres, skipped, unprivileged_command,
};

/// How long it may take to start.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// The URL of the database [`postgres`] by way of PgBouncer in transaction mode, which is started for all tests of this process. `None`
/// where there is no server or no PgBouncer, with a line that says so.
///
/// # Panics
/// If PgBouncer is installed and does not start, or if it is not installed and `MATINS_TEST_REQUIRE_SERVERS` is set.
pub fn pgbouncer() -> Option<String> {
    static POOLER: OnceLock<Option<String>> = OnceLock::new();
    POOLER.get_or_init(|| in_front_of(&postgres()?)).clone()
}

/// Starts PgBouncer in transaction mode for the database that a URL names, and returns the URL of the pool. It ends with this process.
///
/// # Panics
/// As [`pgbouncer`].
pub fn in_front_of(server: &str) -> Option<String> {
    let Some(program) = program() else {
        skipped("PgBouncer is not installed");
        return None;
    };
    let (connection, database) = connection(server);
    let mut directory = tempfile::Builder::new().prefix("matins-pgbouncer-").tempdir().expect("a directory");
    give_to_unprivileged(directory.path());
    let port = free_port();
    let configuration = format!(
        "[databases]\n{database} = {connection}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
         auth_type = any\npool_mode = transaction\ndefault_pool_size = 20\nmax_client_conn = 500\nserver_reset_query_always = 0\n"
    );
    let file = directory.path().join("pgbouncer.ini");
    fs::write(&file, configuration).expect("written");
    let log = fs::File::create(directory.path().join("log")).expect("a log");
    let mut command = unprivileged_command(program);
    command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut pooler = command.spawn().expect("pgbouncer runs");
    let until = Instant::now() + STARTS_WITHIN;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        let log = || fs::read_to_string(directory.path().join("log")).unwrap_or_default();
        let has_ended = pooler.try_wait().is_ok_and(|ended| ended.is_some());
        if has_ended || Instant::now() >= until {
            let _ = pooler.kill();
            let _ = pooler.wait();
            panic!("PgBouncer does not listen: {}", log());
        }
        thread::yield_now();
    }
    end_with_this_process(pooler.id(), directory.path());
    // A shell ends it.
    std::mem::forget(pooler);
    directory.disable_cleanup(true);
    Some(format!("postgres://matins@127.0.0.1:{port}/{database}"))
}

/// How PgBouncer reaches a server, and the name of the database.
fn connection(server: &str) -> (String, String) {
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    let (account, place) = rest.split_once('@').unwrap_or(("matins", rest));
    let (host, database) = place.split_once('/').unwrap_or((place, "postgres"));
    let (user, password) = account.split_once(':').unwrap_or((account, ""));
    let (host, port) = host.split_once(':').unwrap_or((host, "5432"));
    let database = database.split('?').next().unwrap_or_default();
    let host = host.replace("%2F", "/");
    let password = if password.is_empty() { String::new() } else { format!(" password={password}") };
    (format!("host={host} port={port} dbname={database} user={user}{password}"), database.to_owned())
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    places.push(Path::new("/usr/sbin").to_owned());
    places.into_iter().map(|place| place.join("pgbouncer")).find(|program| program.is_file())
}
