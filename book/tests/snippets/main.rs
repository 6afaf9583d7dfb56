//! Each program that the book shows can be copied and runs.
//!
//! The book is built, and each block of Rust is taken from its pages as the copy button gives it. It is put into a project outside
//! of the workspace, with the `Cargo.toml` that the same page shows, and is built without a warning and run.
//!
//! * A block of the kind `rust` is a whole program, of which nothing is hidden.
//! * A block of the kind `text,output` after it is what the program prints. `...` stands for anything, in a line or for lines. If it
//!   is the last line, the program runs until it is stopped.
//! * A block of the kind `rust,ignore` is a piece: part of a program that the same page shows. `PIECES` names all others.
//! * No line that a person types is longer than 80 characters.
//! * The `toml` block that begins with `[package]` is the page's `Cargo.toml`. There is one if there are programs.

mod page;
mod project;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use matins_conformance::servers::Postgres;

use page::{Block, Page, pages};
use project::{Program, Project};

const LONGEST_LINE: usize = 80;

/// How many pieces of programs a page may show.
const MOST_PIECES: usize = 6;

/// The pages whose pieces are of programs elsewhere, how many these are, and where the programs are.
const PIECES: &[(&str, usize, &str)] = &[
    ("how-to/applications", 6, "examples/applications: a service, and four programs for other schedulers"),
    ("start/choose-an-executor", 1, "examples/process.rs, on the page about executors"),
    ("how-to/write-a-store", 1, "tests/build_your_own.rs: a test"),
    ("how-to/write-a-trigger", 1, "tests/build_your_own.rs: a test"),
    ("how-to/write-an-executor", 1, "tests/build_your_own.rs: a test"),
];

