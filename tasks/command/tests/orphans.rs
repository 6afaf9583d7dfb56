//! Records of running commands, and what the next process makes of them.

mod rig;

use std::fs;
use std::process::{Command as Process, Stdio};

use matins_core::{CancelToken, RunId, Task};
use matins_task_command::{Command, CommandTask, OnOrphan, Orphan};

use rig::{context, wait_until};

/// The record of a process as this crate writes it; `ahead` is how much later than it really did it was started.
fn record(pid: u32, ahead: u64) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start: u64 =
        stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(19).unwrap().parse().unwrap();
    let intent = intent(0);
    format!("{intent}\n{}", serde_json::json!({"pid": pid, "start": start + ahead}))
}

/// What it says before it is started, with the inode of the pipe that it prints to.
fn intent(pipe: u64) -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    serde_json::json!({"run": 7, "job": "backup", "boot": boot.trim(), "pipe": pipe}).to_string()
}

#[test]
fn a_command_is_recorded_while_it_runs_and_no_longer() {
    let directory = tempfile::tempdir().unwrap();
    let records = directory.path().to_owned();
    let cancel = CancelToken::new();
    let task = std::thread::spawn({
        let (context, records) = (context(cancel.clone()), records.clone());
        let command = serde_json::to_value(Command::new("sleep").arguments(["600"])).unwrap();
        move || CommandTask::default().recording_in(records).run(&command, &context)
    });
    let entries = || fs::read_dir(&records).unwrap().filter_map(Result::ok).collect::<Vec<_>>();
    wait_until("it is recorded", || {
        entries().iter().any(|entry| entry.metadata().is_ok_and(|data| data.len() > 0))
    });
    let lines = || -> Vec<serde_json::Value> {
        let written = fs::read_to_string(entries()[0].path()).unwrap();
        written.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    wait_until("its process is recorded", || lines().len() == 2);
    let written = lines();
    assert_eq!((&written[0]["run"], &written[0]["job"]), (&1.into(), &"job".into()));
    assert!(written[1]["pid"].is_u64());
    cancel.cancel();
    assert!(task.join().unwrap().is_err());
    assert!(entries().is_empty());
}

#[test]
fn a_process_that_still_runs_is_found_watched_and_ended() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Process::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
    fs::write(directory.path().join("7"), record(child.id(), 0)).unwrap();
    let mut orphans = Orphan::all_in(directory.path()).unwrap();
    let orphan = orphans.pop().unwrap();
    assert_eq!((orphan.run(), orphan.job().as_str(), orphan.process_id()), (RunId(7), "backup", child.id()));
    assert!(!orphan.has_ended());
    drop(orphan);
    let orphan = Orphan::all_in(directory.path()).unwrap().pop().expect("it is found again");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(orphan.has_ended());
    orphan.end(true).unwrap();
    orphan.forget();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// The scheduler was killed between the start of the command and the line that says which process it is.
#[test]
fn a_process_whose_number_was_not_recorded_is_found_by_its_pipe() {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::CommandExt;

    let directory = tempfile::tempdir().unwrap();
    let (output, writer) = std::io::pipe().unwrap();
    let pipe =
        fs::metadata(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&output))).unwrap().ino();
    let record = directory.path().join("7-0");
    fs::write(&record, intent(pipe)).unwrap();
    let mut child = Process::new("sleep");
    let child = child.arg("600").stdin(Stdio::null()).stdout(writer.try_clone().unwrap()).process_group(0);
    let mut child = child.spawn().unwrap();
    drop(writer);
    let found = || Orphan::all_in(directory.path()).unwrap().pop().expect("it is found");
    assert_eq!(found().process_id(), child.id());
    assert_eq!(fs::read_to_string(&record).unwrap().lines().count(), 2, "the record has been completed");
    assert_eq!(found().process_id(), child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    fs::write(&record, intent(pipe)).unwrap();
    assert!(Orphan::all_in(directory.path()).unwrap().is_empty());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// A process that was given the number of one that has ended, a record of another boot, one that was torn, a number that
/// nobody has: none of them is taken for the command, and the records go.
#[test]
fn another_process_is_never_taken_for_the_command() {
    let directory = tempfile::tempdir().unwrap();
    let own = std::process::id();
    let boot = record(own, 0).replace("\"boot\":\"", "\"boot\":\"0");
    let mut gone = Process::new("true").spawn().unwrap();
    let zombie = record(gone.id(), 0);
    wait_until("it has ended", || {
        fs::read_to_string(format!("/proc/{}/stat", gone.id())).unwrap().contains(") Z ")
    });
    let records = [record(own, 1), boot, record(own, 0)[..40].to_owned(), String::new(), "{}".into(), zombie];
    for (number, record) in records.iter().enumerate() {
        fs::write(directory.path().join(number.to_string()), record).unwrap();
    }
    assert!(Orphan::all_in(directory.path()).unwrap().is_empty());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    gone.wait().unwrap();
    assert!(Orphan::all_in(&directory.path().join("nowhere")).unwrap().is_empty());
}

#[test]
fn the_choice_is_saved_with_the_command_where_it_is_not_the_default() {
    let saved = |command: Command| serde_json::to_value(command).unwrap();
    assert_eq!(saved(Command::new("true").on_orphan(OnOrphan::Kill))["on_orphan"], "kill");
    assert!(saved(Command::new("true")).get("on_orphan").is_none());
    let read: Command =
        serde_json::from_value(serde_json::json!({"program": "x", "on_orphan": "ignore"})).unwrap();
    assert_eq!(read.on_orphan, OnOrphan::Ignore);
}

/// Records are removed when their commands have ended: never through a link to somebody else's directory.
#[test]
fn a_directory_of_records_that_is_a_link_is_refused_and_nothing_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let (elsewhere, records) = (directory.path().join("elsewhere"), directory.path().join("records"));
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("7-0"), "precious").unwrap();
    std::os::unix::fs::symlink(&elsewhere, &records).unwrap();
    let error = Orphan::all_in(&records).unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
    assert_eq!(fs::read_to_string(elsewhere.join("7-0")).unwrap(), "precious");
}
