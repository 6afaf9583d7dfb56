//! The commands that talk to a daemon, and do without one.

mod daemon_process;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use daemon_process::{QUIET, daemon, directory_with, done, fails, json_of, matins, wait_until};

/// All that can be done to a job: the same whether a daemon is asked, or the store is opened.
#[test]
fn jobs_are_changed_and_explained_with_a_daemon_and_without() {
    for with_daemon in [true, false] {
        let directory = directory_with(&[("quiet.toml", QUIET)]);
        let here = directory.path();
        let first = daemon(here, &["run", "quiet.toml"]);
        let running = if with_daemon {
            Some(first)
        } else {
            assert!(first.stop().success());
            None
        };

        let added =
            ["add", "hello", "--cron", "0 9 * * MON-FRI", "--timezone", "Europe/Berlin", "--env", "WHO=you"];
        done(
            here,
            &[&added[..], &["--time-limit", "1m", "--tag", "polite", "--", "sh", "-c", "echo hello $WHO"]]
                .concat(),
        );
        fails(here, &["add", "hello", "--every", "1h", "--", "true"], 1, "choose another id");
        fails(here, &["add", "wrong", "--cron", "0 25 * * *", "--", "true"], 2, "25 is out of range");
        fails(here, &["add", "wrong", "--every", "1h"], 2, "a job needs `command");
        let jobs = json_of(here, &["jobs", "--json"]);
        let ids: Vec<&str> = jobs.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["hello", "quiet"]);
        assert_eq!(done(here, &["jobs", "--tag", "polite"]).lines().count(), 1);

        let job = json_of(here, &["job", "hello", "--json"]);
        assert_eq!(job["arguments"]["environment"]["WHO"], "you");
        assert_eq!(job["policy"]["time_limit"]["secs"], 60);
        let edited = json_of(
            here,
            &["edit", "hello", "--time-limit", "none", "--env", "WHO=all", "--nice", "3", "--json"],
        );
        assert_eq!(edited["arguments"]["environment"]["WHO"], "all");
        assert_eq!(
            edited["arguments"]["arguments"],
            json!(["-c", "echo hello $WHO"]),
            "what is not named stays"
        );
        assert_eq!(edited["policy"].get("time_limit"), None);
        assert_eq!(edited["upcoming"], job["upcoming"], "its next fire too");
        json_of(here, &["edit", "hello", "--group", "database:2", "--json"]);
        assert!(done(here, &["job", "hello"]).contains("database:2"), "{}", done(here, &["job", "hello"]));
        let edited = json_of(here, &["edit", "hello", "--group", "database", "--json"]);
        assert_eq!(edited["policy"]["group"], json!({"name": "database", "limit": 1}));
        let edited = json_of(here, &["edit", "hello", "--group", "none", "--json"]);
        assert_eq!(edited["policy"].get("group"), None);
        fails(here, &["edit", "hello", "--group", "database:0"], 2, "at least 1");
        fails(here, &["edit", "hello", "--unset", "colour"], 2, "unknown key `colour`");
        fails(here, &["edit", "hello"], 2, "nothing is to be changed");
        let moved = json_of(here, &["reschedule", "hello", "--cron", "30 2 * * *", "--json"]);
        assert_eq!(moved["trigger"]["zone"], "Europe/Berlin", "in its own zone");

        let ran = json_of(here, &["now", "hello", "--wait", "--json"]);
        assert_eq!((&ran["outcome"], &ran["output"]), (&json!("succeeded"), &json!("hello all\n")));
        let number = ran["id"].to_string();
        assert!(
            done(here, &["run", &number]).contains("hello all"),
            "a number in place of a configuration is a run's"
        );
        let runs = json_of(here, &["runs", "hello", "--outcome", "succeeded", "--since", "1h", "--json"]);
        assert_eq!(runs.as_array().unwrap().len(), 1);
        assert!(json_of(here, &["runs", "--outcome", "failed", "--json"]).as_array().unwrap().is_empty());
        fails(here, &["runs", "--outcome", "splendid"], 2, "there are succeeded, failed");
        done(here, &["edit", "hello", "--shell", "exit 3"]);
        fails(here, &["now", "hello", "--wait"], 1, "failed");

        done(here, &["pause", "hello"]);
        assert_eq!(done(here, &["jobs", "--paused"]).split('\t').next(), Some("hello"));
        let why = json_of(here, &["why", "hello", "2100-06-28T02:30", "--json"]);
        assert_eq!(why["kind"], "paused");
        assert!(why["answer"].as_str().unwrap().contains("was paused at "), "{why}");
        done(here, &["resume", "hello"]);
        assert_eq!(json_of(here, &["why", "hello", "2035-03-25T02:30", "--json"])["kind"], "in_gap");
        assert_eq!(
            json_of(here, &["why", "hello", "2026-03-28T12:00:00", "--json"])["kind"],
            "not_yet_added"
        );

        assert!(done(here, &["store", "check", "sqlite:matins.db"]).contains("2 jobs and 2 runs are whole"));
        assert!(done(here, &["store", "migrate", "sqlite:matins.db"]).contains("is up to date"));
        assert_eq!(json_of(here, &["check", "quiet.toml", "--json"])[0]["id"], "quiet");
        let info = json_of(here, &["store", "info", "--json"]);
        assert_eq!((&info["jobs"], &info["runs"]), (&json!(2), &json!(2)));
        done(here, &["remove", "hello"]);
        fails(here, &["job", "hello"], 1, "there is no job \"hello\"");
        fails(here, &["pause", "hello"], 1, "there is no job");
        fails(here, &["run", "99"], 1, "the ledger has no run 99");
        assert_eq!(json_of(here, &["why", "hello", "2100-01-01T00:00", "--json"])["kind"], "removed");

        if running.is_some() {
            let status = json_of(here, &["status", "--json"]);
            assert_eq!((&status["state"], &status["jobs"]), (&json!("running"), &json!(1)));
            assert!(done(here, &["stop"]).contains("stopped"));
            assert!(!here.join("matins.db-control").exists());
        }
        fails(here, &["status"], 3, "has no daemon");
        fails(here, &["watch"], 3, "has no daemon");
        fails(here, &["stop"], 3, "has no daemon");
        fails(here, &["jobs", "--store", "sqlite:nowhere.db"], 1, "there is no store sqlite:nowhere.db");
        assert!(!here.join("nowhere.db").exists(), "asking makes no store");
    }
}

