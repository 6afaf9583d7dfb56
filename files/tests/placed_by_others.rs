//! What another user has placed under the name of a store's file is neither opened nor changed.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use matins_files::{
    OpenOptions, check, check_store, read, refuse_shared_directory, use_own_directory, warning,
};
use tempfile::tempdir;

fn every_way_to_open(path: &Path) -> Vec<std::io::Error> {
    let options = OpenOptions::new();
    let opened = [
        options.clone().read(true).open(path).map(drop),
        options.clone().write(true).open(path).map(drop),
        options.clone().read(true).write(true).create(true).truncate(true).open(path).map(drop),
        options.clone().append(true).create(true).open(path).map(drop),
        read(path).map(drop),
        check(path),
    ];
    opened.map(|opened| opened.expect_err("it is refused")).into()
}

#[test]
fn links_fifos_sockets_and_directories_are_refused_and_do_not_block() {
    let directory = tempdir().unwrap();
    let victim = directory.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let path = directory.path().join("jobs.db-owner");
    let socket = UnixListener::bind(directory.path().join("socket")).unwrap();
    let place: [(&str, &dyn Fn()); 5] = [
        ("a symbolic link", &|| symlink(&victim, &path).unwrap()),
        ("a symbolic link", &|| symlink(directory.path().join("nothing"), &path).unwrap()),
        ("a FIFO", &|| assert!(Command::new("mkfifo").arg(&path).status().unwrap().success())),
        ("a socket", &|| fs::rename(directory.path().join("socket"), &path).unwrap()),
        ("a directory", &|| fs::create_dir(&path).unwrap()),
    ];
    for (kind, place) in place {
        place();
        for error in every_way_to_open(&path) {
            let message = error.to_string();
            assert!(message.contains(kind) && message.contains("jobs.db-owner"), "{kind}: {message}");
        }
        let new = OpenOptions::new().write(true).create_new(true).open(&path).unwrap_err();
        assert!(new.to_string().contains(kind), "{new}");
        let _ = fs::remove_dir(&path).or_else(|_| fs::remove_file(&path));
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert!(!directory.path().join("nothing").exists());
    drop(socket);
}

/// A second name is one's own where nobody else can create files (a backup by `cp -l`), and a trap where others can.
#[test]
fn a_hard_link_is_refused_where_others_can_write() {
    let directory = tempdir().unwrap();
    let (victim, path) = (directory.path().join("victim"), directory.path().join("jobs.db-history"));
    fs::write(&victim, "precious").unwrap();
    fs::hard_link(&victim, &path).unwrap();
    assert_eq!(read(&path).unwrap(), b"precious");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o1777)).unwrap();
    for error in every_way_to_open(&path) {
        assert!(error.to_string().contains("hard link"), "{error}");
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

/// Only root can be another user; as an ordinary user there is nothing to test.
#[test]
fn a_file_of_another_user_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let directory = tempdir().unwrap();
    let path = directory.path().join("jobs.db-owner");
    fs::write(&path, "theirs").unwrap();
    chown(&path, Some(65_534), Some(65_534)).unwrap();
    for error in every_way_to_open(&path) {
        assert!(error.to_string().contains("belongs to the user with id 65534"), "{error}");
    }
    let records = directory.path().join("jobs.db-commands");
    fs::create_dir(&records).unwrap();
    chown(&records, Some(65_534), None).unwrap();
    assert!(use_own_directory(&records).unwrap_err().to_string().contains("65534"));
    chown(directory.path(), Some(65_534), None).unwrap();
    assert!(warning(&path).unwrap().contains("belongs to the user with id 65534"));
}

#[test]
fn a_directory_that_everybody_can_write_to_is_refused_unless_it_is_sticky() {
    let directory = tempdir().unwrap();
    let store = directory.path().join("jobs.db");
    for (mode, is_refused) in
        [(0o700, false), (0o755, false), (0o775, false), (0o1777, false), (0o777, true), (0o703, true)]
    {
        fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
        let result = refuse_shared_directory(&store);
        assert_eq!(result.is_err(), is_refused, "{mode:o}");
        if let Err(error) = result {
            let message = error.to_string();
            assert!(message.contains("chmod o-w") && message.contains("mkdir -m 700"), "{message}");
        }
    }
}

/// A group of one's own, with the user's name, is no second user: a umask of 002 makes directories that it can write to.
#[test]
fn a_group_that_is_not_ones_own_is_worth_a_warning() {
    let directory = tempdir().unwrap();
    let store = directory.path().join("jobs.db");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o775)).unwrap();
    let own = nix::unistd::geteuid();
    let user = nix::unistd::User::from_uid(own).unwrap().unwrap();
    let group = nix::unistd::Group::from_gid(user.gid).unwrap().unwrap();
    if group.name == user.name && group.mem.iter().all(|member| *member == user.name) {
        chown(directory.path(), None, Some(user.gid.as_raw())).unwrap();
        assert_eq!(warning(&store), None);
    }
    if own.is_root() {
        chown(directory.path(), None, Some(65_534)).unwrap();
        let warning = warning(&store).unwrap();
        assert!(warning.contains("group with id 65534") && warning.contains("chmod g-w"), "{warning}");
    }
}

#[test]
fn a_store_is_reached_through_a_link_only_where_nobody_else_can_create_one() {
    let directory = tempdir().unwrap();
    let (store, link) = (directory.path().join("jobs.db"), directory.path().join("link"));
    fs::write(&store, "").unwrap();
    symlink(&store, &link).unwrap();
    assert_eq!(check_store(&link).unwrap(), store.canonicalize().unwrap());
    fs::set_permissions(directory.path(), Permissions::from_mode(0o1777)).unwrap();
    assert!(check_store(&link).unwrap_err().to_string().contains("symbolic link"));
    assert_eq!(check_store(&store).unwrap(), store);
    assert_eq!(
        check_store(&directory.path().join("missing/jobs")).unwrap(),
        directory.path().join("missing/jobs")
    );
}

#[test]
fn a_directory_of_ones_own_is_created_and_no_other_is_used() {
    let directory = tempdir().unwrap();
    let (records, elsewhere) =
        (directory.path().join("jobs.db-commands"), directory.path().join("elsewhere"));
    use_own_directory(&records).unwrap();
    assert_eq!(fs::metadata(&records).unwrap().permissions().mode() & 0o777, 0o700);
    use_own_directory(&records).unwrap();
    fs::set_permissions(&records, Permissions::from_mode(0o702)).unwrap();
    assert!(use_own_directory(&records).unwrap_err().to_string().contains("chmod go-w"));
    fs::remove_dir(&records).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, &records).unwrap();
    assert!(use_own_directory(&records).unwrap_err().to_string().contains("not a directory"));
    fs::remove_file(&records).unwrap();
    fs::write(&records, "").unwrap();
    assert!(use_own_directory(&records).is_err());
}

#[test]
fn what_is_created_is_private_and_truncated_only_after_it_was_checked() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("log.jsonl.new");
    let options = OpenOptions::new().write(true).create(true).truncate(true);
    options.open(&path).unwrap().write_all(b"first").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(options.open(&path).unwrap());
    assert_eq!(read(&path).unwrap(), b"");
    assert_eq!(read(&directory.path().join("missing")).unwrap_err().kind(), std::io::ErrorKind::NotFound);
}
