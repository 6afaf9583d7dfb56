//! A deployment in which the new process starts before the old one has ended: it waits for the store, and gets it however the old
//! process ends; or it gives up in time, and says who has the store.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use matins::{FileStore, JobQuery, JobStore, SqliteStore, StoreError};

const GENEROUS: Duration = Duration::from_secs(60);

fn open(kind: &str, path: &Path, wait: Duration) -> Result<Box<dyn JobStore>, StoreError> {
    Ok(match kind {
        "file" => Box::new(FileStore::options().wait_for_owner(wait).open(path)?),
        _ => Box::new(SqliteStore::options().wait_for_owner(wait).open(path)?),
    })
}

/// A process that has the store open until its standard input ends.
struct Owner {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Owner {
    fn start(kind: &str, path: &Path, wait: Duration) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "the_child", "--nocapture"])
            .env("MATINS_OWNER_KIND", kind)
            .env("MATINS_OWNER_PATH", path)
            .env("MATINS_OWNER_WAIT", wait.as_millis().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Waits for a line that has these words.
    fn says(&mut self, words: &str) -> String {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "it ended without {words:?}");
        }
        line
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Not a test: the process that the tests start.
#[test]
fn the_child() {
    let Ok(kind) = env::var("MATINS_OWNER_KIND") else { return };
    let path = env::var_os("MATINS_OWNER_PATH").unwrap();
    let wait = env::var("MATINS_OWNER_WAIT").unwrap().parse().map(Duration::from_millis).unwrap();
    if let Err(error) = open(&kind, path.as_ref(), Duration::ZERO) {
        println!("refused: {error}");
    }
    match open(&kind, path.as_ref(), wait) {
        Ok(mut store) => {
            println!("owned, with {} jobs", store.count(&JobQuery::default()).unwrap());
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        }
        Err(error) => println!("gave up: {error}"),
    }
}

fn hands_over(kind: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs");
    for (number, end) in [Owner::end as fn(Owner), Owner::kill].into_iter().enumerate() {
        let mut first = Owner::start(kind, &path, GENEROUS);
        first.says("owned");
        let mut second = Owner::start(kind, &path, GENEROUS);
        let refused = second.says("refused");
        assert!(refused.contains(&format!("process {} ", first.child.id())), "{refused}");
        end(first);
        second.says(&format!("owned, with {number} jobs"));
        second.end();
        let job = matins_conformance::store_suite::job(&format!("job {number}"), None);
        open(kind, &path, GENEROUS).unwrap().add(job, matins::OnConflict::Refuse).unwrap();
    }
}

#[test]
fn a_file_store_goes_to_the_next_process_when_the_first_ends_or_is_killed() {
    hands_over("file");
}

#[test]
fn a_sqlite_store_goes_to_the_next_process_when_the_first_ends_or_is_killed() {
    hands_over("sqlite");
}

#[test]
fn a_process_that_waited_in_vain_says_for_whom_and_how_long() {
    let directory = tempfile::tempdir().unwrap();
    for kind in ["file", "sqlite"] {
        let path = directory.path().join(kind);
        let first = open(kind, &path, Duration::ZERO).unwrap();
        let gave_up = Owner::start(kind, &path, Duration::from_millis(150)).says("gave up");
        assert!(gave_up.contains(&format!("process {} ", std::process::id())), "{gave_up}");
        assert!(gave_up.contains("; waited 150ms for it to end; "), "{gave_up}");
        drop(first);
    }
}

/// What is wrong with a store is found after the wait as it would have been before it.
#[test]
fn a_store_that_was_replaced_meanwhile_is_looked_at_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let mut first = Owner::start("sqlite", &path, GENEROUS);
    first.says("owned");
    let mut second = Owner::start("sqlite", &path, GENEROUS);
    second.says("refused");
    std::fs::write(directory.path().join("other"), "name,when\nbackup,daily\n").unwrap();
    std::fs::rename(directory.path().join("other"), &path).unwrap();
    let gave_up = second.says("gave up");
    assert!(gave_up.contains("is damaged: it is not a SQLite database"), "{gave_up}");
    first.kill();
}
