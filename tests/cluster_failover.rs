//! The database's primary server dies, and its standby takes its place: with synchronous replication nothing is lost; with asynchronous
//! replication what is lost is noticed and told, and the numbers of runs continue above those that were lost.

mod cluster_books;
mod cluster_nodes;
mod daemon_process;

use std::path::Path;
use std::time::Duration;

use matins_conformance::proxy::{Network, Proxy};
use matins_conformance::servers::Postgres;

use cluster_books::{Books, Rules};
use cluster_nodes::{CONFIGURATION, Node, alone, wait_for, wait_for_answer};

const LEASE: Duration = Duration::from_secs(2);
const SETTINGS: [&str; 2] = ["track_commit_timestamp=on", "wal_receiver_timeout=5s"];

fn configuration(record: &Path) -> String {
    let record = record.display();
    let job = |number: u32| {
        format!(
            "[jobs.tick-{number}]\nevery = \"500ms\"\n\
             shell = '''echo \"$MATINS_RUN $MATINS_JOB\" >> {record}; sleep 0.2'''\n"
        )
    };
    let jobs: String = (1..=3).map(job).collect();
    format!("[ledger]\nruns_per_job = \"all\"\ndays = \"all\"\n{jobs}")
}

fn rules() -> Rules {
    let periods = ["tick-1", "tick-2", "tick-3"].map(|job| (job, Duration::from_millis(500)));
    Rules { periods: periods.into(), ..Rules::default() }
}

fn begun(record: &Path) -> usize {
    std::fs::read_to_string(record).unwrap_or_default().lines().count()
}

fn number(server: &Postgres, sql: &str) -> i64 {
    let rows = server.query(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.concat().concat().parse().unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn fail_over(synchronous: bool) {
    let _alone = alone();
    let Some(mut primary) = Postgres::start_on_loopback(&SETTINGS) else { return };
    let replication = Proxy::to(primary.address().expect("an address")).expect("a proxy");
    let standby = primary.standby(replication.address(), &SETTINGS);
    let state = if synchronous {
        primary.query("ALTER SYSTEM SET synchronous_standby_names = '*'").expect("set");
        primary.query("SELECT pg_reload_conf()").expect("read");
        "sync"
    } else {
        "async"
    };
    let follows = format!(
        "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = '{state}'"
    );
    wait_for_answer(&primary, &follows, "1", &mut []);

    let directory = tempfile::tempdir().expect("a directory");
    let (here, record) = (directory.path(), directory.path().join("record"));
    std::fs::write(here.join(CONFIGURATION), configuration(&record)).expect("written");
    let books = Books::new("failover", record.clone());
    books.prepare(&primary);
    let place = |server: &Postgres| server.address().expect("an address").to_string();
    let database = format!(
        "postgres://matins@{},{}/postgres?target_session_attrs=read-write",
        place(&primary),
        place(&standby)
    );
    let mut nodes = ["one", "two"].map(|label| Node::new(label, &database, "failover", LEASE));
    for node in &mut nodes {
        node.start(here);
    }
    wait_for("runs", &mut nodes, |_| begun(&record) >= 20);

    let mut last_number = 0;
    if !synchronous {
        // So much is acknowledged that the standby never gets.
        let beats = "SELECT coalesce(min(beat), 0) FROM failover.nodes WHERE state = 'up'";
        replication.set(Network::Down);
        let (beat, before) = (number(&primary, beats), begun(&record));
        let has_more = |_: &mut [Node]| number(&primary, beats) >= beat + 4 && begun(&record) >= before + 10;
        wait_for("what will be lost", &mut nodes, has_more);
        last_number = number(&primary, "SELECT last_value FROM failover.run_ids");
    }
    primary.stop_at_once();
    let before = begun(&record);
    standby.promote();

    if synchronous {
        wait_for("runs after the failover", &mut nodes, |_| begun(&record) >= before + 20);
        assert!(
            nodes.iter_mut().all(|node| !node.has_said("has lost what was committed")),
            "nothing is lost"
        );
    } else {
        let notice =
            |nodes: &mut [Node]| nodes.iter_mut().all(|node| node.has_said("has lost what was committed"));
        wait_for("both to notice the loss", &mut nodes, notice);
        wait_for("runs after the failover", &mut nodes, |_| begun(&record) >= before + 20);
        assert!(number(&standby, "SELECT generation FROM failover.meta") > 1);
        let first = number(&standby, &format!("SELECT min(id) FROM failover.begun WHERE id > {last_number}"));
        assert!(
            first > 1_000_000,
            "numbers go on far above those that were lost: {first} after {last_number}"
        );
    }
    for node in &mut nodes {
        node.stop();
    }
    let mut faults = books.audit(&standby, &rules());
    if !synchronous {
        // Of what is lost, the file has lines and the ledger has no rows.
        faults.retain(|fault| !fault.starts_with("a run that has not begun has written"));
    }
    let words: Vec<String> = nodes.iter_mut().map(Node::last_words).collect();
    assert!(faults.is_empty(), "{faults:#?}\n{}", words.join("\n"));
}

#[test]
fn nothing_is_lost_with_synchronous_replication() {
    fail_over(true);
}

#[test]
fn what_asynchronous_replication_loses_is_noticed_and_told() {
    fail_over(false);
}
