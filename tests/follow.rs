//! `matins run ID --follow`: what a run prints is there while it prints it.

mod daemon_process;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use daemon_process::{daemon, directory_with, done, fails, json_of, matins, output, text, wait_until};

const JOBS: &str = r#"
[jobs.slow]
cron = "0 4 1 1 *"
shell = "echo one; printf 'half a '; until test -e go; do sleep 0.05; done; printf 'line\\ntwo'"

[jobs.bad]
cron = "0 4 1 1 *"
shell = "echo trouble; exit 3"
"#;

#[test]
fn the_output_of_a_run_is_followed_to_its_end() {
    let directory = directory_with(&[("jobs.toml", JOBS)]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "jobs.toml"]);
    done(here, &["now", "slow"]);
    wait_until(|| json_of(here, &["runs", "--json"])[0]["id"] == 1);
    let mut following = matins(here, &["run", "1", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut printed = BufReader::new(following.stdout.take().unwrap());
    let mut line = String::new();
    printed.read_line(&mut line).unwrap();
    assert_eq!(line, "one\n");
    assert!(json_of(here, &["run", "1", "--json"])["outcome"].is_null(), "it is in progress");
    fs::write(here.join("go"), "").unwrap();
    let mut rest = String::new();
    printed.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("half a line\ntwo\n"), "{rest}");
    assert!(rest.contains("run 1 of slow: succeeded") && rest.matches("two").count() == 1, "{rest}");
    assert!(following.wait().unwrap().success());

    // One that has ended is shown whole; its output alone, as it was printed; one that failed gives the status 1.
    assert!(done(here, &["run", "1", "--follow"]).starts_with("one\nhalf a line\ntwo\n"));
    assert_eq!(done(here, &["run", "1", "--follow", "--raw"]), "one\nhalf a line\ntwo");
    output(here, &["now", "bad", "--wait"]);
    let bad = output(here, &["run", "2", "--follow"]);
    assert_eq!(bad.status.code(), Some(1), "{}", text(&bad.stderr));
    assert!(text(&bad.stdout).starts_with("trouble\n"), "{}", text(&bad.stdout));
    fails(here, &["run", "7", "--follow"], 1, "the ledger has no run 7");
    assert!(daemon.stop().success());
    // Without a daemon the ledger answers.
    assert!(done(here, &["run", "1", "--follow"]).starts_with("one\n"));
}
