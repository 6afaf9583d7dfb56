//! A user of this machine, as passwd(5) has it.

#[cfg(target_os = "linux")]
use std::ffi::CString;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

#[cfg(target_os = "linux")]
use nix::unistd::{Gid, getgrouplist};
use nix::unistd::{Uid, User};

/// A user's entry in the system's user database, passwd(5), and the environment that a command of that user gets.
///
/// ```
/// use matins_task_command::Account;
///
/// let root = Account::named("root").unwrap().expect("every system has one");
/// assert_eq!(root.uid, 0);
/// assert_eq!(root.environment()[0].0, "HOME");
/// assert!(Account::named("no such user").unwrap().is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// The login name.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The id of the main group.
    pub gid: u32,
    /// The home directory.
    pub home: PathBuf,
    /// The login shell; `/bin/sh` if the entry has none.
    pub shell: PathBuf,
}

/// Where programs are looked for, as cron(8) has it.
const PATH: &str = "/usr/bin:/bin";

impl Account {
    /// Returns the user with this name, or `None` if there is no such user.
    ///
    /// # Errors
    /// When the user database cannot be read.
    pub fn named(name: &str) -> io::Result<Option<Self>> {
        Ok(User::from_name(name)?.map(Self::of))
    }

    /// Returns the user with this user id, or `None` if there is no such user.
    ///
    /// ```
    /// # use matins_task_command::Account;
    /// let root = Account::with_uid(0)?.expect("every system has one");
    /// assert_eq!(root.name, "root");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the user database cannot be read.
    pub fn with_uid(uid: u32) -> io::Result<Option<Self>> {
        Ok(User::from_uid(Uid::from_raw(uid))?.map(Self::of))
    }

    fn of(user: User) -> Self {
        let shell = if user.shell.as_os_str().is_empty() { "/bin/sh".into() } else { user.shell };
        Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), home: user.dir, shell }
    }

    /// Returns `HOME`, `LOGNAME`, `USER` and `SHELL` of the user, and `PATH` as cron(8) sets it: `/usr/bin:/bin`.
    pub fn environment(&self) -> [(&'static str, OsString); 5] {
        [
            ("HOME", self.home.clone().into()),
            ("LOGNAME", self.name.clone().into()),
            ("USER", self.name.clone().into()),
            ("SHELL", self.shell.clone().into()),
            ("PATH", PATH.into()),
        ]
    }

    /// Returns the ids of the user's groups, the main one included.
    #[cfg(target_os = "linux")]
    pub(crate) fn groups(&self) -> io::Result<Vec<u32>> {
        let name = CString::new(self.name.as_str())?;
        Ok(getgrouplist(&name, Gid::from_raw(self.gid))?.into_iter().map(Gid::as_raw).collect())
    }
}
