//! The course in `course/`, a workspace of its own: each solution passes the tests of its chapter and of all earlier ones, the starter
//! fails every test, and the program that checks a reader's code is satisfied when the starter is filled in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, Once, PoisonError};

fn course() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("course")
}

/// Has cargo do something with the course, or a copy of it, with the versions of this workspace, which have been downloaded.
fn cargo(directory: &Path, arguments: &[&str]) -> Output {
    // Programs of all solutions have the same names: one is built and run before the next.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    static LOCKED: Once = Once::new();
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    LOCKED.call_once(|| {
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
        fs::copy(lock, course().join("Cargo.lock")).unwrap();
    });
    Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(directory)
        .env("CARGO_NET_OFFLINE", "true")
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("course_target"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn chapters() -> Vec<String> {
    let solutions = fs::read_dir(course().join("solutions")).unwrap();
    let mut chapters: Vec<String> =
        solutions.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    chapters.sort();
    assert!(!chapters.is_empty());
    chapters
}

/// The names of the tests of a chapter, from its source.
fn tests_of(chapter: &str) -> Vec<String> {
    tests_in(&format!("chapter_{chapter}"))
}

/// The names of the tests of a chapter's exercises, which are in a module.
fn exercises_of(chapter: &str) -> Vec<String> {
    let names = tests_in(&format!("exercises_{chapter}"));
    names.into_iter().map(|name| format!("tests::{name}")).collect()
}

fn tests_in(file: &str) -> Vec<String> {
    let source = fs::read_to_string(course().join(format!("tests/{file}.rs"))).unwrap();
    let after_test = source.split("#[test]\n").skip(1);
    let mut names: Vec<String> = after_test
        .map(|rest| rest.split_once("fn ").unwrap().1.split_once('(').unwrap().0.to_owned())
        .collect();
    names.sort();
    names
}

/// The names of the tests that ended so, in what test programs printed.
fn ended(printed: &str, how: &str) -> Vec<String> {
    let mut names: Vec<String> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(how))
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

#[test]
fn each_solution_passes_the_tests_of_its_chapter_and_of_earlier_ones() {
    let chapters = chapters();
    for (index, solution) in chapters.iter().enumerate() {
        let package = format!("course-solution-{solution}");
        let output = cargo(&course(), &["test", "--package", &package, "--tests"]);
        let printed = text(&output.stdout);
        assert!(output.status.success(), "{package}: {printed}{}", text(&output.stderr));
        let of_chapter = |chapter: &String| {
            let names = tests_of(chapter).into_iter();
            names.map(|name| format!("chapter_{chapter}::{name}")).collect::<Vec<_>>()
        };
        let mut expected: Vec<String> = chapters[..=index].iter().flat_map(of_chapter).collect();
        expected.extend(exercises_of(solution));
        expected.sort();
        let mut passed = ended(&printed, " ... ok");
        passed.retain(|name| name.starts_with("chapter_") || name.starts_with("tests::"));
        assert_eq!(passed, expected, "{package}");
    }
}

#[test]
fn the_starter_fails_every_test_and_exercise() {
    let output = cargo(&course(), &["test", "--package", "course-starter", "--tests", "--no-fail-fast"]);
    let printed = text(&output.stdout);
    let both = |chapter: &String| [tests_of(chapter), exercises_of(chapter)].concat();
    let mut expected: Vec<String> = chapters().iter().flat_map(both).collect();
    expected.sort();
    assert_eq!(ended(&printed, " ... FAILED"), expected, "{}", text(&output.stderr));
    assert_eq!(
        ended(&printed, " ... ok"),
        Vec::<String>::new(),
        "a test that cannot fail, or code that is given away"
    );
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_file() {
            fs::copy(path, target).unwrap();
        } else if entry.file_name() != "target" {
            copy(&path, &target);
        }
    }
}

/// A reader who has written what is in the solutions.
#[test]
fn the_check_says_what_to_read_and_is_satisfied_by_the_solutions() {
    let chapters = chapters();
    let last = chapters.len().to_string();
    let directory = tempfile::tempdir().unwrap();
    let copied = directory.path().join("course");
    copy(&course(), &copied);
    // Cargo takes packages of the same version for the same ones, and would run what it has built of the course itself.
    let manifest = copied.join("Cargo.toml");
    let other_version = fs::read_to_string(&manifest).unwrap().replace("\"0.0.0\"", "\"0.0.1\"");
    fs::write(&manifest, other_version).unwrap();
    // Its tests compare with the pages.
    copy(&course().join("../book/src/course"), &directory.path().join("book/src/course"));
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock"), copied.join("Cargo.lock")).unwrap();

    let output = cargo(&copied, &["run", "--quiet", "--package", "course-check", "--", "1"]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{printed}{}", text(&output.stderr));
    for expected in [
        "chapter 1: 0 tests passed",
        "failed: a single instant fires once",
        "read: \"A set of instants\" in chapter 1",
        "not implemented: chapter 1",
    ] {
        assert!(printed.contains(expected), "{expected:?} is not in {printed}");
    }

    for chapter in &chapters {
        copy(&course().join("solutions").join(chapter).join("src"), &copied.join("starter/src"));
    }
    // It names the files of earlier solutions. The reader's crate has all of them beside it.
    let library = copied.join("starter/src/lib.rs");
    let own = fs::read_to_string(&library).unwrap();
    let own = own.lines().filter(|line| !line.starts_with("#[path")).collect::<Vec<_>>().join("\n");
    fs::write(&library, own).unwrap();
    let output = cargo(&copied, &["run", "--quiet", "--package", "course-check", "--", &last]);
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{printed}{}", text(&output.stderr));
    assert_eq!(printed.matches("tests passed\n").count(), chapters.len(), "{printed}");

    let output = cargo(&copied, &["test", "--package", "course-check"]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// What the pages show as printed is what the examples print.
#[test]
fn the_examples_print_what_the_pages_show() {
    let mut compared = 0;
    for entry in fs::read_dir(course().join("examples")).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let name = entry.file_stem().unwrap().to_str().unwrap();
        let has_it = |chapter: &String| {
            let manifest = course().join("solutions").join(chapter).join("Cargo.toml");
            fs::read_to_string(manifest).unwrap().contains(&format!("name = \"{name}\""))
        };
        let package =
            format!("course-solution-{}", chapters().iter().find(|chapter| has_it(chapter)).unwrap());
        let output = cargo(&course(), &["run", "--quiet", "--package", &package, "--example", name]);
        let shown = fs::read_to_string(&entry).unwrap();
        assert_eq!(text(&output.stdout), shown, "{}: {}", entry.display(), text(&output.stderr));
        compared += 1;
    }
    assert!(compared > 0);
}
