//! An error of the disk is not taken for a file that is gone, and leaves no lock behind.

use std::fs;
use std::path::Path;

use matins_core::StoreError;
use matins_store_owner::{FileId, Owner};

#[test]
fn an_error_of_the_disk_is_not_a_missing_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let id = FileId::of(&file).unwrap();
    // Looking below a file is an error, and does not say that nothing is there.
    let error = id.check(&file.join("below")).unwrap_err();
    assert!(matches!(error, StoreError::Backend { .. }), "{error}");
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
    }
}
