//! Background processes that outlive the command which started them.

mod rig;

use std::fs;

use matins_task_command::Command;

use rig::{printed, wait_until};

/// Whether this process has the thread that reads what background processes print.
fn is_draining() -> bool {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.into_iter().any(|name| name.trim() == "matins-drain")
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// As reported of others: <https://github.com/jhuckaby/Cronicle/issues/428>, <https://github.com/aptible/supercronic/issues/112>.
/// One test, since it counts the descriptors and threads of its process.
#[test]
fn background_processes_print_after_the_run_has_ended_and_are_not_killed() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let files = open_files();
    // More than a pipe holds; a process that SIGPIPE kills does not get to the end.
    let line = "(while ! test -e go; do sleep 0.02; done; head -c 300000 /dev/zero && touch survived.$0) & echo started";
    for number in ["1", "2", "3"] {
        let command = Command::new("sh").arguments(["-c", line, number]).directory(here);
        assert_eq!(printed(&command), "started\n");
    }
    assert!(is_draining(), "the pipes are read on");
    fs::write(here.join("go"), "").unwrap();
    wait_until("all three survived", || {
        ["survived.1", "survived.2", "survived.3"].iter().all(|name| here.join(name).exists())
    });
    wait_until("the thread ends with the last of them", || !is_draining());
    wait_until("nothing is left open", || open_files() == files);

    // Another one starts it again.
    let line = "(while ! test -e again; do sleep 0.02; done; head -c 300000 /dev/zero && touch survived) & echo started";
    assert_eq!(printed(&Command::shell(line).directory(here)), "started\n");
    fs::write(here.join("again"), "").unwrap();
    wait_until("it survived", || here.join("survived").exists());
    wait_until("nothing is left open", || open_files() == files);
}
