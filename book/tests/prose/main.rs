//! The project reads well: no sentence is long, and none has a phrase of `banned.txt`.
//!
//! This holds for the pages of the book, the documents beside the README, the documentation of all crates, the help and the
//! messages of programs. Snippets, headings and what is generated are left out. A cell of a table counts as a sentence.

use std::fs;
use std::path::{Path, PathBuf};

mod source;
mod text;

use text::{faults, words};

/// Written by the benches, with their measurements.
const GENERATED: &[&str] = &["benchmarks/scorecard.md"];

/// Directories without texts of the project: what was built, and texts of others.
const LEFT_OUT: &[&str] = &["target", "node_modules", ".git", "book/src"];

/// Directories whose texts in quotes are read by those who work on the project, and not by those who use it.
const FOR_DEVELOPERS: &[&str] = &["tests", "benches", "examples", "book", "course", "fuzz", "conformance"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn banned() -> Vec<Vec<String>> {
    let lines = include_str!("banned.txt").lines();
    let phrases = lines.filter(|line| !line.starts_with('#') && !line.is_empty()).map(words);
    let banned: Vec<_> = phrases.collect();
    assert!(banned.len() > 10);
    banned
}

/// The files below a directory with an extension, as paths from the project's root.
fn files(extension: &str, below: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(root().join(below)).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let file_type = entry.file_type().unwrap();
        if file_type.is_dir() && !LEFT_OUT.iter().any(|out| path == *out || name == *out) {
            files(extension, &path, found);
        } else if file_type.is_file() && name.ends_with(extension) {
            found.push(path);
        }
    }
}

fn all(extension: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(extension, "", &mut found);
    found.sort();
    let read = |path: String| {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        (path, text)
    };
    found.into_iter().map(read).collect()
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
}

#[test]
fn sentences_of_the_book_are_short_and_use_no_banned_phrase() {
    let banned = banned();
    let mut found = Vec::new();
    for page in matins_book::pages().iter().filter(|page| !GENERATED.contains(&page.as_str())) {
        let text = fs::read_to_string(root().join("book/src").join(page)).unwrap();
        found.extend(faults(page, &text, &banned));
    }
    assert_none(&found);
}

#[test]
fn sentences_of_the_documents_are_short_and_use_no_banned_phrase() {
    let (banned, documents) = (banned(), all(".md"));
    assert!(documents.iter().any(|(path, _)| path == "README.md"), "{documents:?}");
    let found: Vec<_> = documents.iter().flat_map(|(path, text)| faults(path, text, &banned)).collect();
    assert_none(&found);
}

#[test]
fn sentences_of_the_documentation_are_short_and_use_no_banned_phrase() {
    let (banned, sources) = (banned(), all(".rs"));
    assert!(sources.len() > 300, "{} files", sources.len());
    let texts = sources.iter().map(|(path, text)| (path, source::documentation(text)));
    let found: Vec<_> = texts.flat_map(|(path, text)| faults(path, &text, &banned)).collect();
    assert_none(&found);
}

#[test]
fn messages_and_help_are_short_and_use_no_banned_phrase() {
    let banned = banned();
    let help = fs::read_to_string(root().join("book/src/reference/commands.txt")).unwrap();
    let mut found = faults("commands.txt", &help, &banned);
    let mut count = 0;
    for (path, text) in all(".rs") {
        if path.split('/').any(|part| FOR_DEVELOPERS.contains(&part)) || path.ends_with("tests.rs") {
            continue;
        }
        for message in source::messages(&text) {
            count += 1;
            // One message has too few sentences for an average.
            let faults = faults(&path, &message, &banned);
            found.extend(faults.into_iter().filter(|fault| !fault.ends_with("words a sentence")));
        }
    }
    assert!(count > 500, "{count} messages");
    assert_none(&found);
}