#[test]
fn a_job_from_another_process_fires_and_is_watched() {
    let directory = directory_with(&[("quiet.toml", QUIET)]);
    let daemon = daemon(directory.path(), &["run", "quiet.toml"]);
    let mut watch = matins(directory.path(), &["watch", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut events = BufReader::new(watch.stdout.take().unwrap()).lines();
    // Added again until the watch is on.
    let event = |line: Option<std::io::Result<String>>| -> Value {
        serde_json::from_str(&line.unwrap().unwrap()).unwrap()
    };
    let adder = {
        let here = directory.path().to_owned();
        thread::spawn(move || {
            done(&here, &["add", "soon", "--every", "200ms", "--", "echo", "soon"]);
        })
    };
    let mut seen = Vec::new();
    while !seen.contains(&"run_finished".to_owned()) {
        seen.push(event(events.next())["event"].as_str().unwrap().to_owned());
    }
    adder.join().unwrap();
    daemon.wait_for("soon             succeeded");
    daemon.stop();
    assert!(watch.wait().unwrap().success(), "it ends with the daemon");
}

#[test]
fn files_are_read_again_on_request_and_on_sighup() {
    let two = format!("{QUIET}[jobs.gone]\nevery = \"1h\"\ncommand = [\"true\"]\n");
    let directory = directory_with(&[("jobs.toml", &two)]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "jobs.toml"]);
    done(here, &["add", "by-hand", "--every", "1h", "--", "true"]);
    let changed = QUIET
        .replace("0 4", "30 4")
        .replace("jobs.quiet", "jobs.quiet]\nevery = \"1h\"\nshell = \"x\"\n[jobs.quieter");
    std::fs::write(here.join("jobs.toml"), &changed).unwrap();

    let plan = json_of(here, &["reload", "--dry-run", "--json"]);
    let expected = json!({"added": ["quieter"], "changed": ["quiet"], "removed": ["gone"], "untouched": 0});
    for (what, ids) in expected.as_object().unwrap() {
        assert_eq!(plan[0][what], *ids, "{what}: {plan}");
    }
    assert!(done(here, &["jobs"]).contains("gone"), "nothing has changed yet");
    assert!(done(here, &["reload"]).contains("added quieter; changed quiet; removed gone"));
    let ids = |here: &Path| -> Vec<String> {
        let jobs = json_of(here, &["jobs", "--json"]);
        jobs.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(here), ["by-hand", "quiet", "quieter"]);

    let settings = "timezone = \"Asia/Tokyo\"\nstore = \"sqlite:other.db\"\n[ledger]\ndays = 3\n";
    let hook = "[[hook]]\non = [\"failed\"]\nshell = \"x\"\n";
    std::fs::write(here.join("jobs.toml"), format!("{settings}{changed}{hook}")).unwrap();
    let told = done(here, &["reload"]);
    assert!(
        told.contains("2 as before; changed hooks; at the next start: store, ledger, timezone"),
        "{told}"
    );
    assert!(done(here, &["reload"]).contains("2 as before; at the next start: store, ledger, timezone"));

    std::fs::write(here.join("jobs.toml"), "[jobs.quiet]\nevrey = \"1h\"\nshell = \"x\"\n").unwrap();
    fails(here, &["reload"], 2, "jobs.toml:2:1: unknown key `evrey`; did you mean `every`?");
    daemon.signal(Signal::HUP);
    daemon.wait_for("nothing was changed");
    assert_eq!(ids(here), ["by-hand", "quiet", "quieter"]);
    std::fs::write(here.join("jobs.toml"), QUIET).unwrap();
    daemon.signal(Signal::HUP);
    daemon.wait_for("changed quiet; removed quieter");
    assert_eq!(ids(here), ["by-hand", "quiet"]);
    daemon.stop();
}

#[test]
fn a_store_is_backed_up_restored_and_brought_up_to_date() {
    let directory = directory_with(&[("quiet.toml", QUIET)]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "quiet.toml"]);
    done(here, &["now", "quiet", "--wait"]);
    assert!(done(here, &["export", "backup.jsonl"]).contains("1 job and 1 run"));
    assert_eq!(std::fs::metadata(here.join("backup.jsonl")).unwrap().permissions().mode() & 0o777, 0o600);
    fails(here, &["import", "backup.jsonl"], 1, "--on-conflict");
    daemon.stop();

    for store in ["sqlite:restored.db", "file:restored"] {
        assert!(done(here, &["import", "backup.jsonl", "--store", store]).contains("1 job and 1 run"));
        assert_eq!(done(here, &["jobs", "--store", store]).split('\t').next(), Some("quiet"));
        assert!(done(here, &["store", "check", store]).contains("1 job and 1 run are whole"));
        let again = done(here, &["import", "backup.jsonl", "--store", store, "--on-conflict", "keep"]);
        assert!(
            again.contains("imported 0 jobs") && again.contains("1 job was there, and stays as it was"),
            "{again}"
        );
    }
    let broken =
        std::fs::read_to_string(here.join("backup.jsonl")).unwrap().replace("\"run\":{", "\"run\":{{");
    std::fs::write(here.join("broken.jsonl"), broken).unwrap();
    fails(here, &["import", "broken.jsonl", "--store", "sqlite:restored.db"], 2, "line 3, column");

    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("../backends/sqlite/tests/formats/1.db");
    std::fs::copy(old, here.join("old.db")).unwrap();
    let migrated = done(here, &["store", "migrate", "sqlite:old.db"]);
    assert!(migrated.contains("from format 1 to "), "{migrated}");
    assert!(here.join("old.db.format-1").exists());
    assert!(done(here, &["store", "migrate", "sqlite:old.db"]).contains("is up to date"));
    assert!(done(here, &["store", "check", "sqlite:old.db"]).contains("whole"));
}

