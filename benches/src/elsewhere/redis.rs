//! A Redis server for a bench.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A Redis server in a directory of its own, at a port of 127.0.0.1.
#[derive(Debug)]
pub struct Redis {
    server: Child,
    directory: tempfile::TempDir,
    port: u16,
}

impl Redis {
    /// Starts one; `None` where Redis is not installed. It appends each change to its file, and flushes the file each second.
    ///
    /// # Panics
    /// If it is installed and does not start.
    pub fn start() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr());
        let port = free.expect("a free port").port();
        let log = fs::File::create(directory.path().join("log")).expect("a log");
        let server = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--appendonly", "yes", "--dir"])
            .arg(directory.path())
            .stdin(Stdio::null())
            .stdout(log)
            .spawn()
            .ok()?;
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < until, "redis-server does not listen");
            thread::yield_now();
        }
        Some(Self { server, directory, port })
    }

    /// Returns its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = fs::remove_file(self.directory.path().join("log"));
    }
}
