//! What the tests of the chapters expect, and what they printed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The chapters that there are.
pub const CHAPTERS: &[Chapter] = &[
    Chapter { number: 1, page: "01-a-loop-that-fires.md" },
    Chapter { number: 2, page: "02-the-queue.md" },
    Chapter { number: 3, page: "03-cron.md" },
    Chapter { number: 4, page: "04-local-time.md" },
    Chapter { number: 5, page: "05-store-and-ledger.md" },
    Chapter { number: 6, page: "06-executors.md" },
    Chapter { number: 7, page: "07-the-engine.md" },
    Chapter { number: 8, page: "08-many-schedulers.md" },
];

/// A chapter of the course.
#[derive(Debug, Clone, Copy)]
pub struct Chapter {
    /// From 1.
    pub number: usize,
    /// The file of its page, in `book/src/course`.
    pub page: &'static str,
}

/// What a test says about itself in the comment above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The name of the function.
    pub test: String,
    /// What the test expects.
    pub expects: String,
    /// The section of the chapter's page that explains it.
    pub read: String,
}

impl Chapter {
    /// Returns the name of the chapter's tests: of the test target of your
    /// crate, and of their file.
    pub fn tests(&self) -> String {
        format!("chapter_{:02}", self.number)
    }

    /// Returns the name of the tests of the chapter's exercises.
    pub fn exercises(&self) -> String {
        format!("exercises_{:02}", self.number)
    }

    /// Reads the hints of the chapter's tests, in the directory `course`.
    ///
    /// # Errors
    /// If the file with the tests cannot be read.
    pub fn hints(&self, course: &Path) -> io::Result<Vec<Hint>> {
        let file = course.join("tests").join(self.tests() + ".rs");
        Ok(hints(&fs::read_to_string(file)?))
    }

    /// Returns the path of the chapter's page, from the directory `course`.
    pub fn page_path(&self, course: &Path) -> PathBuf {
        course.join("../book/src/course").join(self.page)
    }
}

/// Returns the hints of all tests in a source text.
pub fn hints(source: &str) -> Vec<Hint> {
    let mut found = Vec::new();
    let mut comment = String::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            comment.push_str(text);
            comment.push(' ');
        } else if line == "#[test]" {
            is_test = true;
        } else if let Some(rest) = line.strip_prefix("fn ")
            && is_test
        {
            let test = rest.split('(').next().unwrap_or_default().to_owned();
            let (before, read) =
                comment.split_once("Read: ").unwrap_or((&comment, ""));
            let expects =
                before.split_once("Expects: ").map_or("", |(_, text)| text);
            found.push(Hint {
                test,
                expects: words(expects),
                read: words(read),
            });
            (comment, is_test) = (String::new(), false);
        } else if !line.starts_with("#[") {
            (comment, is_test) = (String::new(), false);
        }
    }
    found
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A test that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The name of the function.
    pub test: String,
    /// What it printed, with the message of its panic.
    pub output: String,
}

/// Returns how many tests passed, and which failed, from what the test
/// program printed. `None` if it did not come to its end.
pub fn results(printed: &str) -> Option<(usize, Vec<Failure>)> {
    printed.lines().find(|line| line.starts_with("test result: "))?;
    let ended = |how| printed.lines().filter_map(move |line| named(line, how));
    let failed = ended(" ... FAILED").map(|test| {
        let output = printed
            .split_once(&format!("---- {test} stdout ----\n"))
            .map_or("", |(_, rest)| rest)
            .split("\n---- ")
            .next()
            .and_then(|block| block.split("\n\nfailures:\n").next())
            .unwrap_or_default();
        Failure { test: test.to_owned(), output: brief(output) }
    });
    Some((ended(" ... ok").count(), failed.collect()))
}

/// Returns the name of a test, if a line says that it has not ended for long.
pub fn slow_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?
        .split_once(" has been running for over ")
        .map(|(test, _)| test)
}

fn named<'a>(line: &'a str, how: &str) -> Option<&'a str> {
    line.strip_prefix("test ")?.strip_suffix(how)
}

/// What proptest says beside the example that fails.
const OF_PROPTEST: [&str; 5] =
    ["proptest: ", "cc ", "\tsuccesses", "\tlocal rejects", "\tglobal rejects"];

/// Leaves out what is the same each time.
fn brief(output: &str) -> String {
    let lines = output.lines().filter(|line| {
        !line.is_empty()
            && !line.starts_with("note: run with `RUST_BACKTRACE")
            && !line.starts_with("thread '")
            && !OF_PROPTEST.iter().any(|start| line.starts_with(start))
    });
    lines.take(12).collect::<Vec<_>>().join("\n")
}

/// Returns the part of a page's address that leads to a section.
pub fn fragment(section: &str) -> String {
    let kept = section.chars().filter_map(|character| match character {
        ' ' => Some('-'),
        '-' | '_' => Some(character),
        other => other.is_alphanumeric().then(|| other.to_ascii_lowercase()),
    });
    kept.collect()
}

/// Returns a text in lines of at most `width` characters, if its words allow.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
