//! `matins worker`: commands of a daemon that run on workers elsewhere, through a NATS server.

mod daemon_process;

use std::fs;
use std::path::Path;

use matins_conformance::nats::nats;
use matins_conformance::servers::schema;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use daemon_process::{Daemon, daemon, directory_with, done, fails, json_of, wait_until};

/// A daemon's directory, and its part of a NATS server.
struct Elsewhere {
    directory: TempDir,
    url: String,
    namespace: String,
}

impl Elsewhere {
    /// `None` where there is no NATS server.
    fn of(test: &str) -> Option<Self> {
        let (url, namespace) = (nats()?, schema(test));
        let configuration = format!(
            r#"
            [executors.remote]
            kind = "nats"
            url = "{url}"
            namespace = "{namespace}"
            ack_wait = "2s"

            [jobs.where]
            cron = "0 4 * * *"
            executor = "remote"
            shell = "echo $PPID"

            [jobs."a\u202Eb"]
            cron = "0 4 * * *"
            executor = "remote"
            shell = "printf '\\033[2J' >&2; exit 3"

            [jobs.here]
            cron = "0 4 * * *"
            shell = "echo $PPID"

            [jobs.long]
            cron = "0 4 * * *"
            executor = "remote"
            shell = "echo > begun; until test -e release; do sleep 0.05; done; echo released"
            directory = "{{directory}}"
            "#
        );
        let directory = directory_with(&[]);
        let configuration = configuration.replace("{directory}", directory.path().to_str().unwrap());
        fs::write(directory.path().join("jobs.toml"), configuration).unwrap();
        Some(Self { directory, url, namespace })
    }

    fn here(&self) -> &Path {
        self.directory.path()
    }

    fn daemon(&self) -> Daemon {
        daemon(self.here(), &["run", "jobs.toml"])
    }

    fn worker(&self) -> Daemon {
        let arguments = ["worker", "--nats", &self.url, "--namespace", &self.namespace, "--at-once", "2"];
        let worker = Daemon::start(self.here(), &arguments);
        worker.wait_for("runs commands from");
        worker
    }

    /// Starts a run that ends when it is released.
    fn begin_long_run(&self) {
        done(self.here(), &["now", "long"]);
        wait_until(|| self.here().join("begun").exists());
    }

    fn release(&self) {
        fs::write(self.here().join("release"), "").unwrap();
    }

    fn runs_of(&self, job: &str) -> Vec<Value> {
        let mut runs = json_of(self.here(), &["runs", job, "--json"]);
        // A page of runs, or the runs.
        let runs = if runs.is_array() { &mut runs } else { &mut runs["runs"] };
        std::mem::take(runs.as_array_mut().unwrap())
    }

    /// The outcome of a job's only run; `None` while it is in progress.
    fn outcome_of(&self, job: &str) -> Option<String> {
        let [run] = &self.runs_of(job)[..] else { panic!("one run") };
        run["outcome"].as_str().map(str::to_owned)
    }

    #[track_caller]
    fn output_of(&self, job: &str) -> String {
        let [run] = &self.runs_of(job)[..] else { panic!("one run") };
        let id = run["id"].to_string();
        let run = json_of(self.here(), &["show-run", &id, "--json"]);
        run["output"].as_str().unwrap_or_default().trim().to_owned()
    }
}

#[test]
fn a_job_runs_where_its_executor_says() {
    let Some(elsewhere) = Elsewhere::of("where") else { return };
    let daemon = elsewhere.daemon();
    let worker = elsewhere.worker();
    for (job, process) in [("where", worker.child.id()), ("here", daemon.child.id())] {
        done(elsewhere.here(), &["now", job, "--wait"]);
        assert_eq!(elsewhere.output_of(job), process.to_string(), "{job}");
    }
    worker.wait_for("where: run 1 begins");
    worker.wait_for("where: run 1 succeeded");
    // What others have written does nothing to its terminal.
    done(elsewhere.here(), &["now", "a\u{202e}b"]);
    worker.wait_for("a\\u{202e}b: run 3 begins");
    let failed = worker.wait_for("a\\u{202e}b: run 3 failed: ");
    assert!(!failed.contains(['\u{1b}', '\u{202e}']), "{failed:?}");
    let checked = done(elsewhere.here(), &["check", "jobs.toml"]);
    assert_eq!(checked.matches("executor: remote").count(), 3, "{checked}");
    let shown = done(elsewhere.here(), &["job", "where"]);
    assert!(shown.contains("executor") && shown.contains("remote"), "{shown}");

    // Its executor can be changed, and one that is not there is refused.
    done(elsewhere.here(), &["edit", "where", "--executor", "default"]);
    assert!(!done(elsewhere.here(), &["job", "where"]).contains("remote"));
    let unknown = ["edit", "where", "--executor", "nowhere"];
    fails(elsewhere.here(), &unknown, 2, "there is no executor \"nowhere\"");
    assert!(worker.stop().success() && daemon.stop().success());

    // Without a daemon, nobody knows which executors there are.
    done(elsewhere.here(), &["edit", "where", "--executor", "remote"]);
    assert!(done(elsewhere.here(), &["job", "where"]).contains("remote"));
}