/// An import that is interrupted, at whatever moment, leaves all of it or nothing.
#[test]
fn an_import_is_interrupted_without_harm() {
    const JOBS: usize = 5_000;
    let directory = directory_with(&[("quiet.toml", QUIET)]);
    let here = directory.path();
    daemon(here, &["run", "quiet.toml"]).stop();
    let one = done(here, &["export"]);
    let (head, job) = one.split_once('\n').unwrap();
    let many: String = (0..JOBS).fold(format!("{head}\n"), |lines, number| {
        lines + &job.trim_end().replace("\"quiet\"", &format!("\"quiet-{number}\"")) + "\n"
    });
    std::fs::write(here.join("many.jsonl"), many).unwrap();
    for (attempt, kind) in
        ["sqlite", "file"].iter().flat_map(|kind| (0..4).map(move |attempt| (attempt, kind)))
    {
        let name = format!("{kind}-{attempt}");
        let store = format!("{kind}:{name}");
        let mut import = matins(here, &["import", "many.jsonl", "--store", &store])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // At once; when the store is there; when something has been written into it; when it is done.
        let written = |path: &Path| std::fs::metadata(path).is_ok_and(|file| file.len() > 100_000);
        let mut ended = false;
        wait_until(|| {
            ended = import.try_wait().unwrap().is_some();
            ended
                || match attempt {
                    0 => true,
                    1 => here.join(&name).exists(),
                    2 => {
                        written(&here.join(format!("{name}-wal")))
                            || written(&here.join(&name).join("log.jsonl"))
                    }
                    _ => false,
                }
        });
        let _ = kill_process(Pid::from_child(&import), Signal::INT);
        import.wait().unwrap();
        if !here.join(&name).exists() {
            continue;
        }
        let found = json_of(here, &["store", "info", "--json", "--store", &store])["jobs"].as_u64().unwrap();
        assert!([0, JOBS as u64].contains(&found), "{store}: {found}");
        assert!(attempt < 3 || found == JOBS as u64, "{store}: {found}");
    }
}

#[test]
fn completions_and_man_pages_are_made() {
    let directory = directory_with(&[]);
    for shell in ["bash", "zsh", "fish"] {
        assert!(done(directory.path(), &["completions", shell]).contains("reschedule"), "{shell}");
    }
    done(directory.path(), &["man", "pages"]);
    let page = std::fs::read_to_string(directory.path().join("pages/matins-why.1")).unwrap();
    assert!(page.contains(".TH MATINS-WHY") && page.contains("\\-\\-json"), "{page}");
}
