//! Notices when a file has changed, however that was done: written in place, replaced by another, or reached through a
//! link that was switched.
//!
//! On Linux the kernel tells of changes in the directories that the path leads through; in any case the file is looked at
//! once a minute, as cron does, which also finds changes that the kernel does not tell (a network file system).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::read_file::read_file;

/// How often the file is looked at if no change is reported.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How long a file has to stay as it is: editors write in several steps.
const SETTLED_AFTER: Duration = Duration::from_millis(200);

/// A file whose content is watched.
#[derive(Debug)]
pub(crate) struct Watched {
    path: PathBuf,
    content: Option<Vec<u8>>,
    #[cfg(target_os = "linux")]
    notices: Option<linux::Notices>,
}

impl Watched {
    /// Watches a file from its present content on.
    pub(crate) fn new(path: &Path) -> Self {
        let mut watched = Self {
            path: path.to_owned(),
            content: None,
            #[cfg(target_os = "linux")]
            notices: linux::Notices::new().ok(),
        };
        watched.watch_directories();
        watched.content = read_file(path).ok();
        watched
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns when the content has changed and has stayed the same for a moment. A file that is missing has no content.
    pub(crate) fn wait(&mut self) {
        loop {
            self.wait_for_notice(LOOK_EVERY);
            self.watch_directories();
            let mut content = read_file(&self.path).ok();
            if content == self.content {
                continue;
            }
            loop {
                self.wait_for_notice(SETTLED_AFTER);
                let later = read_file(&self.path).ok();
                if later == content {
                    break;
                }
                content = later;
            }
            if content != self.content {
                self.content = content;
                return;
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn wait_for_notice(&mut self, limit: Duration) {
        match &self.notices {
            Some(notices) => notices.wait(limit),
            None => std::thread::sleep(limit),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn wait_for_notice(&mut self, limit: Duration) {
        std::thread::sleep(limit);
    }

    fn watch_directories(&mut self) {
        #[cfg(target_os = "linux")]
        if let Some(notices) = &mut self.notices {
            notices.watch(&directories_to(&self.path));
        }
    }
}

/// The directories in which a change can change what the path leads to: that of the file, and those of each link on the way.
fn directories_to(path: &Path) -> BTreeSet<PathBuf> {
    /// As many links as Linux follows.
    const MOST_LINKS: usize = 40;
    let mut found = BTreeSet::new();
    let mut left: Vec<PathBuf> = vec![std::path::absolute(path).unwrap_or_else(|_| path.to_owned())];
    let mut links = 0;
    while let Some(path) = left.pop() {
        let mut walked = PathBuf::new();
        let parts: Vec<_> = path.components().collect();
        for (index, part) in parts.iter().enumerate() {
            let directory = walked.clone();
            walked.push(part);
            let Ok(target) = fs::read_link(&walked) else { continue };
            links += 1;
            if links > MOST_LINKS {
                return found;
            }
            found.insert(directory.clone());
            let rest: PathBuf = parts[index + 1..].iter().collect();
            left.push(if rest.as_os_str().is_empty() {
                directory.join(target)
            } else {
                directory.join(target).join(rest)
            });
            break;
        }
        if let Some(directory) =
            path.parent().filter(|_| fs::symlink_metadata(&path).is_ok_and(|file| !file.is_symlink()))
        {
            found.insert(directory.to_owned());
        }
    }
    if let Some(directory) = path.parent() {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        found.insert(directory.to_owned());
    }
    found
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeSet;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::inotify;

    /// What the kernel tells of directories: inotify(7).
    #[derive(Debug)]
    pub(super) struct Notices {
        inotify: OwnedFd,
        /// The directories that are watched, by the numbers of their watches.
        watches: BTreeSet<(PathBuf, i32)>,
    }

    impl Notices {
        pub(super) fn new() -> rustix::io::Result<Self> {
            let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
            Ok(Self { inotify: inotify::init(flags)?, watches: BTreeSet::new() })
        }

        /// Watches these directories, and no others. One that cannot be watched is looked at less often.
        pub(super) fn watch(&mut self, directories: &BTreeSet<PathBuf>) {
            let gone: Vec<(PathBuf, i32)> =
                self.watches.iter().filter(|(path, _)| !directories.contains(path)).cloned().collect();
            for watch in gone {
                let _ = inotify::remove_watch(&self.inotify, watch.1);
                self.watches.remove(&watch);
            }
            let changes = inotify::WatchFlags::CLOSE_WRITE
                | inotify::WatchFlags::MODIFY
                | inotify::WatchFlags::MOVED_TO
                | inotify::WatchFlags::MOVED_FROM
                | inotify::WatchFlags::CREATE
                | inotify::WatchFlags::DELETE
                | inotify::WatchFlags::ATTRIB
                | inotify::WatchFlags::ONLYDIR;
            for directory in directories {
                // Watching what is watched already changes nothing, and finds a directory that was replaced.
                if let Ok(number) = inotify::add_watch(&self.inotify, directory, changes) {
                    self.watches.insert((directory.clone(), number));
                }
            }
        }

        /// Returns when something has changed in the directories, or the limit has passed.
        pub(super) fn wait(&self, limit: Duration) {
            let until = Instant::now() + limit;
            loop {
                let left = until.saturating_duration_since(Instant::now());
                let timeout =
                    Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
                let mut fds = [PollFd::new(&self.inotify, PollFlags::IN)];
                match poll(&mut fds, Some(&timeout)) {
                    Err(rustix::io::Errno::INTR) => {}
                    Ok(0) | Err(_) => {
                        // A kernel that does not answer is no reason to look all the time.
                        std::thread::sleep(until.saturating_duration_since(Instant::now()));
                        return;
                    }
                    Ok(_) => break,
                }
            }
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
            while reader.next().is_ok() {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// Waits for a change that `change` makes.
    fn notices(path: &Path, change: impl FnOnce()) -> Option<Vec<u8>> {
        let mut watched = Watched::new(path);
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            watched.wait();
            let _ = sender.send(watched.content);
        });
        change();
        receiver.recv_timeout(Duration::from_secs(100)).expect("the change was not noticed")
    }

    #[test]
    fn a_file_that_is_written_replaced_or_removed_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.crontab");
        fs::write(&path, "1").unwrap();
        assert_eq!(notices(&path, || fs::write(&path, "2").unwrap()), Some(b"2".to_vec()));
        let replaced = notices(&path, || {
            fs::write(directory.path().join("new"), "3").unwrap();
            fs::rename(directory.path().join("new"), &path).unwrap();
        });
        assert_eq!(replaced, Some(b"3".to_vec()));
        assert_eq!(notices(&path, || fs::remove_file(&path).unwrap()), None);
        assert_eq!(notices(&path, || fs::write(&path, "4").unwrap()), Some(b"4".to_vec()));
    }

    #[test]
    fn a_config_map_whose_link_is_switched_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for (name, text) in [("..v1", "1"), ("..v2", "2")] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("t.crontab"), text).unwrap();
        }
        symlink("..v1", at("..data")).unwrap();
        symlink("..data/t.crontab", at("t.crontab")).unwrap();
        let switched = notices(&at("t.crontab"), || {
            symlink("..v2", at("..data_tmp")).unwrap();
            fs::rename(at("..data_tmp"), at("..data")).unwrap();
        });
        assert_eq!(switched, Some(b"2".to_vec()));
    }

    #[test]
    fn directories_behind_links_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("releases/7")).unwrap();
        fs::write(root.join("releases/7/t.crontab"), "").unwrap();
        symlink("releases/7", root.join("current")).unwrap();
        let found = directories_to(&root.join("current/t.crontab"));
        assert!(found.contains(&root), "{found:?}");
        assert!(found.contains(&root.join("releases/7")), "{found:?}");
    }
}
