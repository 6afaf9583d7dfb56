//! Daemons that share one database while they are killed, stopped and restarted, and the database with them. Afterwards the books are
//! checked: in the database, and in a file to which each run has appended its number.
//!
//! `MATINS_CLUSTER_SECONDS` says how long the disturbance lasts (default: 60), and `MATINS_CLUSTER_SEED` repeats one:
//! `MATINS_CLUSTER_SECONDS=3600 cargo test --release -p matins-cli --test cluster -- --nocapture`.

mod cluster_books;
mod cluster_nodes;
mod daemon_process;

use std::path::Path;
use std::time::{Duration, Instant};

use matins_conformance::servers::Postgres;

use cluster_books::{Books, Rules};
use cluster_nodes::{CONFIGURATION, Node, Random, alone, wait_for_answer};

const LEASE: Duration = Duration::from_secs(2);
const NODES: usize = 4;

/// Jobs of each kind. `version` is in what their commands write, so that a changed configuration changes them all.
const JOBS: [(&str, &str, &str); 12] = [
    ("skip", "every = \"1s\"", "sleep 0.4"),
    ("slow", "every = \"700ms\"", "sleep 1.2"),
    ("again", "every = \"1s\"\non_interrupt = \"run_again\"", "sleep 0.3"),
    ("queue", "every = \"1s\"\noverlap = \"queue_one\"", "sleep 0.9"),
    ("allow", "every = \"600ms\"\noverlap = { allow = 2 }", "sleep 1"),
    ("retry", "every = \"2s\"\nretry = { times = 2, wait = \"300ms\" }", "[ $((MATINS_RUN % 3)) = 0 ]"),
    ("count", "every = \"1s\"\nmax_runs = 1000000", "true"),
    ("delay", "every = \"1s\"\ndelay = \"700ms\"", "sleep 0.2"),
    ("after", "after = \"skip\"\noverlap = \"queue_one\"", "sleep 0.1"),
    ("group-1", "every = \"1s\"\ngroup = { name = \"shared\", limit = 2 }", "sleep 0.6"),
    (
        "group-2",
        "every = \"1s\"\ngroup = { name = \"shared\", limit = 2 }\noverlap = \"queue_one\"",
        "sleep 0.5",
    ),
    ("group-3", "every = \"1s\"\ngroup = { name = \"shared\", limit = 2 }\npriority = 5", "sleep 0.4"),
];

fn configuration(version: u32, record: &Path) -> String {
    let record = record.display();
    let job = |(id, keys, work): &(&str, &str, &str)| {
        let line = "$MATINS_RUN $MATINS_JOB $MATINS_ATTEMPT $MATINS_SCHEDULED";
        format!("[jobs.{id}]\n{keys}\nshell = '''echo \"{line} {version}\" >> {record}; {work}'''\n")
    };
    let jobs: String = JOBS.iter().map(job).collect();
    format!("[ledger]\nruns_per_job = \"all\"\ndays = \"all\"\n{jobs}")
}

/// Whole at any time: a daemon that starts meanwhile reads this one or the one before.
fn write_configuration(directory: &Path, version: u32) {
    let new = directory.join("new");
    std::fs::write(&new, configuration(version, &directory.join("record"))).expect("written");
    std::fs::rename(new, directory.join(CONFIGURATION)).expect("renamed");
}

fn rules() -> Rules {
    let mut rules = Rules::default();
    for (id, millis) in [
        ("skip", 1000),
        ("slow", 700),
        ("again", 1000),
        ("queue", 1000),
        ("allow", 600),
        ("retry", 2000),
        ("count", 1000),
        ("group-1", 1000),
        ("group-2", 1000),
        ("group-3", 1000),
    ] {
        rules.periods.insert(id, Duration::from_millis(millis));
    }
    rules.limits.insert("allow", 2);
    rules.groups.insert("shared", 2);
    rules.chains.push(("skip", "after"));
    rules.counted.push("count");
    rules
}

/// What has been done to them.
#[derive(Debug, Default)]
struct Done {
    kills: u32,
    stops: u32,
    restarts: u32,
    server_restarts: u32,
}

