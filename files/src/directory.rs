//! Who else can write to a directory.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User};
use rustix::process::geteuid;

use crate::refused;

const STICKY: u32 = 0o1000;
const GROUP_CAN_WRITE: u32 = 0o020;
const EVERYBODY_CAN_WRITE: u32 = 0o002;

/// Refuses the directory in which a file or directory lies, if everybody can write to it and it has no sticky bit: then
/// everybody can replace what is in it. With a sticky bit, as `/tmp` has it, only the owner of a file can.
///
/// A missing directory is no error.
///
/// ```
/// use std::fs::{Permissions, set_permissions};
/// use std::os::unix::fs::PermissionsExt;
///
/// let directory = tempfile::tempdir().unwrap();
/// let store = directory.path().join("jobs.db");
/// matins_files::refuse_shared_directory(&store).unwrap();
/// set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
/// let error = matins_files::refuse_shared_directory(&store).unwrap_err().to_string();
/// assert!(error.contains("chmod o-w"), "{error}");
/// ```
///
/// # Errors
/// With a [`Refused`](crate::Refused) if it is such a directory, and when its permissions cannot be read.
pub fn refuse_shared_directory(path: &Path) -> io::Result<()> {
    let directory = parent(path);
    let metadata = match fs::metadata(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata?,
    };
    if metadata.mode() & EVERYBODY_CAN_WRITE == 0 || metadata.mode() & STICKY != 0 {
        return Ok(());
    }
    let what = format!(
        "can be written by everybody (mode {:04o}), who could replace the files of the store",
        metadata.mode() & 0o7777
    );
    let shown = directory.display();
    let cure = format!(
        "take that away with: chmod o-w {shown}; or put the store into a directory of its own: mkdir -m 700 {shown}/matins"
    );
    Err(refused(&directory, what, cure))
}

/// Checks the place of a store, a file or a directory that may not exist yet, and returns where it really is.
///
/// A store may be reached through a symbolic link, unless the link lies where others can create one.
///
/// ```
/// let directory = tempfile::tempdir().unwrap();
/// let (store, link) = (directory.path().join("jobs.db"), directory.path().join("link"));
/// std::fs::write(&store, "").unwrap();
/// std::os::unix::fs::symlink(&store, &link).unwrap();
/// assert_eq!(matins_files::check_store(&link).unwrap(), store.canonicalize().unwrap());
/// ```
///
/// # Errors
/// As [`refuse_shared_directory`]; and with a [`Refused`](crate::Refused) for such a link.
pub fn check_store(path: &Path) -> io::Result<PathBuf> {
    refuse_shared_directory(path)?;
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
        return Ok(path.to_owned());
    }
    if others_can_write(path.parent()) {
        let what = "is a symbolic link, in a directory that others can write to";
        return Err(refused(path, what, "remove it, or name the file that it leads to"));
    }
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        real => {
            let real = real?;
            refuse_shared_directory(&real)?;
            Ok(real)
        }
    }
}

/// Returns a sentence about the directory in which a file or directory lies, if a group of several users or another user can
/// write to it, or `None`.
///
/// A group that is a user's own (it has the user's name, and no other members) is not worth a warning: with a umask of 002,
/// as some distributions set it, directories are writable to that group.
///
/// ```
/// let directory = tempfile::tempdir().unwrap();
/// assert_eq!(matins_files::warning(&directory.path().join("jobs.db")), None);
/// ```
pub fn warning(path: &Path) -> Option<String> {
    let directory = parent(path);
    let metadata = fs::metadata(&directory).ok()?;
    let shown = directory.display();
    if metadata.uid() != 0 && metadata.uid() != geteuid().as_raw() {
        return Some(format!(
            "{shown} belongs to the user with id {}, who can replace the files of the store; put it into a directory of its own",
            metadata.uid()
        ));
    }
    let is_shared = metadata.mode() & GROUP_CAN_WRITE != 0
        && metadata.mode() & STICKY == 0
        && !is_private_group(&metadata);
    is_shared.then(|| {
        format!(
            "{shown} can be written by the group with id {}, which can replace the files of the store; take that away with: \
             chmod g-w {shown}",
            metadata.gid()
        )
    })
}

/// Creates a directory for this process alone, or checks the one that is there.
///
/// ```
/// let directory = tempfile::tempdir().unwrap();
/// let records = directory.path().join("jobs.db-commands");
/// matins_files::use_own_directory(&records).unwrap();
/// matins_files::use_own_directory(&records).unwrap();
/// ```
///
/// # Errors
/// With a [`Refused`](crate::Refused) if there is something else under the name, such as a symbolic link, or a directory that
/// belongs to another user or that others can write to; and when it cannot be created.
pub fn use_own_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        created => return created,
    }
    check_own_directory(path)
}

/// Checks that a directory belongs to this process's user or to root, is no symbolic link, and that nobody else can create files
/// in it.
///
/// ```
/// let directory = tempfile::tempdir().unwrap();
/// matins_files::check_own_directory(directory.path()).unwrap();
/// assert!(matins_files::check_own_directory(&directory.path().join("missing")).is_err());
/// ```
///
/// # Errors
/// With a [`Refused`](crate::Refused) if it is not such a directory, and when it is missing.
pub fn check_own_directory(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        let what = "is not a directory, and a symbolic link to one is not followed";
        return Err(refused(path, what, "remove it, or put the store into a directory of its own"));
    }
    let own = geteuid().as_raw();
    if metadata.uid() != own && metadata.uid() != 0 {
        let what = format!("belongs to the user with id {}, and this process runs as {own}", metadata.uid());
        return Err(refused(path, what, "remove it, chown it, or run as its owner"));
    }
    if mode_lets_others_write(&metadata) {
        let cure = format!("take that away with: chmod go-w {}", path.display());
        return Err(refused(path, "can be written by others", cure));
    }
    Ok(())
}

/// Whether anybody but this process's user and root can create files in a directory; if that is not known, `true`.
pub(crate) fn others_can_write(directory: Option<&Path>) -> bool {
    let directory = directory.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(metadata) = fs::metadata(directory) else { return true };
    let is_of_another = metadata.uid() != 0 && metadata.uid() != geteuid().as_raw();
    is_of_another || mode_lets_others_write(&metadata)
}

fn mode_lets_others_write(metadata: &Metadata) -> bool {
    let mode = metadata.mode();
    mode & EVERYBODY_CAN_WRITE != 0 || mode & GROUP_CAN_WRITE != 0 && !is_private_group(metadata)
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) => PathBuf::from("."),
        None => path.to_owned(),
    }
}

/// Whether the group is one that its owner alone is in.
fn is_private_group(metadata: &Metadata) -> bool {
    let group = Group::from_gid(Gid::from_raw(metadata.gid())).ok().flatten();
    let user = User::from_uid(Uid::from_raw(metadata.uid())).ok().flatten();
    let (Some(group), Some(user)) = (group, user) else { return false };
    group.name == user.name && user.gid == group.gid && group.mem.iter().all(|member| *member == user.name)
}
