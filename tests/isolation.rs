//! What the daemon's commands are kept apart from: its terminal, and what whoever launched it left behind.

mod daemon_process;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::geteuid;

use daemon_process::{Launched, directory_with, done, matins, text, wait_until};

/// Whether a program is there; says so where it is not.
fn has(program: &str) -> bool {
    let found =
        Command::new("which").arg(program).stdout(Stdio::null()).status().is_ok_and(|found| found.success());
    if !found {
        println!("{program} is not installed: nothing is tested");
    }
    found
}

/// The attack: a job of another user opens the terminal from which root has started the daemon, and types a command into it
/// with TIOCSTI. And a job that asks for a password, as `ssh` and `sudo` do, must fail rather than stop.
#[test]
fn a_job_has_no_terminal_though_the_daemon_has_one() {
    if !has("script") {
        return;
    }
    let directory = directory_with(&[(
        "jobs.toml",
        "[jobs.attack]\nin = \"1ms\"\n\
         shell = '(: < /dev/tty) 2> error; cut -d\" \" -f5-7 /proc/self/stat > ids; tty > tty; read line; touch done'\n",
    )]);
    let here = directory.path();
    // `script` gives it a terminal, and passes on what is typed into it: nothing, until its input ends.
    let line = format!("{} run jobs.toml", env!("CARGO_BIN_EXE_matins"));
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "typescript"]).current_dir(here);
    let mut script = script.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    wait_until(|| here.join("done").exists());
    let typed = fs::read_to_string(here.join("typescript")).unwrap_or_default();
    let read = |name: &str| fs::read_to_string(here.join(name)).unwrap();
    assert!(read("error").contains("No such device or address"), "ENXIO: {}\n{typed}", read("error"));
    assert_eq!(read("ids").split_whitespace().nth(2), Some("0"), "no controlling terminal: {}", read("ids"));
    assert_eq!(read("tty").trim(), "not a tty");
    assert!(done(here, &["status"]).contains("running"), "the daemon itself has one, and goes on");
    done(here, &["stop"]);
    script.wait().unwrap();
}

