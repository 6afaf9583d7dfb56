//! The command on a store on PostgreSQL that schedulers share: with no daemon, with one, and with two.

mod daemon_process;

use std::path::Path;
use std::process::{Command, Output};

use matins_conformance::servers::{Postgres, postgres, schema};
use serde_json::{Value, json};
use tempfile::TempDir;

use daemon_process::{Daemon, daemon, done, fails, json_of, matins, output, text, wait_until};

/// A schema of the test's own, and a directory.
struct Shared {
    directory: TempDir,
    url: String,
}

impl Shared {
    /// `None` where there is no PostgreSQL.
    fn of(test: &str) -> Option<Self> {
        let url = format!("{}?schema={}&lease=2s", postgres()?, schema(test));
        Some(Self { directory: tempfile::tempdir().unwrap(), url })
    }

    fn here(&self) -> &Path {
        self.directory.path()
    }

    fn with<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        // Before the command of a job.
        let end = arguments.iter().position(|word| *word == "--").unwrap_or(arguments.len());
        [&arguments[..end], &["--store", &self.url], &arguments[end..]].concat()
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        done(self.here(), &self.with(arguments))
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        json_of(self.here(), &self.with(&[arguments, &["--json"]].concat()))
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str], status: i32, words: &str) {
        fails(self.here(), &self.with(arguments), status, words);
    }

    /// A daemon with a label.
    fn daemon(&self, label: &str) -> Daemon {
        let url = format!("{}&label={label}", self.url);
        daemon(self.here(), &["run", "--store", &url])
    }

    fn nodes(&self) -> Vec<Value> {
        self.json(&["status"])["nodes"].as_array().cloned().unwrap_or_default()
    }
}

#[test]
fn jobs_are_added_changed_and_explained_beside_any_number_of_daemons() {
    for daemons in [0, 1, 2] {
        let Some(shared) = Shared::of("jobs") else { return };
        let running: Vec<Daemon> =
            (0..daemons).map(|number| shared.daemon(&format!("rack-{number}"))).collect();
        let before = shared.nodes().len();
        assert_eq!(before, daemons);

        shared.done(&[
            "add",
            "hello",
            "--cron",
            "0 4 * * *",
            "--timezone",
            "Europe/Berlin",
            "--",
            "echo",
            "hi",
        ]);
        shared.fails(&["add", "hello", "--every", "1h", "--", "true"], 1, "choose another id");
        assert!(shared.done(&["jobs"]).contains("hello"));
        assert_eq!(shared.json(&["job", "hello"])["arguments"]["program"], "echo");
        let edited = shared.json(&["edit", "hello", "--time-limit", "1m"]);
        assert_eq!(edited["policy"]["time_limit"]["secs"], 60);
        let moved = shared.json(&["reschedule", "hello", "--cron", "30 2 * * *"]);
        assert_eq!(moved["trigger"]["zone"], "Europe/Berlin");

        shared.done(&["pause", "hello"]);
        let tomorrow = shared.json(&["why", "hello", "2100-01-01T02:30"]);
        assert_eq!(tomorrow["kind"], "paused");
        assert!(tomorrow["answer"].as_str().unwrap().contains(" by "), "who has paused it: {tomorrow}");
        shared.done(&["resume", "hello"]);

        // By whom it is run: here where there is nobody else.
        let run = shared.json(&["now", "hello", "--wait"]);
        assert_eq!((&run["outcome"], &run["output"]), (&json!("succeeded"), &json!("hi\n")));
        let id = run["id"].as_u64().unwrap().to_string();
        let rows = shared.json(&["runs", "hello"]);
        assert_eq!(rows[0]["id"], run["id"], "{rows}");
        let node = rows[0]["node"].as_str().unwrap();
        assert_eq!(node.starts_with("rack-"), daemons > 0, "{node}");
        assert!(!node.starts_with("scheduler "), "it has a label: {node}");
        assert!(shared.done(&["show-run", &id]).contains(node));
        let due = run["first"].as_str().unwrap();
        let why = shared.json(&["why", "hello", due]);
        assert_eq!(why["node"], rows[0]["node"], "{why}");
        assert!(why["answer"].as_str().unwrap().contains(&format!("was on {node}")), "{why}");

        let kind = shared.json(&["why", "hello", "2100-01-01T02:30"])["kind"].clone();
        assert_eq!(kind, if daemons == 0 { "not_served" } else { "will_fire" });
        shared.done(&["remove", "hello"]);
        shared.fails(&["job", "hello"], 1, "there is no job \"hello\"");
        let up = shared.nodes().iter().filter(|node| node["state"] == "up").count();
        assert_eq!(up, daemons, "no command is left among the schedulers");
        for daemon in running {
            assert!(daemon.stop().success());
        }
    }
}