pub(crate) fn files_below(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files = Vec::new();
    for path in entries {
        if path.is_dir() {
            files.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Whether a line is what a pattern says, `...` being anything.
fn is_like(line: &str, pattern: &str) -> bool {
    let (mut rest, mut is_first) = (line, true);
    let mut parts = pattern.split("...").peekable();
    while let Some(part) = parts.next() {
        let found = match (is_first, parts.peek().is_none()) {
            (true, true) => return rest == part,
            (true, false) => rest.strip_prefix(part),
            (false, true) => return rest.ends_with(part),
            (false, false) => rest.split_once(part).map(|(_, after)| after),
        };
        let Some(after) = found else { return false };
        (rest, is_first) = (after, false);
    }
    true
}

/// Whether lines are what patterns say, `...` being any lines.
pub(crate) fn matches(lines: &[&str], patterns: &[&str]) -> bool {
    match (lines.split_first(), patterns.split_first()) {
        (None, None) => true,
        (_, Some((&"...", patterns))) => {
            (0..=lines.len()).any(|skipped| matches(&lines[skipped..], patterns))
        }
        (Some((line, lines)), Some((pattern, patterns))) => {
            is_like(line, pattern) && matches(lines, patterns)
        }
        _ => false,
    }
}

#[test]
fn dots_stand_for_anything_in_what_is_printed() {
    assert!(matches(&["a 12 b", "c"], &["a ... b", "c"]));
    assert!(matches(&["a", "b", "c"], &["a", "..."]) && matches(&["a"], &["a", "..."]));
    assert!(!matches(&["a 12 c"], &["a ... b"]) && !matches(&["a", "b"], &["a"]) && !matches(&[], &["a"]));
}

/// The lines that say something.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

/// Whether each paragraph of a piece is in one of the programs.
fn is_part_of(piece: &Block, programs: &[Vec<&str>]) -> bool {
    piece.text.split("\n\n").map(lines).filter(|paragraph| !paragraph.is_empty()).all(|paragraph| {
        programs.iter().any(|program| program.windows(paragraph.len()).any(|window| window == paragraph))
    })
}

/// Whether a person types the line. What a program prints may be longer.
fn is_typed(block: &Block, line: &str) -> bool {
    match block.kind.as_str() {
        "text" | "text output" => false,
        "console" => line.starts_with("$ ") || line.starts_with("> "),
        _ => true,
    }
}

/// How far all lines of a piece are indented, because it is from within something.
fn indentation(text: &str) -> usize {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0)
}

fn long_lines(page: &Page) -> Vec<String> {
    let mut long = Vec::new();
    for block in &page.blocks {
        let most = LONGEST_LINE + indentation(&block.text);
        let lines = block.text.lines().filter(|line| is_typed(block, line) && line.chars().count() > most);
        long.extend(lines.map(|line| format!("{}: a line is longer than {most}: {line}", page.name)));
    }
    long
}

/// What is wrong with the programs and pieces of a page, without running them.
fn problems(page: &Page) -> Vec<String> {
    let mut problems = Vec::new();
    let manifests = page.blocks.iter().filter(|block| block.is_manifest()).count();
    let programs: Vec<Vec<&str>> = page.programs().map(|(_, block)| lines(&block.text)).collect();
    if manifests != usize::from(!programs.is_empty()) {
        problems.push(format!("{} programs, and {manifests} times a Cargo.toml", programs.len()));
    }
    for (index, block) in page.blocks.iter().enumerate() {
        if block.is_program() {
            if block.hides {
                problems.push(format!("lines are hidden in: {}", block.text));
            }
            if !block.text.contains("fn main() ") {
                problems.push(format!("there is no `fn main` in: {}", block.text));
            }
        }
        if block.is_output() && !index.checked_sub(1).is_some_and(|before| page.blocks[before].is_program()) {
            problems.push(format!("there is no program before its output: {}", block.text));
        }
    }
    let pieces: Vec<&Block> = page.blocks.iter().filter(|block| block.is_piece()).collect();
    let elsewhere = pieces.iter().filter(|piece| !is_part_of(piece, &programs)).count();
    let named = PIECES.iter().find(|(name, ..)| *name == page.name).map_or(0, |(_, count, _)| *count);
    if elsewhere != named {
        problems.push(format!("{elsewhere} pieces are of no program of the page; PIECES says {named}"));
    }
    if pieces.len() - elsewhere > MOST_PIECES {
        problems.push(format!("{} pieces; show whole programs", pieces.len()));
    }
    problems.iter().map(|problem| format!("{}: {problem}", page.name)).collect()
}

/// One project for each manifest: pages that show the same one share it.
fn projects(pages: &[Page]) -> Vec<Project> {
    let mut projects: BTreeMap<&str, Project> = BTreeMap::new();
    for page in pages {
        let Some(manifest) = page.blocks.iter().find(|block| block.is_manifest()) else { continue };
        let stem = page.name.replace(['/', '-'], "_");
        let project = projects.entry(&manifest.text).or_insert_with(|| Project {
            name: stem.clone(),
            manifest: manifest.text.clone(),
            programs: Vec::new(),
        });
        for (number, (index, block)) in page.programs().enumerate() {
            let after = page.blocks.get(index + 1).filter(|block| block.is_output());
            project.programs.push(Program {
                name: format!("{stem}_{}", number + 1),
                text: block.text.clone(),
                output: after.map(|block| block.text.clone()),
            });
        }
    }
    projects.into_values().collect()
}

/// Runs all programs, some at once. Returns what is wrong.
fn run_all(programs: &[&Program], server: Option<&Postgres>) -> Vec<String> {
    let (next, problems) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    problems.lock().unwrap().extend(program.run(server));
                }
            });
        }
    });
    let mut problems = problems.into_inner().unwrap();
    problems.sort();
    problems
}

#[test]
fn programs_of_the_book_can_be_copied_and_run() {
    let mut pages = pages();
    let mut problems: Vec<String> = pages.iter().flat_map(long_lines).collect();
    // The course has its code from `course/`, and `tests/course.rs` tests that.
    pages.retain(|page| !page.name.starts_with("course/"));
    problems.extend(pages.iter().flat_map(self::problems));
    assert!(problems.is_empty(), "{}", problems.join("\n"));

    let projects = projects(&pages);
    let complaints: String = projects.iter().map(Project::build).collect();
    assert!(complaints.is_empty(), "{complaints}");

    let needs_server = |program: &Program| program.text.contains("\"postgres://");
    let programs: Vec<&Program> = projects.iter().flat_map(|project| &project.programs).collect();
    let server =
        programs.iter().any(|program| needs_server(program)).then(|| Postgres::start(&["fsync=off"]));
    let server = server.flatten().inspect(|server| drop(server.query("CREATE DATABASE jobs").unwrap()));
    let programs: Vec<&Program> =
        programs.into_iter().filter(|program| server.is_some() || !needs_server(program)).collect();
    println!("{} programs of {} pages, in {} projects", programs.len(), pages.len(), projects.len());
    let problems = run_all(&programs, server.as_ref());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
