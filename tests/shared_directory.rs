//! A store of root in a directory that others can write to: another user has placed links under the names that lie beside it.

mod daemon_process;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::Instant;

use daemon_process::{GENEROUS, QUIET, daemon, directory_with, done, matins, text};

/// Somebody who is not root: `nobody`.
const ANOTHER: u32 = 65_534;

/// What lies beside a SQLite store, and beside a file store.
const NAMES: [&str; 6] = ["-owner", "-history", "-commands", "-control", "-wal", "-shm"];

/// Places something under a name.
type Place<'a> = &'a dyn Fn(&Path);

/// Runs the daemon until it ends by itself, which it must: it is refused, and does not hang.
fn refused(here: &Path, arguments: &[&str]) -> Output {
    let mut child = matins(here, arguments);
    let mut child =
        child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let limit = Instant::now() + GENEROUS;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > limit {
            child.kill().unwrap();
            panic!("{arguments:?} hangs");
        }
        thread::yield_now();
    }
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success(), "{}", text(&output.stdout));
    output
}

fn as_another(program: &str, arguments: &[&Path]) {
    let status = Command::new(program).args(arguments).uid(ANOTHER).gid(ANOTHER).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}

/// The attack: each kind of file under each of the names, placed by another user before root's daemon starts for the first time.
#[test]
fn what_another_user_has_placed_beside_the_store_is_not_touched() {
    if !rustix::process::geteuid().is_root() {
        println!("only root can be two users: nothing is tested");
        return;
    }
    let victims = directory_with(&[("victim", "precious"), ("jobs.toml", QUIET)]);
    let victim = victims.path().join("victim");
    fs::create_dir(victims.path().join("directory")).unwrap();
    fs::write(victims.path().join("directory/7-0"), "precious").unwrap();
    let config = victims.path().join("jobs.toml");
    let config = config.to_str().unwrap();
    let kinds: [(&str, Place); 6] = [
        ("link", &|path| as_another("ln", &[Path::new("-s"), &victim, path])),
        ("link to nothing", &|path| as_another("ln", &[Path::new("-s"), &victims.path().join("new"), path])),
        ("link to a directory", &|path| {
            as_another("ln", &[Path::new("-s"), &victims.path().join("directory"), path]);
        }),
        // Most systems refuse this to another user (fs.protected_hardlinks); root does it for one where they do not.
        ("hard link", &|path| fs::hard_link(&victim, path).unwrap()),
        ("FIFO", &|path| as_another("mkfifo", &[path])),
        ("directory", &|path| as_another("mkdir", &[path])),
    ];
    for store in ["sqlite:jobs.db", "file:jobs.db"] {
        for name in NAMES {
            for (kind, place) in kinds {
                if store.starts_with("file") && ["-wal", "-shm", "-owner"].contains(&name) {
                    continue;
                }
                let directory = tempfile::Builder::new().tempdir_in(victims.path()).unwrap();
                let here = directory.path();
                for parent in [here, victims.path()] {
                    fs::set_permissions(parent, Permissions::from_mode(0o1777)).unwrap();
                }
                let path = here.join(format!("jobs.db{name}"));
                place(&path);
                let output = refused(here, &["run", config, "--store", store]);
                let errors = text(&output.stderr);
                let says = errors.contains(&format!("jobs.db{name}"));
                assert!(says, "{store}{name}, {kind}: {errors}");
                assert_eq!(fs::read_to_string(&victim).unwrap(), "precious", "{store}{name}, {kind}");
                assert!(!victims.path().join("new").exists(), "{store}{name}, {kind}");
                let record = victims.path().join("directory/7-0");
                assert_eq!(fs::read_to_string(record).unwrap(), "precious", "{store}{name}, {kind}");
                assert_eq!(fs::metadata(&victim).unwrap().permissions().mode() & 0o777, 0o644);
            }
        }
    }
}

/// The file of the store itself, as a link, and as a file of another user.
#[test]
fn a_store_that_another_user_has_placed_is_not_opened() {
    if !rustix::process::geteuid().is_root() {
        println!("only root can be two users: nothing is tested");
        return;
    }
    let directory = directory_with(&[("jobs.toml", QUIET)]);
    let here = directory.path();
    fs::set_permissions(here, Permissions::from_mode(0o1777)).unwrap();
    for store in ["sqlite:jobs.db", "file:jobs.db"] {
        as_another("ln", &[Path::new("-s"), Path::new("/tmp/matins-no-such-victim"), &here.join("jobs.db")]);
        let errors = text(&refused(here, &["run", "jobs.toml", "--store", store]).stderr);
        assert!(errors.contains("symbolic link"), "{store}: {errors}");
        assert!(!Path::new("/tmp/matins-no-such-victim").exists());
        fs::remove_file(here.join("jobs.db")).unwrap();
        fs::write(here.join("jobs.db"), "").unwrap();
        chown(here.join("jobs.db"), Some(ANOTHER), Some(ANOTHER)).unwrap();
        let errors = text(&refused(here, &["run", "jobs.toml", "--store", store]).stderr);
        assert!(errors.contains("belongs to"), "{store}: {errors}");
        fs::remove_file(here.join("jobs.db")).unwrap();
    }
}