#[test]
fn a_run_is_cancelled_on_whatever_node_it_is() {
    let Some(shared) = Shared::of("cancel") else { return };
    let (one, two) = (shared.daemon("one"), shared.daemon("two"));
    shared.done(&["add", "long", "--cron", "0 4 * * *", "--", "sleep", "600"]);
    assert!(shared.done(&["now", "long"]).contains("started long"));
    wait_until(|| shared.json(&["status"])["running"][0]["state"] == "running");
    let status = shared.json(&["status"]);
    let id = status["running"][0]["id"].to_string();
    assert!(["one", "two"].contains(&status["running"][0]["node"].as_str().unwrap()), "{status}");
    let due = status["running"][0]["first"].as_str().unwrap();
    let why = shared.json(&["why", "long", due]);
    assert!(why["answer"].as_str().unwrap().contains(" is on "), "{why}");
    assert!(shared.done(&["cancel", &id]).contains("cancelling"));
    wait_until(|| shared.json(&["runs", "long"])[0]["outcome"] == "cancelled");
    shared.fails(&["cancel", &id], 1, "has ended");
    assert!(one.stop().success() && two.stop().success());
}

#[test]
fn status_and_info_show_the_nodes() {
    let Some(shared) = Shared::of("status") else { return };
    assert!(shared.done(&["status"]).contains("none is up"));
    let one = shared.daemon("rack-1");
    let nodes = shared.nodes();
    assert_eq!(nodes.len(), 1, "{nodes:?}");
    let node = &nodes[0];
    assert_eq!((&node["label"], &node["state"]), (&json!("rack-1"), &json!("up")));
    assert_eq!((&node["tasks"], &node["executors"]), (&json!(["command"]), &json!(["default"])));
    assert_eq!(node["version"], env!("CARGO_PKG_VERSION"));
    assert!(!node["tz_database"].as_str().unwrap().is_empty());
    let lease = node["lease_left_seconds"].as_f64().unwrap();
    assert!((0.0..=2.0).contains(&lease), "{lease}");
    wait_until(|| {
        shared.nodes()[0]["clock_offset_seconds"].as_f64().is_some_and(|offset| offset.abs() < 60.0)
    });

    let table = shared.done(&["status"]);
    assert!(table.contains("rack-1") && table.contains("command"), "{table}");
    let info = shared.json(&["store", "info"]);
    assert_eq!(info["shared"]["format"], 1);
    assert!(info["shared"]["server"].as_str().unwrap().starts_with("PostgreSQL "));
    let tables = info["shared"]["tables"].as_array().unwrap();
    assert!(tables.iter().any(|table| table[0] == "runs" && table[1].as_u64().unwrap() > 0), "{info}");
    assert!(shared.done(&["store", "info"]).contains("rack-1"));

    drop(one);
    wait_until(|| shared.nodes()[0]["state"] == "late");
    let two = shared.daemon("rack-2");
    wait_until(|| shared.nodes().iter().any(|node| node["label"] == "rack-1" && node["state"] == "dead"));
    assert!(two.stop().success());
}

/// None takes what another one has just added for jobs from elsewhere.
#[test]
fn daemons_that_start_together_with_one_file_all_start() {
    for round in 0..3 {
        let Some(shared) = Shared::of("together") else { return };
        let here = shared.here();
        std::fs::write(here.join("jobs.toml"), daemon_process::QUIET).unwrap();
        let mut crontab = String::new();
        for line in 0..40 {
            crontab += &format!("0 4 * * * echo {line}\n");
        }
        std::fs::write(here.join("crontab"), crontab).unwrap();
        let arguments = ["run", "jobs.toml", "--crontab", "crontab", "--store", &shared.url];
        let all: Vec<Daemon> = (0..4).map(|_| Daemon::start(here, &arguments)).collect();
        for daemon in &all {
            daemon.wait_for("Ctrl-C");
        }
        assert_eq!(shared.done(&["jobs"]).lines().count(), 41, "round {round}");
        for daemon in all {
            assert!(daemon.stop().success());
        }
        assert!(shared.done(&["status"]).contains("none is up"));
    }
}

