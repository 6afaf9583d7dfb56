//! The command `matins` as its user meets it: bad input, a second start, a second owner, signals, a real crontab.

mod daemon_process;

use std::process::{Command, Stdio};

use matins::{JobQuery, JobStore, Outcome, RunQuery, SqliteStore};
use rustix::process::{Pid, Signal, kill_process};

use daemon_process::{Daemon, directory_with, listing, matins, output, text, wait_until};

const SOUND: &str = "[jobs.a]\nevery = \"1h\"\ncommand = [\"true\"]\n";

#[test]
fn bad_input_gives_one_clear_error_and_exit_code_2_and_changes_nothing() {
    let corrupt = format!("SQLite format 3\0{}", "rubbish ".repeat(600));
    let directory = directory_with(&[
        ("sound.toml", SOUND),
        ("syntax.toml", "[jobs.a\n"),
        ("key.toml", "[jobs.a]\nevrey = \"1h\"\ncommand = [\"true\"]\n"),
        ("cron.toml", "[jobs.a]\ncron = \"0 25 * * *\"\ncommand = [\"true\"]\n"),
        ("zone.toml", "timezone = \"Europe/Berlim\"\n"),
        ("store.toml", "store = \"postgres:x\"\n"),
        ("bad.crontab", "# comment\n0 9 * * MON-FRI echo fine\n0 9 * * MOM echo bad\n61 * * * * echo bad\n"),
        ("zone.crontab", "CRON_TZ=Mars/Olympus\n0 9 * * * echo\n"),
        ("never.toml", "[jobs.a]\ncron = \"0 0 30 2 *\"\ncommand = [\"true\"]\n"),
        ("text.db", "this is a letter to my aunt, and certainly no database\n"),
        ("corrupt.db", &corrupt),
    ]);
    let cases: &[(&[&str], &[&str])] = &[
        (&["run", "nowhere.toml"], &["nowhere.toml"]),
        (&["run", "syntax.toml"], &["syntax.toml:1:"]),
        (&["run", "key.toml"], &["key.toml:2:1", "evrey"]),
        (&["check", "cron.toml"], &["cron.toml:2:11", "25 is out of range"]),
        (&["run", "cron.toml"], &["cron.toml:2:11", "0 to 23"]),
        (&["run", "zone.toml"], &["zone.toml:1:12", "Europe/Berlin"]),
        (&["run", "store.toml"], &["sqlite:PATH"]),
        (&["run", "--crontab", "bad.crontab"], &["bad.crontab:3:9", "MON", "bad.crontab:4:1", "2 faults"]),
        (&["check", "bad.crontab"], &["bad.crontab:3:9"]),
        (&["run", "--crontab", "zone.crontab"], &["zone.crontab:1:", "Mars/Olympus"]),
        (&["run", "never.toml"], &["never.toml:2:"]),
        (&["run", "sound.toml", "--tz", "Europe/Berlim"], &["Europe/Berlin"]),
        (&["run", "sound.toml", "--store", "sqlite:text.db"], &["text.db"]),
        (&["run", "sound.toml", "--store", "sqlite:corrupt.db"], &["corrupt.db"]),
        (&["run", "sound.toml", "--store", "sqlite:no/such/directory/x.db"], &["no/such/directory"]),
        (&["simulate", "sound.toml", "--for", "0s"], &["--for"]),
        (&["next", "0 9 * *"], &["where five are needed"]),
        (&["next", "0 9 * * MOM"], &["MON", "^^^"]),
        (&["next", "0 9 * * *", "--from", "yesterday"], &["yesterday"]),
    ];
    let before = listing(directory.path());
    for (arguments, words) in cases {
        let output = output(directory.path(), arguments);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        for word in *words {
            assert!(errors.contains(word), "{arguments:?} says {word:?}: {errors}");
        }
        assert_eq!(errors.matches("error:").count(), 1, "{arguments:?}: one error: {errors}");
        assert!(output.stdout.is_empty(), "{arguments:?} prints nothing else");
        assert!(listing(directory.path()) == before, "{arguments:?} changes no file");
    }
}