/// Where everybody can write and there is no sticky bit, nothing helps; with it, a store is used as anywhere else.
#[test]
fn a_directory_in_which_everybody_can_replace_files_is_refused() {
    let directory = directory_with(&[("jobs.toml", QUIET)]);
    let here = directory.path();
    fs::set_permissions(here, Permissions::from_mode(0o777)).unwrap();
    for arguments in
        [&["run", "jobs.toml"][..], &["run", "jobs.toml", "--store", "file:jobs"], &["import", "-"]]
    {
        let errors = text(&refused(here, arguments).stderr);
        assert!(errors.contains("chmod o-w") && errors.contains("mkdir -m 700"), "{arguments:?}: {errors}");
    }
    assert_eq!(fs::read_dir(here).unwrap().count(), 1, "nothing was created");
    for mode in [0o1777, 0o755, 0o775] {
        fs::set_permissions(here, Permissions::from_mode(mode)).unwrap();
        let daemon = daemon(here, &["run", "jobs.toml"]);
        assert!(done(here, &["jobs"]).contains("quiet"), "{mode:o}");
        assert!(daemon.stop().success());
    }
}

/// A group of several users is a matter of trust, and not refused.
#[test]
fn a_directory_that_a_group_can_write_to_is_warned_of() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let directory = directory_with(&[("jobs.toml", QUIET)]);
    let here = directory.path();
    chown(here, None, Some(ANOTHER)).unwrap();
    fs::set_permissions(here, Permissions::from_mode(0o775)).unwrap();
    let daemon = daemon_process::Daemon::start(here, &["run", "jobs.toml"]);
    daemon.wait_for("can be written by the group with id 65534");
    daemon.wait_for("Ctrl-C");
    assert!(daemon.stop().success());
}

/// One's own store may be reached by a link of one's own, as deployments have it.
#[test]
fn a_store_behind_a_link_of_ones_own_is_opened() {
    let (directory, data) = (directory_with(&[("jobs.toml", QUIET)]), tempfile::tempdir().unwrap());
    let here = directory.path();
    for store in ["sqlite:jobs.db", "file:jobs"] {
        let name = store.split_once(':').unwrap().1;
        symlink(data.path().join(name), here.join(name)).unwrap();
        if store.starts_with("file") {
            fs::create_dir(data.path().join(name)).unwrap();
        }
        let daemon = daemon(here, &["run", "jobs.toml", "--store", store]);
        assert!(daemon.stop().success());
        assert!(data.path().join(name).exists());
    }
}

/// A client does not send commands and secrets to whoever listens under the daemon's name.
#[test]
fn a_socket_of_another_user_is_not_talked_to() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let directory = directory_with(&[("jobs.toml", QUIET)]);
    let here = directory.path();
    fs::set_permissions(here, Permissions::from_mode(0o1777)).unwrap();
    done(here, &["add", "known", "--every", "1h", "--", "true"]);
    let program = here.join("matins");
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_matins")).arg(&program).status().unwrap().success());
    // A daemon of the other user, with a store of its own elsewhere.
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("jobs.toml"), QUIET).unwrap();
    for path in [other.path().to_owned(), other.path().join("jobs.toml")] {
        chown(path, Some(ANOTHER), Some(ANOTHER)).unwrap();
    }
    let mut child = Command::new(&program);
    child.args(["run", "jobs.toml", "--socket"]).arg(here.join("matins.db-control"));
    child.current_dir(other.path()).uid(ANOTHER).gid(ANOTHER).stdout(std::process::Stdio::null());
    let daemon = daemon_process::Launched(child.spawn().unwrap());
    daemon_process::wait_until(|| here.join("matins.db-control").exists());
    let output = refused(here, &["add", "secret", "--every", "1h", "--", "true"]);
    let errors = text(&output.stderr);
    assert!(errors.contains("runs as the user with id 65534"), "{errors}");
    let socket = here.join("matins.db-control");
    let output = refused(here, &["status", "--socket", socket.to_str().unwrap()]);
    assert!(text(&output.stderr).contains("runs as the user with id 65534"));
    daemon.end();
}