/// `why`, the log and an event name a job whose task nobody has; the log of each node says which it is.
#[test]
fn a_job_that_nobody_can_start_is_named() {
    let Some(shared) = Shared::of("unserved") else { return };
    let here = shared.here();
    shared.done(&["add", "report", "--every", "1s", "--", "true"]);
    shared.done(&["export", "all.jsonl"]);
    shared.done(&["remove", "report"]);
    let exported = std::fs::read_to_string(here.join("all.jsonl")).unwrap();
    let other = exported.replace("\"task\":\"command\"", "\"task\":\"report\"");
    assert_ne!(exported, other, "{exported}");
    std::fs::write(here.join("all.jsonl"), other).unwrap();
    let url = format!("{}&label=rack-1", shared.url);
    let daemon = Daemon::start(here, &["run", "--store", &url, "--log", "json"]);
    let started: Value = serde_json::from_str(&daemon.wait_for("started")).unwrap();
    assert_eq!(started["node"]["label"], "rack-1", "{started}");
    shared.done(&["import", "all.jsonl"]);
    let told: Value = serde_json::from_str(&daemon.wait_for("job_not_served")).unwrap();
    assert_eq!((&told["job"], &told["node"]), (&json!("report"), &json!("rack-1")), "{told}");
    let job = shared.json(&["job", "report"]);
    let why = shared.json(&["why", "report", job["next_fire"].as_str().unwrap()]);
    assert_eq!(why["kind"], "not_served", "{why}");
    assert!(why["answer"].as_str().unwrap().contains("the task report and the executor default"), "{why}");
    assert!(daemon.stop().success());
}

#[test]
fn a_daemon_has_a_socket_where_it_is_told_to_have_one() {
    let Some(shared) = Shared::of("socket") else { return };
    shared.fails(&["stop"], 3, "--socket");
    shared.fails(&["watch"], 3, "--socket");
    shared.fails(&["reload"], 3, "--socket");
    let socket = shared.here().join("one");
    let mut daemon =
        daemon(shared.here(), &["run", "--store", &shared.url, "--socket", socket.to_str().unwrap()]);
    let at = ["--socket", socket.to_str().unwrap()];
    let status = shared.json(&[&["status"], &at[..]].concat());
    assert!(["starting", "running"].contains(&status["state"].as_str().unwrap()), "{status}");
    assert!(status["nodes"][0]["self"].as_bool().unwrap(), "{status}");
    assert_eq!(std::fs::read_dir(shared.here()).unwrap().count(), 1, "nothing else is beside it");
    shared.done(&[&["stop"], &at[..]].concat());
    assert!(daemon.child.wait().unwrap().success());
}

#[test]
fn a_store_is_exported_and_imported_from_sqlite_and_to_it() {
    let Some(shared) = Shared::of("export") else { return };
    let daemon = shared.daemon("one");
    shared.done(&["add", "kept", "--cron", "0 4 * * *", "--", "echo", "kept"]);
    shared.done(&["now", "kept", "--wait"]);
    shared.done(&["export", "all.jsonl"]);
    let here = shared.here();
    assert!(done(here, &["import", "all.jsonl", "--store", "sqlite:jobs.db"]).contains("1 job and 1 run"));
    assert_eq!(json_of(here, &["runs", "--json", "--store", "sqlite:jobs.db"])[0]["output"], "kept\n");
    done(here, &["export", "back.jsonl", "--store", "sqlite:jobs.db"]);
    let other = Shared::of("import").unwrap();
    let back = here.join("back.jsonl");
    assert!(other.done(&["import", back.to_str().unwrap()]).contains("1 job and 1 run"));
    assert_eq!(other.json(&["runs", "kept"])[0]["output"], "kept\n");
    other.fails(&["import", back.to_str().unwrap()], 1, "there is a job \"kept\" already");
    assert!(daemon.stop().success());
}

