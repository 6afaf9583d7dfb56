//! Daemons that share one database, and the server under them.
// Each test uses a part of it.
#![allow(dead_code)]

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use matins_conformance::servers::Postgres;
use rustix::process::Signal;

use crate::daemon_process::{Daemon, GENEROUS};

/// The configuration of all daemons, in their directory. It has one path, so that each takes the jobs for those of its own file.
pub(crate) const CONFIGURATION: &str = "cluster.toml";

/// One test at a time: each measures what daemons do within their leases.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A daemon, or the place of one.
pub(crate) struct Node {
    label: String,
    store: String,
    daemon: Option<Daemon>,
    /// It was stopped by a signal until then.
    pub(crate) stopped_until: Option<Instant>,
    /// What it has printed.
    printed: Vec<String>,
}

impl Node {
    /// A daemon that is not running yet, with a database as `postgres://HOST/DATABASE`.
    pub(crate) fn new(label: &str, database: &str, schema: &str, lease: Duration) -> Self {
        let separator = if database.contains('?') { '&' } else { '?' };
        let lease = lease.as_millis();
        let store = format!("{database}{separator}schema={schema}&lease={lease}ms&label={label}");
        Self { label: label.to_owned(), store, daemon: None, stopped_until: None, printed: Vec::new() }
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn is_running(&self) -> bool {
        self.daemon.is_some()
    }

    pub(crate) fn start(&mut self, directory: &Path) {
        assert!(self.daemon.is_none(), "{} is running already", self.label);
        self.printed.push("-- started".to_owned());
        let arguments = ["run", CONFIGURATION, "--store", &self.store];
        // Commands see it too.
        self.daemon = Some(Daemon::start_with(directory, &arguments, &[("NODE", &self.label)]));
    }

    /// Takes in what it has printed.
    pub(crate) fn listen(&mut self) {
        if let Some(daemon) = &self.daemon {
            self.printed.extend(daemon.lines.try_iter());
        }
    }

    /// Whether it has printed a line with these words since it was started last.
    pub(crate) fn has_said(&mut self, words: &str) -> bool {
        self.listen();
        let since = self.printed.iter().rposition(|line| line == "-- started").unwrap_or(0);
        self.printed[since..].iter().any(|line| line.contains(words))
    }

    /// The last lines that it has printed.
    pub(crate) fn last_words(&mut self) -> String {
        self.listen();
        let from = self.printed.len().saturating_sub(40);
        format!("{}:\n  {}", self.label, self.printed[from..].join("\n  "))
    }

    /// Starts it again if it has ended by itself. Returns whether it had.
    pub(crate) fn has_ended(&mut self) -> bool {
        let ended = self
            .daemon
            .as_mut()
            .is_some_and(|daemon| daemon.child.try_wait().is_ok_and(|ended| ended.is_some()));
        if ended {
            self.listen();
            self.daemon = None;
        }
        ended
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.listen();
        self.printed.push("-- killed".to_owned());
        self.stopped_until = None;
        // It is killed, and waited for, when it is dropped.
        self.daemon = None;
    }

    pub(crate) fn pause(&mut self, until: Instant) {
        if let Some(daemon) = &self.daemon {
            daemon.signal(Signal::STOP);
            self.stopped_until = Some(until);
        }
    }

    pub(crate) fn resume(&mut self) {
        if let Some(daemon) = self.daemon.as_ref().filter(|_| self.stopped_until.take().is_some()) {
            daemon.signal(Signal::CONT);
        }
    }

    /// Stops it in order, and waits until it has ended.
    pub(crate) fn stop(&mut self) {
        self.resume();
        let Some(mut daemon) = self.daemon.take() else { return };
        if daemon.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            daemon.signal(Signal::TERM);
        }
        let limit = Instant::now() + GENEROUS;
        while daemon.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.printed.extend(daemon.lines.recv_timeout(Duration::from_millis(20)).ok());
            assert!(Instant::now() < limit, "it does not stop: {}", self.last_words());
        }
        self.printed.extend(daemon.lines.iter());
    }
}

/// Waits until a query returns `expected` as its only value. The server may be restarting meanwhile.
#[track_caller]
pub(crate) fn wait_for_answer(server: &Postgres, sql: &str, expected: &str, nodes: &mut [Node]) {
    let limit = Instant::now() + GENEROUS;
    loop {
        let answer = server.query(sql);
        if answer.as_ref().is_ok_and(|rows| rows.len() == 1 && rows[0][0] == expected) {
            return;
        }
        assert!(
            Instant::now() < limit,
            "{sql}: {answer:?}, and not {expected}; {}",
            nodes.iter_mut().map(Node::last_words).collect::<Vec<_>>().join("\n")
        );
        for node in nodes.iter_mut() {
            node.listen();
        }
    }
}

/// Waits until it is so, and listens to the daemons meanwhile.
#[track_caller]
pub(crate) fn wait_for(what: &str, nodes: &mut [Node], mut is_so: impl FnMut(&mut [Node]) -> bool) {
    let limit = Instant::now() + GENEROUS;
    while !is_so(nodes) {
        let mut words = || nodes.iter_mut().map(Node::last_words).collect::<Vec<_>>().join("\n");
        assert!(Instant::now() < limit, "waited for {what}; {}", words());
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Random numbers from a seed that is printed.
pub(crate) struct Random(u64);

impl Random {
    /// From `MATINS_CLUSTER_SEED`, or another one each time.
    pub(crate) fn from_seed() -> Self {
        let seed = std::env::var("MATINS_CLUSTER_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) ^ Self::time());
        println!("MATINS_CLUSTER_SEED={seed}");
        Self(seed)
    }

    fn time() -> u64 {
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one(0) >> 16
    }

    /// `SplitMix64`.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(range.start + self.below(range.end - range.start))
    }
}