#[test]
fn a_command_outlives_its_daemon_and_is_reported_to_the_next_one() {
    for signal in [Signal::KILL, Signal::TERM] {
        let Some(elsewhere) = Elsewhere::of("outlives") else { return };
        let (mut daemon, worker) = (elsewhere.daemon(), elsewhere.worker());
        elsewhere.begin_long_run();
        daemon.signal(signal);
        daemon.child.wait().unwrap();
        drop(daemon);

        let daemon = elsewhere.daemon();
        assert_eq!(elsewhere.outcome_of("long"), None, "it continues");
        elsewhere.release();
        wait_until(|| elsewhere.outcome_of("long").is_some());
        assert_eq!(elsewhere.outcome_of("long").as_deref(), Some("succeeded"));
        assert_eq!(elsewhere.output_of("long"), "released");
        assert!(worker.stop().success() && daemon.stop().success());
    }
}

#[test]
fn a_worker_that_stops_ends_what_it_has_begun() {
    let Some(elsewhere) = Elsewhere::of("drains") else { return };
    let (daemon, worker) = (elsewhere.daemon(), elsewhere.worker());
    elsewhere.begin_long_run();
    worker.signal(Signal::TERM);
    worker.wait_for("stopping when 1 command");
    // It takes no more.
    done(elsewhere.here(), &["now", "where"]);
    elsewhere.release();
    worker.wait_for("stopped");
    assert!(worker.stop_waiting().success());
    wait_until(|| elsewhere.outcome_of("long").is_some());
    assert_eq!(elsewhere.outcome_of("long").as_deref(), Some("succeeded"));
    assert_eq!(elsewhere.outcome_of("where"), None);
    let next = elsewhere.worker();
    wait_until(|| elsewhere.outcome_of("where").is_some());
    assert_eq!(elsewhere.output_of("where"), next.child.id().to_string());
    assert!(next.stop().success() && daemon.stop().success());
}

#[test]
fn a_second_signal_ends_commands_too_and_a_killed_worker_is_noticed() {
    let Some(elsewhere) = Elsewhere::of("ends") else { return };
    let (daemon, worker) = (elsewhere.daemon(), elsewhere.worker());
    elsewhere.begin_long_run();
    worker.signal(Signal::TERM);
    worker.wait_for("once more to stop at once");
    worker.signal(Signal::TERM);
    worker.wait_for("stopped");
    assert!(worker.stop_waiting().success());
    wait_until(|| elsewhere.outcome_of("long").is_some());
    assert_eq!(elsewhere.outcome_of("long").as_deref(), Some("cancelled"));

    fs::remove_file(elsewhere.here().join("begun")).unwrap();
    let mut worker = elsewhere.worker();
    elsewhere.begin_long_run();
    worker.child.kill().unwrap();
    let newest = || elsewhere.runs_of("long")[0]["outcome"].as_str().map(str::to_owned);
    wait_until(|| newest().is_some());
    assert_eq!(newest().as_deref(), Some("interrupted"));
    elsewhere.release();
    assert!(daemon.stop().success());
}

#[test]
fn a_job_for_an_executor_that_was_not_started_is_refused_whole() {
    let Some(elsewhere) = Elsewhere::of("reload") else { return };
    let daemon = elsewhere.daemon();
    let file = elsewhere.here().join("jobs.toml");
    let before = fs::read_to_string(&file).unwrap();
    let more = "\n[executors.more]\nkind = \"thread\"\nworkers = 1\n\
         [jobs.first]\nevery = \"1h\"\nshell = \"true\"\n[jobs.new]\nevery = \"1h\"\nshell = \"true\"\nexecutor = \"more\"\n";
    fs::write(&file, format!("{before}{more}")).unwrap();
    fails(elsewhere.here(), &["reload"], 2, "restart the daemon, which starts its executors");
    assert!(!done(elsewhere.here(), &["jobs"]).contains("first"), "nothing has changed");
    assert!(daemon.stop().success());
    let daemon = elsewhere.daemon();
    done(elsewhere.here(), &["now", "new", "--wait"]);
    assert!(daemon.stop().success());
}

#[test]
fn what_is_wrong_is_said() {
    let here = directory_with(&[]);
    let no_server = ["worker", "--nats", "nats://me:secret@127.0.0.1:1"];
    fails(here.path(), &no_server, 2, "cannot connect to the NATS server nats://127.0.0.1:1 ");
    fails(here.path(), &["worker", "--nats", "http://one"], 2, "this is no address of a NATS server");
    fails(here.path(), &["worker"], 2, "--nats <URL>");
    let keeps = "[executors.remote]\nkind = \"nats\"\nurl = \"nats://127.0.0.1:1\"\nkeep_runs = true\n";
    fs::write(here.path().join("keeps.toml"), keeps).unwrap();
    let in_memory = ["run", "keeps.toml", "--store", "memory:"];
    fails(here.path(), &in_memory, 2, "keep_runs = true, and the store is in memory");
}