#[test]
fn the_books_are_right_after_kills_stops_and_restarts() {
    let _alone = alone();
    let seconds = std::env::var("MATINS_CLUSTER_SECONDS").map_or(60, |text| text.parse().expect("a number"));
    let Some(mut server) = Postgres::start(&["track_commit_timestamp=on", "max_connections=100"]) else {
        return;
    };
    let mut random = Random::from_seed();
    let directory = tempfile::tempdir().expect("a directory");
    let (here, record) = (directory.path(), directory.path().join("record"));
    let books = Books::new("cluster", record.clone());
    books.prepare(&server);
    let mut version = 1;
    write_configuration(here, version);
    let database = server.url("postgres");
    let mut nodes: Vec<Node> =
        (1..=NODES).map(|number| Node::new(&format!("node-{number}"), &database, "cluster", LEASE)).collect();
    for node in &mut nodes {
        node.start(here);
    }

    let (start, mut done) = (Instant::now(), Done::default());
    let length = Duration::from_secs(seconds);
    let mut server_restarts = vec![length / 4, length * 5 / 8];
    let mut changes = vec![length / 8, length / 2, length * 3 / 4];
    while start.elapsed() < length {
        let passed = start.elapsed();
        if server_restarts.first().is_some_and(|at| passed >= *at) {
            server_restarts.remove(0);
            server.stop_at_once();
            server.run();
            done.server_restarts += 1;
        } else if changes.first().is_some_and(|at| passed >= *at) {
            changes.remove(0);
            version += 1;
            write_configuration(here, version);
            for node in &mut nodes {
                node.stop();
                node.start(here);
                done.restarts += 1;
            }
        } else {
            disturb(&mut nodes, &mut random, &mut done);
        }
        let until = Instant::now() + random.millis(100..900);
        while Instant::now() < until {
            let rest = until.saturating_duration_since(Instant::now());
            std::thread::park_timeout(rest.min(Duration::from_millis(50)));
            keep_up(&mut nodes, here);
        }
    }
    println!("{done:?} in {seconds} s");

    // All work again, and have taken over what was left.
    for node in &mut nodes {
        node.resume();
    }
    let limit = Instant::now() + daemon_process::GENEROUS;
    while !nodes.iter_mut().all(|node| node.has_said("Ctrl-C")) {
        assert!(Instant::now() < limit, "one has not started: {}", last_words(&mut nodes));
        keep_up(&mut nodes, here);
        std::thread::yield_now();
    }
    let of_the_dead = "SELECT count(*) FROM cluster.live l WHERE l.node IS NOT NULL AND NOT EXISTS \
        (SELECT FROM cluster.nodes n WHERE n.id = l.node AND n.state <> 'dead' AND n.lease_until > now())";
    // One that was killed last counts as a member until its lease has ended.
    let members = "SELECT count(*) FROM cluster.nodes WHERE state <> 'dead'";
    wait_for_answer(&server, members, &NODES.to_string(), &mut nodes);
    wait_for_answer(&server, of_the_dead, "0", &mut nodes);
    for node in &mut nodes {
        node.stop();
    }
    assert_eq!(books.value(&server, "SELECT count(*) FROM cluster.live WHERE started IS NOT NULL"), "0");
    assert_eq!(books.value(&server, "SELECT count(*) FROM cluster.nodes WHERE state <> 'dead'"), "0");
    let faults = books.audit(&server, &rules());
    assert!(
        faults.is_empty(),
        "{} faults: {:#?}\n{}",
        faults.len(),
        &faults[..faults.len().min(20)],
        last_words(&mut nodes)
    );
}

/// What a killed daemon was running is run again by another one.
#[test]
fn another_takes_over_within_two_leases() {
    let _alone = alone();
    let Some(server) = Postgres::start(&["fsync=off"]) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let here = directory.path();
    let long =
        "[jobs.long]\nevery = \"500ms\"\non_interrupt = \"run_again\"\ncommand = [\"sleep\", \"30\"]\n";
    std::fs::write(here.join(CONFIGURATION), long).expect("written");
    let database = server.url("postgres");
    let mut nodes: Vec<Node> =
        (1..=2).map(|number| Node::new(&format!("node-{number}"), &database, "takeover", LEASE)).collect();
    for node in &mut nodes {
        node.start(here);
    }
    let owner = "SELECT n.label, l.attempt FROM takeover.live l JOIN takeover.nodes n ON n.id = l.node";
    let mut times = Vec::new();
    for attempt in 1..=3 {
        let expected = "SELECT count(*) FROM takeover.live WHERE started IS NOT NULL AND attempt = ";
        let since = Instant::now();
        wait_for_answer(&server, &format!("{expected}{attempt}"), "1", &mut nodes);
        times.push(since.elapsed());
        let running = server.query(owner).expect("it answers").concat();
        let victim = nodes.iter_mut().find(|node| node.label() == running[0]).expect("one of them");
        victim.kill();
        victim.start(here);
    }
    // The first time is that of the first fire.
    times.remove(0);
    let leases: Vec<f64> = times.iter().map(|time| time.as_secs_f64() / LEASE.as_secs_f64()).collect();
    println!("taken over after {leases:.2?} leases");
    for node in &mut nodes {
        node.kill();
    }
    // The goal is two; a machine with other work may take longer.
    assert!(leases.iter().all(|leases| *leases < 4.0), "{leases:?}");
}

fn last_words(nodes: &mut [Node]) -> String {
    nodes.iter_mut().map(Node::last_words).collect::<Vec<_>>().join("\n")
}

/// Kills one, or stops one for longer than its lease.
fn disturb(nodes: &mut [Node], random: &mut Random, done: &mut Done) {
    let victim = random.below(nodes.len() as u64) as usize;
    let node = &mut nodes[victim];
    if random.below(5) < 3 {
        node.kill();
        done.kills += 1;
    } else if node.stopped_until.is_none() && node.is_running() {
        node.pause(Instant::now() + LEASE + random.millis(200..2500));
        done.stops += 1;
    }
}

/// Continues those that were stopped long enough, and starts those that were killed or have ended: the database was not there.
fn keep_up(nodes: &mut [Node], directory: &Path) {
    for node in nodes {
        node.listen();
        if node.stopped_until.is_some_and(|until| Instant::now() >= until) {
            node.resume();
        }
        if node.has_ended() || !node.is_running() {
            node.start(directory);
        }
    }
}