#[test]
fn a_store_is_checked_row_by_row_and_brought_up_to_date() {
    let Some(server) = Postgres::start(&["fsync=off"]) else { return };
    let directory = tempfile::tempdir().unwrap();
    let (here, url) = (directory.path(), server.url("postgres"));
    assert!(done(here, &["store", "migrate", &url]).contains("the tables are made, of format 1"));
    assert!(done(here, &["store", "migrate", &url]).contains("is up to date, of format 1"));
    for number in 0..3 {
        let id = format!("job-{number}");
        done(here, &["add", &id, "--cron", "0 4 * * *", "--store", &url, "--", "true"]);
        done(here, &["now", &id, "--wait", "--store", &url]);
    }
    assert!(done(here, &["store", "check", &url]).contains("3 jobs and 3 runs are whole"));
    psql(
        &server,
        "UPDATE matins.jobs SET body = '{}' WHERE id = 'job-1'; UPDATE matins.runs SET outcome = 'odd' WHERE job = 'job-2'",
    );
    let found = output(here, &["store", "check", &url]);
    let said = text(&found.stderr);
    assert_eq!(found.status.code(), Some(2), "{said}");
    assert!(
        said.contains("job-1") && said.contains("odd") && said.contains("2 rows cannot be read"),
        "{said}"
    );
    let rest = text(&found.stdout);
    assert!(rest.contains("2 jobs and 2 runs are whole"), "{rest}");
    psql(&server, "UPDATE matins.meta SET format = 99, min_format = 99");
    fails(here, &["store", "check", &url], 2, "99");
    fails(here, &["run", "--store", &url], 2, "99");
}

/// Runs SQL as the owner of the server.
#[track_caller]
fn psql(server: &Postgres, sql: &str) -> String {
    let url = server.url("postgres");
    let output =
        Command::new("psql").args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", &url, "-c", sql]).output();
    let Output { status, stdout, stderr } = output.expect("psql runs");
    assert!(status.success(), "{sql}: {}", text(&stderr));
    text(&stdout)
}

/// Runs SQL as a role; `Err` with what the server says.
fn psql_as(server: &Postgres, role: &str, sql: &str) -> Result<String, String> {
    let url = server.url("postgres").replace("matins@", &format!("{role}@"));
    let output =
        Command::new("psql").args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", &url, "-c", sql]).output();
    let Output { status, stdout, stderr } = output.expect("psql runs");
    if status.success() { Ok(text(&stdout)) } else { Err(text(&stderr)) }
}

#[test]
fn roles_may_do_what_they_are_for_and_nothing_else() {
    let Some(server) = Postgres::start(&["fsync=off"]) else { return };
    let directory = tempfile::tempdir().unwrap();
    let (here, url) = (directory.path(), server.url("postgres"));
    let of = |role: &str| url.replace("matins@", &format!("{role}@"));
    fails(here, &["store", "init", &url, "--role", "x=admin"], 2, "write owner, node or reader");
    fails(here, &["store", "init", "sqlite:jobs.db"], 2, "PostgreSQL");
    psql(&server, "CREATE ROLE worker LOGIN; REVOKE CREATE ON DATABASE postgres FROM PUBLIC");
    fails(here, &["run", "--store", &of("worker")], 2, "matins store init");

    let made = [
        "store",
        "init",
        &url,
        "--role",
        "keeper=owner",
        "--role",
        "worker=node",
        "--role",
        "dash board=reader",
    ];
    let said = done(here, &made);
    assert!(said.contains("worker has the rights of a node\n"), "{said}");
    assert!(
        said.contains("dash board has the rights of a reader; it was made, and has no password yet"),
        "{said}"
    );
    assert_eq!(done(here, &made).matches("it was made").count(), 0, "said twice, it makes nothing");

    // A node fires jobs, takes over, and prunes.
    std::fs::write(
        here.join("jobs.toml"),
        "[ledger]\nruns_per_job = 2\n[jobs.tick]\nevery = \"1s\"\ncommand = [\"echo\", \"tick\"]\n",
    )
    .unwrap();
    let store = format!("{}?lease=2s", of("worker"));
    let daemon = daemon(here, &["run", "jobs.toml", "--store", &store]);
    let count = || psql(&server, "SELECT count(*), max(id) >= 5 FROM matins.runs").trim().to_owned();
    wait_until(|| count() == "2|t");
    let said = |role: &str, sql: &str| psql_as(&server, role, sql).unwrap_err();
    for sql in [
        "DROP TABLE matins.runs",
        "DELETE FROM matins.runs",
        "UPDATE matins.runs SET outcome = 'succeeded'",
        "TRUNCATE matins.jobs",
        "ALTER TABLE matins.nodes ADD x int",
        "CREATE TABLE matins.mine (x int)",
        "UPDATE matins.meta SET format = 2",
    ] {
        let said = said("worker", sql);
        assert!(said.contains("permission denied") || said.contains("must be owner"), "{sql}: {said}");
    }
    for view in ["jobs_readable", "runs_readable", "nodes_readable"] {
        psql_as(&server, "dash%20board", &format!("SELECT * FROM matins.{view}")).unwrap();
    }
    let shown = psql_as(&server, "dash%20board", "SELECT * FROM matins.jobs_readable").unwrap();
    assert!(!shown.contains("echo"), "arguments may hold secrets: {shown}");
    for sql in [
        "SELECT * FROM matins.jobs",
        "SELECT * FROM matins.runs",
        "SELECT * FROM matins.nodes",
        "SELECT matins.prune_before(now())",
        "SELECT matins.prune_job('tick', 0)",
        "SELECT nextval('matins.run_ids')",
        "INSERT INTO matins.notes (line) VALUES ('x')",
        "CREATE TABLE matins.mine (x int)",
    ] {
        let said = said("dash%20board", sql);
        assert!(said.contains("permission denied"), "{sql}: {said}");
    }
    assert!(daemon.stop().success());
    // The owner needs no right to make schemas.
    assert!(done(here, &["store", "migrate", &of("keeper")]).contains("is up to date"));
    psql_as(&server, "keeper", "ALTER TABLE matins.nodes ADD x int; ALTER TABLE matins.nodes DROP x")
        .unwrap();
}

