//! Jobs that run after others, as the command and the daemon have them.

mod daemon_process;

use std::path::Path;

use serde_json::Value;

use daemon_process::{daemon, directory_with, done, fails, json_of, output, text, wait_until};

const CHAIN: &str = "\
[jobs.report]
after = \"backup\"
command = [\"true\"]

[jobs.alarm]
after = \"backup\"
on = \"failed\"
command = [\"true\"]

[jobs.backup]
cron = \"0 3 1 1 *\"
command = [\"true\"]

[[hook]]
on = [\"succeeded\"]
jobs = [\"report\", \"backup\"]
shell = 'echo \"$MATINS_JOB follows <$MATINS_CAUSE>\" >> told'
";

fn said(directory: &Path, arguments: &[&str]) -> String {
    text(&output(directory, arguments).stdout)
}

#[test]
fn a_chain_of_a_configuration_runs_and_tells_its_cause() {
    let directory = directory_with(&[("jobs.toml", CHAIN)]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "jobs.toml"]);
    done(here, &["now", "backup", "--wait"]);
    let runs = || -> Vec<Value> { json_of(here, &["runs", "--json"]).as_array().unwrap().clone() };
    wait_until(|| runs().iter().any(|run| run["job"] == "report" && run["outcome"] == "succeeded"));
    let told = here.join("told");
    wait_until(|| std::fs::read_to_string(&told).is_ok_and(|told| told.lines().count() == 2));
    assert_eq!(std::fs::read_to_string(&told).unwrap(), "backup follows <>\nreport follows <1>\n");
    let runs = runs();
    assert_eq!(runs.len(), 2, "the alarm has not run: {runs:?}");
    assert_eq!((&runs[0]["cause"], &runs[0]["cause_job"]), (&1.into(), &"backup".into()));
    assert!(said(here, &["runs"]).contains("after run 1 of backup"));
    let run = said(here, &["run", "2"]);
    assert!(run.contains("follows      run 1 of backup"), "{run}");
    let jobs = said(here, &["jobs"]);
    assert!(jobs.contains("alarm\tafter backup has failed"), "{jobs}");
    assert!(said(here, &["job", "report"]).contains("next         after backup has succeeded"));
    let due = runs[0]["first"].as_str().unwrap();
    let why = said(here, &["why", "report", due]);
    assert!(why.contains("It followed run 1 of backup, which succeeded at"), "{why}");
    let why = said(here, &["why", "alarm", due]);
    assert!(why.contains("Run 1 of backup succeeded at"), "{why}");

    // By hand, and changed.
    done(here, &["add", "mail", "--after", "report", "--on", "any", "--", "true"]);
    assert!(said(here, &["jobs"]).contains("mail\tafter report has ended"));
    done(here, &["edit", "mail", "--after", "alarm"]);
    assert!(said(here, &["jobs"]).contains("mail\tafter alarm has succeeded"));
    let cycle = "\"backup\", then \"alarm\", then \"mail\", then \"backup\"";
    fails(here, &["reschedule", "backup", "--after", "mail"], 2, cycle);
    fails(here, &["add", "x", "--on", "any", "--every", "1h", "--", "true"], 2, "name that job with `after`");
    fails(here, &["edit", "mail", "--unset", "on"], 2, "name `after` too");
    let kept = said(here, &["export"]);
    assert!(kept.contains("\"cause\":1"), "{kept}");
    daemon.stop();
}

/// Whatever the order of the jobs, each step on the way is a chain.
#[test]
fn a_chain_may_be_turned_round() {
    let chain = |names: [&str; 3]| {
        let [first, second, third] = names;
        format!(
            "[jobs.{first}]\nevery = \"1h\"\nshell = \":\"\n[jobs.{second}]\nafter = \"{first}\"\nshell = \":\"\n\
             [jobs.{third}]\nafter = \"{second}\"\nshell = \":\"\n"
        )
    };
    let directory = directory_with(&[("jobs.toml", &chain(["a", "b", "c"]))]);
    let here = directory.path();
    let daemon = daemon(here, &["run", "jobs.toml"]);
    for names in [["c", "b", "a"], ["b", "a", "c"], ["a", "c", "b"]] {
        std::fs::write(here.join("jobs.toml"), chain(names)).unwrap();
        done(here, &["reload"]);
        let last = format!("{}\tafter {} has succeeded", names[2], names[1]);
        let jobs = said(here, &["jobs"]);
        assert!(jobs.contains(&last), "{names:?}: {jobs}");
    }
    daemon.stop();
}

#[test]
fn check_warns_of_a_job_that_is_not_there_and_refuses_a_cycle() {
    let directory = directory_with(&[
        ("typo.toml", &CHAIN.replace("[jobs.backup]", "[jobs.back_up]")),
        ("cycle.toml", &CHAIN.replace("cron = \"0 3 1 1 *\"", "after = \"report\"")),
        ("sound.toml", CHAIN),
    ]);
    let here = directory.path();
    let checked = said(here, &["check", "typo.toml"]);
    let warning =
        "it runs after \"backup\", and no job of that name is defined here; did you mean \"back_up\"?";
    assert_eq!(checked.matches(warning).count(), 2, "{checked}");
    let errors = text(&output(here, &["check", "typo.toml", "--json"]).stderr);
    assert!(errors.contains(&format!("job \"alarm\": {warning}")), "{errors}");
    assert!(!said(here, &["check", "sound.toml"]).contains("warning"));
    let refused = output(here, &["check", "cycle.toml"]);
    assert_eq!(refused.status.code(), Some(2));
    let errors = text(&refused.stderr);
    assert!(errors.contains("cycle.toml:2:9: a job cannot run after itself: \"backup\", then"), "{errors}");
}
