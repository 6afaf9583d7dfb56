//! No command shows a secret, unless `--show-secrets` asks for it.

mod daemon_process;

use std::fs;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use daemon_process::{Daemon, daemon, directory_with, done, json_of, output, text};

/// Each place of a configuration and a crontab in which people put secrets, `§` being one.
const CONFIG: &str = r#"
[jobs.dump]
in = "1ms"
command = ["mysqldump", "-p§", "--password", "§", "--token=§", "https://ada:§@example.org/x", "-H", "Authorization: Bearer §"]
environment = { MYSQL_PWD = "§", PGPASSWORD = "§", PGPASS = "§ x", DB_PASS = "§", DATABASE_URL = "postgres://ada:§@h/d", BEARER = "§", SSHKEY = "§", apiKey = "§" }
[jobs.shell]
in = "1ms"
retry = { times = 1, wait = "1h" }
shell = "PGPASSWORD=§ curl -u ada:§ redis://:§@h/0; echo 'password=§' https://§@example.org/ '{\"token\": \"§\"}'; echo 'error: https://ada:§@h/' >&2; exit 1"
"#;

const CRONTAB: &str = "MAILTO=ops@example.org\nDB_PASS=§\nDATABASE_URL=amqp://u:§@h\n* * * * * PGPASS=§ curl -u a:§ 'https://u:§@h/?token=§'\n\
                       0 4 * * * /x --api-key §\n";

fn with(secret: &str, text: &str) -> String {
    text.replace('§', secret)
}

fn is_hidden(secret: &str) {
    let directory =
        directory_with(&[("jobs.toml", &with(secret, CONFIG)), ("crontab", &with(secret, CRONTAB))]);
    let here = directory.path();
    let seen = |what: &str, shown: &str| assert!(!shown.contains(secret), "{what}: {shown}");
    let hidden = |arguments: &[&str]| {
        let answer = output(here, arguments);
        seen(&format!("{arguments:?}"), &(text(&answer.stdout) + &text(&answer.stderr)));
        text(&answer.stdout)
    };
    assert!(hidden(&["check", "jobs.toml"]).contains("(hidden)"));
    hidden(&["check", "crontab"]);
    for file in ["jobs.toml", "crontab"] {
        hidden(&["check", file, "--json"]);
        hidden(&["simulate", file]);
        hidden(&["plot", file]);
    }
    seen("the picture", &fs::read_to_string(here.join("timeline.svg")).unwrap());
    for log in ["json", "text"] {
        let store = format!("sqlite:{log}.db");
        let arguments = ["run", "jobs.toml", "--crontab", "crontab", "--store", &store, "--log", log];
        let daemon = Daemon::start_with(here, &arguments, &[("MATINS_LOG", "trace")]);
        let mut failed = 0;
        while failed < 2 {
            let line = daemon.lines.recv_timeout(daemon_process::GENEROUS).unwrap();
            failed += usize::from(line.contains("exited with") || line.contains("cannot start"));
            seen("log", &line);
        }
    }
    let daemon = daemon(here, &["run", "jobs.toml", "--crontab", "crontab"]);
    for _ in 0..2 {
        seen("log", &daemon.wait_for("failed"));
    }
    let commands: [&[&str]; 11] = [
        &["status"],
        &["jobs"],
        &["job", "dump"],
        &["job", "shell"],
        &["job", "x"],
        &["runs"],
        &["run", "1"],
        &["run", "2"],
        &["why", "dump", "00:00"],
        &["reload", "--dry-run"],
        &["store", "info"],
    ];
    let all = |commands: &[&[&str]]| {
        for command in commands {
            hidden(command);
            hidden(&[command, &["--json"][..]].concat());
        }
    };
    all(&commands);
    let url = format!("https://ada:{secret}@h");
    let variable = format!("DB_PASS={secret}");
    hidden(&["add", "added", "--every", "1h", "--env", &variable, "--", "x", &url, "--password", secret]);
    hidden(&["edit", "added", "--env", &variable, "--json"]);
    hidden(&["add", "no-trigger", "--cron", &url, "--env", &variable, "--", "x"]);
    hidden(&["jobs", "--store", &format!("postgres://ada:{secret}@h/d")]);
    fs::write(
        here.join("jobs.toml"),
        with(secret, "[jobs.a]\nevery = \"https://ada:§@h\"\nshell = 'TOKEN=§'\n"),
    )
    .unwrap();
    hidden(&["reload"]);
    hidden(&["status"]);
    // As it is to be read back, and as the owner asks for it.
    let shown = |arguments: &[&str]| assert!(done(here, arguments).contains(secret), "{arguments:?}");
    shown(&["export"]);
    shown(&["job", "dump", "--show-secrets"]);
    shown(&["--show-secrets", "jobs", "--json"]);
    assert_eq!(
        json_of(here, &["job", "dump", "--json", "--show-secrets"])["arguments"]["environment"]["DB_PASS"],
        secret
    );
    let id = json_of(here, &["runs", "shell", "--outcome", "failed", "--json"])[0]["id"].to_string();
    shown(&["run", &id, "--raw"]);
    shown(&["run", &id, "--show-secrets"]);
    done(here, &["stop"]);
    while let Ok(line) = daemon.lines.recv_timeout(daemon_process::GENEROUS) {
        seen("log", &line);
    }
    drop(daemon);
    // The same where no daemon runs.
    all(&commands[1..9]);
    hidden(&["status"]);
    hidden(&["store", "check", "sqlite:matins.db"]);
}

#[test]
fn no_command_shows_a_secret() {
    let mut runner = TestRunner::new(Config { cases: 3, failure_persistence: None, ..Config::default() });
    let secret = "[A-Za-z0-9!+.:_-]{0,4}hunter2[A-Za-z0-9!+.:_-]{0,4}";
    let secret = secret.prop_filter("it is an option", |secret| !secret.starts_with('-'));
    runner
        .run(&secret, |secret| {
            is_hidden(&secret);
            Ok(())
        })
        .unwrap();
}

/// Another client of the socket gets no secret either, unless it asks.
#[test]
fn the_socket_hides_secrets_unless_asked() {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;

    let directory = directory_with(&[(
        "jobs.toml",
        "[jobs.a]\nevery = \"1h\"\ncommand = [\"x\", \"--password\", \"hunter2\"]\n",
    )]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "jobs.toml"]);
    let ask = |show: bool| {
        let mut stream = UnixStream::connect(here.join("matins.db-control")).unwrap();
        let request = json!({"matins": 1, "command": "job", "job": "a", "show_secrets": show});
        stream.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer
    };
    assert!(ask(false).contains("(hidden)") && !ask(false).contains("hunter2"));
    assert!(ask(true).contains("hunter2"));
    assert!(daemon.stop().success());
}
