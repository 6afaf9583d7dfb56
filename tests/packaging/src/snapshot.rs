//! The public API as it was accepted.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots")
}

fn path(library: &str) -> PathBuf {
    directory().join(format!("{library}.txt"))
}

/// Writes the snapshot of a library.
pub(crate) fn write(library: &str, api: &[String]) -> Result<()> {
    let path = path(library);
    fs::create_dir_all(directory())?;
    fs::write(&path, api.join("\n") + "\n").with_context(|| format!("cannot write {}", path.display()))
}

/// Returns how the public API differs from its snapshot, if it does.
pub(crate) fn complaint(library: &str, api: &[String]) -> Result<Option<String>> {
    let path = path(library);
    let accepted = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    Ok(difference(accepted.lines(), api.iter().map(String::as_str)).map(|difference| {
        format!(
            "{library}: the public API is not that of {}:\n{difference}If that is what you want, run `just public-api-accept`.\n",
            path.display()
        )
    }))
}

/// Returns a complaint for each snapshot of a library that is not among these.
pub(crate) fn without_library<'a>(libraries: impl Iterator<Item = &'a String>) -> Result<Vec<String>> {
    let known: BTreeSet<PathBuf> = libraries.map(|library| path(library)).collect();
    let entries = fs::read_dir(directory())?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let unknown = entries.into_iter().filter(|path| !known.contains(path));
    Ok(unknown
        .map(|path| format!("{}: there is no such library; remove the file\n", path.display()))
        .collect())
}

fn difference<'a>(old: impl Iterator<Item = &'a str>, new: impl Iterator<Item = &'a str>) -> Option<String> {
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (old.collect(), new.collect());
    let mut text = String::new();
    for gone in old.difference(&new) {
        let _ = writeln!(text, "  - {gone}");
    }
    for added in new.difference(&old) {
        let _ = writeln!(text, "  + {added}");
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_names_what_is_gone_and_what_is_new() {
        let (old, new) = ("a\nb\nc", "b\nc\nd");
        assert_eq!(difference(old.lines(), new.lines()).as_deref(), Some("  - a\n  + d\n"));
        assert_eq!(difference(old.lines(), old.lines()), None);
    }
}
