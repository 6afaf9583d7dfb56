//! What a program is started with: its session, environment, groups, signals, and nothing else of its parent's.

mod rig;

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use matins_core::{CancelToken, Task, error_chain};
use matins_task_command::{Account, Command, CommandTask, is_awaited};
use nix::sys::signal::{SigSet, Signal};

use rig::{context, printed, run, wait_until};

/// Its process group and its session both have its number, and it has no terminal.
#[test]
fn a_command_leads_a_session_of_its_own() {
    // Fields 5 to 7 of /proc/PID/stat: process group, session, terminal.
    let ids = printed(&Command::shell(
        "read -r _ _ _ _ group session terminal _ < /proc/$$/stat; echo $$ $group $session $terminal",
    ));
    let ids: Vec<&str> = ids.split_whitespace().collect();
    assert_eq!(ids[1..], [ids[0], ids[0], "0"]);
}

/// A job that would ask for a password reads the end of its input, and does not stop.
#[test]
fn a_command_without_input_reads_the_end_of_it() {
    assert_eq!(printed(&Command::shell("cat; read -r line || echo end")), "end\n");
}

/// `PATH`, locale and the like are handed on; what is for the scheduler itself is not. This test alone is run again as a child
/// whose environment has such variables: a test cannot set them for itself.
#[test]
fn variables_that_are_for_the_scheduler_are_not_handed_on() {
    const ITS_OWN: [&str; 8] = [
        "NOTIFY_SOCKET",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
        "LISTEN_PID",
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
        "MATINS_STORE",
        "MATINS_LOG",
    ];
    const CHILD: &str = "COMMAND_TEST_CHILD";
    if std::env::var_os(CHILD).is_none() {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "variables_that_are_for_the_scheduler_are_not_handed_on"]).env(CHILD, "yes");
        let output = child.envs(ITS_OWN.map(|name| (name, "x"))).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let names = printed(&Command::shell("env | cut -d= -f1"));
    assert!(names.lines().any(|name| name == CHILD), "others are handed on: {names}");
    assert!(!names.lines().any(|name| ITS_OWN.contains(&name)), "{names}");
    let asked_for = printed(&Command::shell("echo $MATINS_STORE").environment("MATINS_STORE", "sqlite:x"));
    assert_eq!(asked_for, "sqlite:x\n", "unless the command itself says so");
}

/// A thread that has signals blocked starts programs that have none.
#[test]
fn blocked_signals_and_an_ignored_sigpipe_are_not_inherited() {
    let status = std::thread::spawn(|| {
        let mut blocked = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGCHLD] {
            blocked.add(signal);
        }
        blocked.thread_block().unwrap();
        printed(&Command::new("grep").arguments(["-E", "^Sig(Blk|Ign):", "/proc/self/status"]))
    });
    let status = status.join().unwrap();
    let set = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
    };
    assert_eq!(set("SigBlk"), 0, "{status}");
    // This process ignores SIGPIPE, as every Rust program does.
    assert_eq!(set("SigIgn") & (1 << (Signal::SIGPIPE as u64 - 1)), 0, "{status}");
}

#[test]
fn another_user_needs_root_and_has_to_exist() {
    let unknown = run(&Command::new("id").user("no such user")).unwrap_err();
    let unknown = error_chain(&unknown);
    assert!(unknown.contains("there is no user \"no such user\""), "{unknown}");
    let nobody = Account::named("nobody").unwrap().unwrap();
    let script = "id -un; id -G; env | sort";
    let as_nobody = Command::shell(script).user("nobody").directory("/").environment("COLOUR", "green");
    if !nix::unistd::geteuid().is_root() {
        println!("not run as root: no command is run as another user");
        assert!(error_chain(&run(&as_nobody).unwrap_err()).contains("as root"));
        return;
    }
    let output = printed(&as_nobody);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[..2], ["nobody", &nobody.gid.to_string()]);
    let home = format!("HOME={}", nobody.home.display());
    let shell = format!("SHELL={}", nobody.shell.display());
    // What a shell sets by itself.
    let variables: Vec<&str> = lines[2..]
        .iter()
        .copied()
        .filter(|line| !["PWD=", "_=", "MATINS_"].iter().any(|start| line.starts_with(start)))
        .collect();
    let expected = ["COLOUR=green", &home, "LOGNAME=nobody", "PATH=/usr/bin:/bin", &shell, "USER=nobody"];
    assert_eq!(variables, expected, "the environment is from passwd and from the job");

    let homeless = run(&Command::new("true").user("nobody"));
    if !nobody.home.is_dir() {
        let message = error_chain(&homeless.unwrap_err());
        assert!(message.contains("the home directory") && message.contains("set the directory"), "{message}");
    }
    // The process that started it is still root's, with its own groups.
    assert_eq!(std::fs::metadata("/proc/thread-self").unwrap().uid(), 0);
    assert_eq!(printed(&Command::shell("id -u").user("root")), "0\n");
    assert_eq!(printed(&Command::shell("id -u")), "0\n");
    assert_eq!(
        printed(&Command::shell("id -un; umask").user("nobody").directory("/").umask(0o077)),
        "nobody\n0077\n"
    );
}

#[test]
fn a_running_command_is_awaited_until_it_has_been_reaped() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let cancel = CancelToken::new();
    let line = format!("echo $$ > '{0}.new'; mv '{0}.new' '{0}'; exec sleep 600", file.display());
    let task = std::thread::spawn({
        let context = context(cancel.clone());
        move || CommandTask::default().run(&serde_json::to_value(Command::shell(line)).unwrap(), &context)
    });
    wait_until("it has begun", || file.exists());
    let pid: u32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    assert!(is_awaited(pid));
    cancel.cancel();
    assert!(task.join().unwrap().is_err());
    wait_until("it is awaited no longer", || !is_awaited(pid));
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}