/// Whoever launches the daemon may leave it an open file, a blocked SIGTERM, an ignored SIGINT and SIGHUP (as `nohup` does),
/// and variables that are for the daemon.
#[test]
fn what_launched_the_daemon_does_not_reach_its_jobs() {
    let shell =
        "ls -l /proc/self/fd > open; grep ^Sig /proc/self/status > signals; env > variables; touch done";
    let directory = directory_with(&[
        ("jobs.toml", &format!("[jobs.look]\nin = \"1ms\"\nshell = '{shell}'\n")),
        ("secret", "hunter2\n"),
    ]);
    let here = directory.path();
    let launcher = "trap '' INT HUP QUIT USR2 CHLD; exec 7< secret; exec \"$0\" run jobs.toml";
    let mut daemon = Command::new("sh");
    daemon.args(["-c", launcher, env!("CARGO_BIN_EXE_matins")]).current_dir(here).stdin(Stdio::null());
    daemon.env("NOTIFY_SOCKET", here.join("nobody")).env("MATINS_LOG", "error").env("COLOUR", "green");
    let daemon = Launched(daemon.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    wait_until(|| here.join("done").exists());
    let read = |name: &str| fs::read_to_string(here.join(name)).unwrap();
    assert!(!read("open").contains("secret"), "{}", read("open"));
    let numbers: Vec<String> = read("open")
        .lines()
        .filter_map(|line| Some(line.split_once(" -> ")?.0.rsplit(' ').next()?.to_owned()))
        .collect();
    // The last one is the directory that `ls` reads.
    assert_eq!(numbers.len(), 4, "{}", read("open"));
    for set in ["SigBlk", "SigIgn"] {
        let signals = read("signals");
        let line = signals.lines().find(|line| line.starts_with(set)).unwrap();
        let set = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
        // The C library's own two are nobody's.
        assert_eq!(set & !(0b11 << 31), 0, "{signals}");
    }
    let variables = read("variables");
    assert!(variables.contains("COLOUR=green"), "what is not for the daemon alone is handed on: {variables}");
    assert!(!variables.contains("NOTIFY_SOCKET") && !variables.contains("MATINS_LOG"), "{variables}");
    daemon.end();
}

/// A job of another user has that user's groups and environment, and none of root's. The user and the groups are made for
/// this test alone, in a mount namespace of its own.
#[test]
fn a_job_of_another_user_has_what_that_user_has() {
    if !geteuid().is_root() {
        println!("not run as root: no job runs as another user");
        return;
    }
    let shell = "id -u > ids; id -g >> ids; id -G >> ids; pwd >> ids; env | sort > variables; touch done";
    let directory = directory_with(&[
        (
            "jobs.toml",
            &format!(
                "[jobs.look]\nin = \"1ms\"\nuser = \"ada\"\nenvironment = {{ OWN = \"yes\" }}\nshell = '{shell}'\n"
            ),
        ),
        (
            "group",
            "root:x:0:\nada:x:4711:\nreaders:x:4712:ada,bob\nwriters:x:4713:bob\nprinters:x:4714:ada\n",
        ),
    ]);
    let here = directory.path();
    let home = here.join("home");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(here, fs::Permissions::from_mode(0o755)).unwrap();
    let passwd = format!("root:x:0:0::/root:/bin/sh\nada:x:4711:4711::{}:/bin/ash\n", home.display());
    fs::write(here.join("passwd"), passwd).unwrap();
    let launcher = "mount --bind passwd /etc/passwd && mount --bind group /etc/group && touch mounted && \
                    exec \"$0\" run jobs.toml";
    let mut daemon = Command::new("unshare");
    daemon.args(["--mount", "sh", "-c", launcher, env!("CARGO_BIN_EXE_matins")]).current_dir(here);
    daemon.env("SECRET", "of root").env("NOTIFY_SOCKET", here.join("nobody"));
    let Ok(mut daemon) = daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    else {
        println!("unshare is not installed: nothing is tested");
        return;
    };
    wait_until(|| here.join("mounted").exists() || daemon.try_wait().unwrap().is_some());
    if !here.join("mounted").exists() {
        println!("no mount namespace can be made here: nothing is tested");
        return;
    }
    let daemon = Launched(daemon);
    wait_until(|| home.join("done").exists());
    let read = |name: &str| fs::read_to_string(home.join(name)).unwrap();
    let expected = format!("4711\n4711\n4711 4712 4714\n{}\n", home.display());
    assert_eq!(read("ids"), expected, "user, group, groups, directory");
    let variables = read("variables");
    assert!(
        variables.lines().any(|line| line == "MATINS_JOB=look"),
        "what every command is told: {variables}"
    );
    let not_own = ["PWD=", "_=", "OLDPWD=", "MATINS_"];
    let own = |line: &&str| !not_own.iter().any(|start| line.starts_with(start));
    let home = home.display();
    assert_eq!(
        variables.lines().filter(own).collect::<Vec<_>>(),
        [
            &format!("HOME={home}"),
            "LOGNAME=ada",
            "OWN=yes",
            "PATH=/usr/bin:/bin",
            "SHELL=/bin/ash",
            "USER=ada"
        ]
    );
    daemon.end();
}

/// A home directory that is not there is named, and what to do.
#[test]
fn a_user_without_a_home_is_told_to_name_a_directory() {
    if !geteuid().is_root() || Path::new("/nonexistent").exists() {
        println!("not run as root: no job runs as another user");
        return;
    }
    let directory = directory_with(&[(
        "jobs.toml",
        "[jobs.look]\ncron = \"0 4 * * *\"\nuser = \"nobody\"\nshell = \"true\"\n",
    )]);
    let here = directory.path();
    let daemon = daemon_process::daemon(here, &["run", "jobs.toml"]);
    let output = matins(here, &["now", "look", "--wait"]).output().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    if !said.contains("succeeded") {
        assert!(said.contains("set the directory of the job"), "{said}");
    }
    daemon.stop();
}
