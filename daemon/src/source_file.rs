//! The file that a job of the store comes from.

use std::path::{Path, PathBuf};

use matins::{Job, Value};

/// The key of a job's metadata that names its file.
pub(crate) const SOURCE: &str = "source";

/// The key of a job's metadata that names the configuration which names its file.
pub(crate) const NAMED_BY: &str = "named_by";

/// The file that a job comes from, as its metadata names it; `None` for a job that was added by a command.
pub(crate) fn of(job: &Job) -> Option<&str> {
    job.metadata.get(SOURCE).and_then(Value::as_str)
}

/// The name of a file in metadata: its absolute path. Links are not followed, so that a file behind a link that is
/// switched (a release directory, a `ConfigMap`) keeps its name.
pub(crate) fn name(path: &Path) -> String {
    absolute(path).display().to_string()
}

/// Whether a name in metadata means this file. Older versions kept the path as it was typed.
pub(crate) fn is(name: &str, path: &Path) -> bool {
    let named = absolute(Path::new(name));
    named == absolute(path)
        || matches!((named.canonicalize(), path.canonicalize()), (Ok(named), Ok(path)) if named == path)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_however_its_path_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.crontab");
        std::fs::write(&path, "").unwrap();
        std::fs::create_dir(directory.path().join("d")).unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let written = name(&path);
        assert!(is(&written, &path));
        assert!(is(&written, &directory.path().join("d/../t.crontab")));
        assert!(is(&written, &link));
        assert!(!is(&written, &directory.path().join("other")));
        assert!(is("t.crontab", Path::new("./t.crontab")));
        assert_eq!(name(&link), link.display().to_string(), "links keep their own name");
    }
}
