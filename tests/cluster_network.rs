//! A daemon whose way to the database is cut stops beginning runs within its lease, another takes over, and it comes back when the way is
//! good again. And two daemons share a database by way of `PgBouncer`.

mod cluster_books;
mod cluster_nodes;
mod daemon_process;

use std::path::Path;
use std::time::Duration;

use matins_conformance::pooler;
use matins_conformance::proxy::{Network, Proxy};
use matins_conformance::servers::Postgres;

use cluster_books::{Books, Rules};
use cluster_nodes::{CONFIGURATION, Node, alone, wait_for, wait_for_answer};

const LEASE: Duration = Duration::from_secs(2);

/// Each run writes which daemon has begun it.
fn configuration(record: &Path) -> String {
    let record = record.display();
    let job = |number: u32| {
        format!(
            "[jobs.tick-{number}]\nevery = \"500ms\"\n\
             shell = '''echo \"$MATINS_RUN $MATINS_JOB $MATINS_ATTEMPT $MATINS_SCHEDULED $NODE\" >> {record}'''\n"
        )
    };
    let jobs: String = (1..=3).map(job).collect();
    format!("[ledger]\nruns_per_job = \"all\"\ndays = \"all\"\n{jobs}")
}

fn rules() -> Rules {
    let periods = ["tick-1", "tick-2", "tick-3"].map(|job| (job, Duration::from_millis(500)));
    Rules { periods: periods.into(), ..Rules::default() }
}

/// How many runs a daemon has begun, by what they have written.
fn begun_by(record: &Path, node: &str) -> usize {
    let record = std::fs::read_to_string(record).unwrap_or_default();
    record.lines().filter(|line| line.ends_with(&format!(" {node}"))).count()
}

fn cut_off(network: Network) {
    let _alone = alone();
    let Some(server) = Postgres::start_on_loopback(&["fsync=off", "track_commit_timestamp=on"]) else {
        return;
    };
    let proxy = Proxy::to(server.address().expect("an address")).expect("a proxy");
    let directory = tempfile::tempdir().expect("a directory");
    let (here, record) = (directory.path(), directory.path().join("record"));
    std::fs::write(here.join(CONFIGURATION), configuration(&record)).expect("written");
    let books = Books::new("network", record.clone());
    books.prepare(&server);
    let by_proxy = format!("postgres://matins@{}/postgres", proxy.address());
    let mut nodes = [
        Node::new("cut", &by_proxy, "network", LEASE),
        Node::new("near", &server.url("postgres"), "network", LEASE),
    ];
    for node in &mut nodes {
        node.start(here);
    }
    wait_for("runs of both", &mut nodes, |_| begun_by(&record, "cut") >= 3 && begun_by(&record, "near") >= 3);

    proxy.set(network);
    let is_dead = "SELECT count(*) FROM network.nodes WHERE label = 'cut' AND state <> 'dead'";
    wait_for_answer(&server, is_dead, "0", &mut nodes);
    // From now on what it began is others'; and it had stopped beginning before.
    let (of_cut, of_near) = (begun_by(&record, "cut"), begun_by(&record, "near"));
    wait_for("runs of the other one", &mut nodes, |_| begun_by(&record, "near") >= of_near + 20);
    assert_eq!(begun_by(&record, "cut"), of_cut, "it begins runs although it was declared dead");

    proxy.set(Network::Good);
    wait_for_answer(&server, is_dead, "1", &mut nodes);
    wait_for("a run of the one that is back", &mut nodes, |_| begun_by(&record, "cut") > of_cut);
    for node in &mut nodes {
        node.stop();
    }
    let faults = books.audit(&server, &rules());
    assert!(faults.is_empty(), "{faults:#?}\n{}", nodes[0].last_words());
}

#[test]
fn a_daemon_whose_connections_are_refused_leaves_its_runs_to_others_and_comes_back() {
    cut_off(Network::Down);
}

