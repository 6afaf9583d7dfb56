//! An error of the disk is not taken for a file that is gone, and leaves no lock behind.

use std::fs;
use std::io;
use std::path::Path;

use matins_conformance::causes::{cause, causes};
use matins_core::{DurationError, StoreError};
use matins_store_owner::{FileId, Owner, wait_for_owner};

#[test]
fn an_error_of_the_disk_is_not_a_missing_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let id = FileId::of(&file).unwrap();
    // Looking below a file is an error, and does not say that nothing is there.
    let error = id.check(&file.join("below")).unwrap_err();
    assert!(matches!(error, StoreError::Backend { .. }), "{error}");
    assert_eq!(cause::<io::Error>(&error).kind(), io::ErrorKind::NotADirectory);
    let error = id.check(&directory.path().join("missing")).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("there is no file"), "{error}");
    fs::write(directory.path().join("other"), "").unwrap();
    fs::rename(directory.path().join("other"), &file).unwrap();
    let error = id.check(&file).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn a_lock_that_cannot_be_signed_is_free_again() {
    // It can be opened and locked, and refuses to be cut to a length.
    let full = Path::new("/dev/full");
    if !full.exists() {
        return;
    }
    for _ in 0..3 {
        let error = Owner::take(Path::new("jobs"), full).unwrap_err();
        assert!(matches!(error, StoreError::Backend { .. }), "{error}");
        cause::<io::Error>(&error);
    }
}

#[test]
fn an_owner_and_a_limit_that_is_negative_are_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let (store, file) = (directory.path().join("jobs"), directory.path().join("jobs-owner"));
    let owner = Owner::take(&store, &file).unwrap();
    assert_eq!(causes(&Owner::take(&store, &file).unwrap_err()).len(), 1);
    let take = || Owner::take(&store, &file);
    let error = wait_for_owner(chrono::TimeDelta::seconds(-1), take).unwrap_err();
    assert_eq!(cause::<DurationError>(&error).given, chrono::TimeDelta::seconds(-1));
    drop(owner);
}

/// Another user may have placed a link under the name of the lock, which everybody can guess.
#[test]
fn a_link_under_the_name_of_the_lock_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let (victim, lock) = (directory.path().join("victim"), directory.path().join("jobs.db-owner"));
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, &lock).unwrap();
    let error = Owner::take(Path::new("jobs.db"), &lock).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("jobs.db-owner is a symbolic link"), "{error}: {source}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}
