//! The command `matins` and an application that serves its scheduler on a socket: the one in `examples/operated.rs`.

mod daemon_process;
#[allow(dead_code, reason = "its `main` is not used here")]
#[rustfmt::skip] // Examples have shorter lines.
#[path = "../examples/operated.rs"]
mod operated;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use matins::BackgroundScheduler;
use matins::control::Server;
use serde_json::Value;
use tempfile::TempDir;

use daemon_process::{output, text, wait_until};

struct Application {
    scheduler: BackgroundScheduler,
    control: Server,
    directory: TempDir,
}

impl Application {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (scheduler, control) = operated::start(&directory.path().join("app.control")).unwrap();
        Self { scheduler, control, directory }
    }

    fn here(&self) -> &Path {
        self.directory.path()
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        let end = arguments.iter().position(|word| *word == "--").unwrap_or(arguments.len());
        let (before, after) = arguments.split_at(end);
        output(self.here(), &[before, &["--socket", "app.control"], after].concat())
    }

    /// What a command prints that succeeds.
    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.ask(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// What a command says that fails, and its exit status.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> (String, Option<i32>) {
        let output = self.ask(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        (text(&output.stderr), output.status.code())
    }
}

#[test]
fn jobs_of_an_application_are_listed_paused_run_cancelled_explained_and_removed() {
    let app = Application::start();
    let jobs = app.done(&["jobs"]);
    assert!(jobs.contains("report") && jobs.contains("at 02:30 every day, UTC"), "{jobs}");
    assert!(!app.done(&["jobs", "--tag", "slow"]).contains("report"));
    let report = app.done(&["job", "report"]);
    assert!(report.contains("at 09:00"), "{report}");
    assert!(
        report.lines().any(|line| line.trim_start().starts_with("runs ") && line.contains("closure")),
        "{report}"
    );

    app.done(&["pause", "report"]);
    assert_eq!(app.json(&["job", "report"])["state"], "paused");
    assert!(app.scheduler.get("report").unwrap().unwrap().next_fire.is_none());
    let why = app.done(&["why", "report", "2035-01-01T09:00"]);
    assert!(why.contains("report was paused at") && why.contains("and is still"), "{why}");
    app.done(&["resume", "report"]);
    assert!(app.done(&["why", "report", "2035-01-01T09:00"]).contains("report will fire at"));

    assert!(app.done(&["now", "report", "--wait"]).contains("succeeded"));
    app.done(&["now", "tidy"]);
    wait_until(|| app.json(&["runs", "tidy"])[0]["state"] == "running");
    let run = app.json(&["runs", "tidy"])[0]["id"].to_string();
    assert!(app.done(&["status"]).contains("tidy"), "a run in progress is in the status");
    assert_eq!(app.done(&["cancel", &run]).trim(), format!("cancelling run {run} of tidy"));
    wait_until(|| app.json(&["runs", "tidy"])[0]["outcome"] == "cancelled");
    assert!(app.done(&["run", &run]).contains("cancelled"));
    let (message, status) = app.refused(&["cancel", &run]);
    assert!(message.contains(&format!("run {run} of tidy has ended: cancelled")), "{message}");
    assert_eq!(status, Some(1));
    assert!(app.refused(&["cancel", "4711"]).0.contains("the ledger has no run 4711"));

    let status = app.json(&["status"]);
    assert_eq!((&status["state"], &status["jobs"]), (&"running".into(), &2.into()));
    assert_eq!(status["pid"], std::process::id());
    assert!(app.done(&["status"]).contains("embedded in"), "it is told apart from a daemon");

    app.done(&["remove", "tidy"]);
    assert!(app.scheduler.get("tidy").unwrap().is_none());
    assert!(app.refused(&["job", "tidy"]).0.contains("there is no job \"tidy\""));
    let why = app.done(&["why", "tidy", "2035-01-01T02:30"]);
    assert!(why.contains("tidy was removed before that"), "{why}");
}

#[test]
fn what_only_a_daemon_does_is_refused_with_a_sentence() {
    let app = Application::start();
    for (arguments, words) in [
        (
            &["add", "new", "--every", "5m", "--", "true"][..],
            "jobs are added only to the daemon of `matins run`",
        ),
        (&["edit", "report", "--every", "5m"], "jobs are changed only in the daemon of `matins run`"),
        (&["reschedule", "report", "--every", "5m"], "jobs are changed only in the daemon of `matins run`"),
        (&["reload"], "no configuration or crontab to read again"),
        (&["stop"], "stop its process"),
    ] {
        let (message, status) = app.refused(arguments);
        assert!(message.contains("the scheduler is embedded in embedded-"), "{arguments:?}: {message}");
        assert!(message.contains(words), "{arguments:?}: {message}");
        assert_eq!(status, Some(1), "{arguments:?}");
    }
    std::fs::write(app.here().join("lines"), "").unwrap();
    assert!(app.refused(&["import", "lines"]).0.contains("only into the store of `matins run`"));
    assert_eq!(app.json(&["jobs"]).as_array().unwrap().len(), 2, "nothing has changed");
}

#[test]
fn only_the_owner_can_connect_and_nobody_when_the_server_is_gone() {
    let Application { scheduler, control, directory } = Application::start();
    let path = control.path().to_owned();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(control);
    assert!(!path.exists());
    let refused = output(directory.path(), &["jobs", "--socket", "app.control"]);
    assert_eq!(refused.status.code(), Some(3));
    // The scheduler is there all the same, and can be served again.
    assert_eq!(scheduler.list(&matins::JobQuery::default()).unwrap().len(), 2);
    let _control = matins::control::serve(&scheduler.handle(), &path).unwrap();
    assert!(output(directory.path(), &["jobs", "--socket", "app.control"]).status.success());
}