#[test]
fn a_daemon_whose_requests_are_lost_leaves_its_runs_to_others_and_comes_back() {
    cut_off(Network::LosesRequests);
}

#[test]
fn a_daemon_that_hears_no_answers_leaves_its_runs_to_others_and_comes_back() {
    cut_off(Network::LosesAnswers);
}

#[test]
fn a_daemon_with_a_slow_way_to_the_database_keeps_its_lease() {
    let _alone = alone();
    let Some(server) = Postgres::start_on_loopback(&["fsync=off", "track_commit_timestamp=on"]) else {
        return;
    };
    let proxy = Proxy::to(server.address().expect("an address")).expect("a proxy");
    let directory = tempfile::tempdir().expect("a directory");
    let (here, record) = (directory.path(), directory.path().join("record"));
    std::fs::write(here.join(CONFIGURATION), configuration(&record)).expect("written");
    let books = Books::new("slow", record.clone());
    books.prepare(&server);
    let by_proxy = format!("postgres://matins@{}/postgres", proxy.address());
    let mut nodes = [Node::new("far", &by_proxy, "slow", LEASE)];
    nodes[0].start(here);
    wait_for("a run", &mut nodes, |_| begun_by(&record, "far") >= 3);
    proxy.set(Network::Slow(Duration::from_millis(80)));
    let before = begun_by(&record, "far");
    wait_for("more runs", &mut nodes, |_| begun_by(&record, "far") >= before + 15);
    nodes[0].stop();
    assert_eq!(books.value(&server, "SELECT count(*) FROM slow.nodes"), "1", "it has not joined again");
    let faults = books.audit(&server, &rules());
    assert!(faults.is_empty(), "{faults:#?}\n{}", nodes[0].last_words());
}

#[test]
fn daemons_share_a_database_by_way_of_a_pool_of_connections() {
    let _alone = alone();
    let Some(server) = Postgres::start_on_loopback(&["fsync=off", "track_commit_timestamp=on"]) else {
        return;
    };
    let Some(pool) = pooler::in_front_of(&server.url("postgres")) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let (here, record) = (directory.path(), directory.path().join("record"));
    std::fs::write(here.join(CONFIGURATION), configuration(&record)).expect("written");
    let books = Books::new("pool", record.clone());
    books.prepare(&server);
    let mut nodes = ["one", "two"].map(|label| Node::new(label, &pool, "pool", LEASE));
    for node in &mut nodes {
        node.start(here);
    }
    wait_for("runs of both", &mut nodes, |_| {
        begun_by(&record, "one") >= 10 && begun_by(&record, "two") >= 10
    });
    nodes[0].kill();
    let is_dead = "SELECT count(*) FROM pool.nodes WHERE label = 'one' AND state <> 'dead'";
    wait_for_answer(&server, is_dead, "0", &mut nodes);
    nodes[0].start(here);
    let before = begun_by(&record, "one");
    wait_for("a run of the one that is back", &mut nodes, |_| begun_by(&record, "one") > before);
    for node in &mut nodes {
        node.stop();
    }
    let faults = books.audit(&server, &rules());
    assert!(faults.is_empty(), "{faults:#?}\n{}", nodes[0].last_words());
}

/// The message says what to upgrade.
#[test]
fn a_daemon_of_an_older_format_is_told_to_be_upgraded() {
    let Some(server) = Postgres::start(&["fsync=off"]) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join(CONFIGURATION), daemon_process::QUIET).expect("written");
    Books::new("format", directory.path().join("record")).prepare(&server);
    server.query("UPDATE format.meta SET format = 99, min_format = 99").expect("written");
    let store = format!("{}?schema=format", server.url("postgres"));
    let output = daemon_process::output(directory.path(), &["run", CONFIGURATION, "--store", &store]);
    let told = daemon_process::text(&output.stderr);
    assert!(
        !output.status.success() && told.contains("has format 99") && told.contains("use a newer program"),
        "{told}"
    );
}