#[test]
fn a_file_that_became_bad_leaves_the_store_as_it_was() {
    let directory = directory_with(&[("jobs.toml", SOUND)]);
    let daemon = Daemon::start(directory.path(), &["run", "jobs.toml"]);
    daemon.wait_for("Ctrl-C");
    assert!(daemon.stop().success());
    let store = directory.path().join("matins.db");
    let before = std::fs::read(&store).unwrap();

    std::fs::write(directory.path().join("jobs.toml"), format!("{SOUND}\n[jobs.b]\nevery = \"0s\"\n"))
        .unwrap();
    let output = output(directory.path(), &["run", "jobs.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(std::fs::read(&store).unwrap() == before);
}

#[test]
fn the_second_start_goes_on_from_the_store() {
    let directory = directory_with(&[(
        "jobs.toml",
        "[jobs.quick]\nevery = \"200ms\"\ncommand = [\"true\"]\n\
         [jobs.slow]\nevery = \"1h\"\ncommand = [\"true\"]\n\
         [jobs.once]\nin = \"100ms\"\ncommand = [\"true\"]\n",
    )]);
    let first = Daemon::start(directory.path(), &["run", "jobs.toml"]);
    first.wait_for("added once, quick, slow");
    let slow = first.wait_for("  slow ");
    first.wait_for("once             succeeded");
    first.wait_for("quick            succeeded");
    assert!(first.stop().success());

    let second = Daemon::start(directory.path(), &["run", "jobs.toml"]);
    second.wait_for("3 as before");
    let when = |line: &str| line.split("  in ").next().unwrap().to_owned();
    second.wait_for("  once  ");
    let quick = second.wait_for("quick            succeeded");
    assert!(quick.contains("due"), "{quick}");
    assert!(second.stop().success());

    let third = Daemon::start(directory.path(), &["run", "jobs.toml"]);
    assert_eq!(when(&third.wait_for("  slow ")), when(&slow), "the hourly job keeps its next fire time");
    assert!(third.stop().success());

    let mut store = SqliteStore::open(directory.path().join("matins.db")).unwrap();
    let runs = store.runs(&RunQuery::default()).unwrap();
    let once = runs.iter().filter(|run| run.job == *"once").count();
    assert_eq!(once, 1, "what was done once is not done again");
    assert!(runs.iter().filter(|run| run.job == *"quick").count() >= 2, "the ledger is kept: {runs:?}");
}

#[test]
fn the_store_follows_the_file() {
    let directory = directory_with(&[("jobs.toml", SOUND)]);
    let run = |content: &str, note: &str| {
        std::fs::write(directory.path().join("jobs.toml"), content).unwrap();
        let daemon = Daemon::start(directory.path(), &["run", "jobs.toml"]);
        daemon.wait_for(note);
        assert!(daemon.stop().success());
    };
    run(SOUND, "added a");
    run(&SOUND.replace("1h", "2h"), "changed a");
    run("[jobs.b]\nevery = \"1h\"\ncommand = [\"true\"]\n", "added b; removed a");
    let mut store = SqliteStore::open(directory.path().join("matins.db")).unwrap();
    let jobs = store.list(&JobQuery::default()).unwrap();
    assert_eq!(jobs.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_job_by_hand_is_not_written_over_by_a_file() {
    let directory = directory_with(&[("jobs.toml", SOUND)]);
    let matins = |arguments: &[&str]| output(directory.path(), arguments);
    assert!(matins(&["add", "a", "--every", "3h", "--", "echo", "by hand"]).status.success());
    let refused = matins(&["run", "jobs.toml"]);
    let errors = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{errors}");
    assert!(errors.contains("matins remove a"), "it says what to do: {errors}");
    assert!(text(&matins(&["job", "a"]).stdout).contains("by hand"), "nothing has changed");
    assert!(matins(&["remove", "a"]).status.success());
    let daemon = Daemon::start(directory.path(), &["run", "jobs.toml"]);
    daemon.wait_for("added a");
    assert!(daemon.stop().success());
}

#[test]
fn a_second_owner_is_refused_by_name() {
    let directory = directory_with(&[("jobs.toml", SOUND)]);
    let first = Daemon::start(directory.path(), &["run", "jobs.toml"]);
    first.wait_for("Ctrl-C");
    let second = output(directory.path(), &["run", "jobs.toml"]);
    let errors = text(&second.stderr);
    assert_eq!(second.status.code(), Some(2), "{errors}");
    assert!(errors.contains(&first.child.id().to_string()), "it names the owner's process: {errors}");
    assert!(first.stop().success());
}

#[test]
fn the_first_signal_waits_for_what_runs() {
    let directory = directory_with(&[(
        "jobs.toml",
        "[jobs.writer]\nin = \"1ms\"\nshell = \"touch begun; while ! test -e go; do sleep 0.02; done; touch ended\"\n",
    )]);
    let mut daemon = Daemon::start(directory.path(), &["run", "jobs.toml"]);
    daemon.wait_for("Ctrl-C");
    wait_until(|| directory.path().join("begun").exists());
    daemon.signal(Signal::INT);
    daemon.wait_for("once more to stop at once");
    std::fs::write(directory.path().join("go"), "").unwrap();
    daemon.wait_for("writer           succeeded");
    assert!(daemon.child.wait().unwrap().success());
    assert!(directory.path().join("ended").exists());
}

#[test]
fn the_second_signal_cancels_what_runs() {
    let directory = directory_with(&[(
        "jobs.toml",
        "[jobs.long]\nin = \"1ms\"\nshell = \"touch begun; exec sleep 600\"\n",
    )]);
    let mut daemon = Daemon::start(directory.path(), &["run", "jobs.toml"]);
    wait_until(|| directory.path().join("begun").exists());
    daemon.signal(Signal::TERM);
    daemon.wait_for("once more to stop at once");
    daemon.signal(Signal::TERM);
    daemon.wait_for("long             cancelled");
    assert!(daemon.child.wait().unwrap().success());
    let mut store = SqliteStore::open(directory.path().join("matins.db")).unwrap();
    let runs = store.runs(&RunQuery::default()).unwrap();
    assert_eq!(runs.iter().map(|run| run.outcome).collect::<Vec<_>>(), [Some(Outcome::Cancelled)]);
}

#[test]
fn a_real_crontab_runs() {
    let directory = directory_with(&[]);
    let home = directory.path().to_str().unwrap();
    let crontab = format!(
        "# what the machine does at start\n\
         \n\
         SHELL=/bin/sh\n\
         HOME={home}\n\
         GREETING = \"good morning\"\n\
         MAILTO=\"\"\n\
         CRON_TZ=Europe/Berlin\n\
         @reboot\tcat > letter; echo $GREETING >> letter; mv letter letter.done%dear aunt,%100\\% well\n\
         */5 9-17 * * mon-fri\techo working\n\
         0 4 * * 7\techo sunday\n\
         @daily echo daily\n"
    );
    std::fs::write(directory.path().join("crontab"), crontab).unwrap();
    let mut command = matins(directory.path(), &["run", "--crontab", "crontab", "--store", "memory"]);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    wait_until(|| directory.path().join("letter.done").exists());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    let letter = std::fs::read_to_string(directory.path().join("letter.done")).unwrap();
    assert_eq!(letter, "dear aunt,\n100% well\ngood morning\n");

    let check = text(&output(directory.path(), &["check", "crontab"]).stdout);
    assert!(check.contains("4 jobs"), "{check}");
    assert!(check.contains("Europe/Berlin"), "{check}");
}

#[test]
fn next_computes_fire_times() {
    let directory = directory_with(&[]);
    let arguments = ["next", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-03-28T12:00", "-n", "2"];
    let people = text(&output(directory.path(), &arguments).stdout);
    assert!(people.contains("Sun 2026-03-29 03:00:00  +02:00"), "the first instant after the gap: {people}");
    assert!(people.contains("Mon 2026-03-30 02:30:00  +02:00"), "{people}");

    let json = output(directory.path(), &[&arguments[..], &["--json"]].concat()).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["fires"][0]["utc"], "2026-03-29T01:00:00Z");
    assert_eq!(json["fires"][1]["local"], "2026-03-30T02:30:00+02:00");
}

/// A line of the log is changed by hand: starting says where, a look says what a repair would drop, a repair keeps the rest.
#[test]
fn a_damaged_file_store_is_found_shown_and_repaired() {
    let directory = directory_with(&[("sound.toml", SOUND)]);
    let matins = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_matins"))
            .args(arguments)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).expect("UTF-8"))
    };
    let run = ["run", "sound.toml", "--store", "file:jobs"];
    let daemon = Daemon::start(directory.path(), &run);
    daemon.wait_for("Ctrl-C");
    let (status, text) = matins(&["store", "check", "file:jobs"]);
    assert!(status == Some(0) && text.contains("1 job and 0 runs are in its daemon"), "{text}");
    assert_eq!(matins(&["store", "repair", "file:jobs", "--apply"]).0, Some(2), "it has an owner");
    daemon.stop();
    let (status, text) = matins(&["store", "check", "file:jobs"]);
    assert!(status == Some(0) && text.contains("1 job and 0 runs are whole"), "{text}");

    let log = directory.path().join("jobs/log.jsonl");
    let written = std::fs::read_to_string(&log).unwrap();
    let second = written.lines().nth(1).unwrap();
    std::fs::write(
        &log,
        format!(
            "{}\n{}\n{second}\n",
            written.lines().next().unwrap(),
            second.replacen("\"n\":1", "\"n\":7", 1)
        ),
    )
    .unwrap();
    // Whoever looks signs its name; nothing else may change.
    let files = || {
        let mut files = listing(&directory.path().join("jobs"));
        files.retain(|(name, _)| name != "owner");
        files
    };
    let damaged = files();
    for arguments in [&run[..], &["store", "check", "file:jobs"], &["store", "repair", "file:jobs"]] {
        let (status, text) = matins(arguments);
        assert_eq!(status == Some(0), arguments[1] == "repair", "{text}");
        assert!(text.contains("jobs/log.jsonl, line 2, byte "), "{text}");
        assert!(files() == damaged, "{arguments:?} has changed something");
    }
    let (status, text) = matins(&["store", "repair", "file:jobs", "--apply"]);
    assert!(status == Some(0) && text.contains("repaired"), "{text}");
    assert_eq!(matins(&["store", "check", "file:jobs"]).0, Some(0));
    assert!(directory.path().join("jobs/log.jsonl.damaged-1").exists());
}