#[test]
fn no_password_is_shown() {
    let Some(shared) = Shared::of("password") else { return };
    let here = shared.here();
    let secret = "s3cret-w0rd";
    let with = |start: &str| shared.url.replacen("postgres://matins@", start, 1);
    let (in_url, in_parameter) =
        (with(&format!("postgres://matins:{secret}@")), format!("{}&password={secret}", shared.url));
    for url in [&in_url, &in_parameter] {
        let daemon = daemon_process::Daemon::start_with(
            here,
            &["run", "--log", "json"],
            &[("MATINS_STORE", url), ("MATINS_LOG", "trace")],
        );
        let first = daemon.wait_for("started");
        assert!(!first.contains(secret), "{first}");
        for arguments in [
            &["status"][..],
            &["store", "info"],
            &["store", "check", url],
            &["store", "migrate", url],
            &["jobs"],
            &["add", "of-env", "--cron", "0 4 * * *", "--", "env"],
            &["now", "of-env", "--wait"],
            &["runs"],
            &["show-run", "1"],
            &["export"],
            &["stop"],
            &["run", "--no-such-option"],
        ] {
            let output = matins(here, arguments).env("MATINS_STORE", url).output().unwrap();
            let all = text(&output.stdout) + &text(&output.stderr);
            assert!(!all.contains(secret), "{arguments:?}: {all}");
        }
        matins(here, &["remove", "of-env"]).env("MATINS_STORE", url).output().unwrap();
        daemon.signal(rustix::process::Signal::TERM);
        while let Ok(line) = daemon.lines.recv() {
            assert!(!line.contains(secret), "{line}");
        }
    }
    let nowhere = format!("postgres://ada:{secret}@127.0.0.1:1/jobs");
    for url in [
        &nowhere,
        &format!("postgress://ada:{secret}@db/jobs"),
        &format!("postgres://ada:{secret}@db/jobs?colour=red"),
        &format!("postgres://ada:{secret}@db/jobs?lease=never"),
        &format!("postgres://ada:{secret}@db:port/jobs"),
        &format!("postgres://db/jobs?password={secret}&sslmode=maybe"),
    ] {
        for arguments in [&["jobs", "--store", url][..], &["run", "--store", url], &["store", "check", url]] {
            let output = output(here, arguments);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
            let all = text(&output.stdout) + &text(&output.stderr);
            assert!(!all.contains(secret), "{arguments:?}: {all}");
        }
    }
}
