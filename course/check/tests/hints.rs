//! Each test of each chapter says what it expects, and where that is
//! explained: in a section that the chapter's page has.

use std::fs;
use std::path::Path;

use course_check::{CHAPTERS, Hint, fragment, hints, results, slow_test, wrap};

#[test]
fn every_test_says_what_it_expects_and_what_to_read() {
    let course = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for chapter in CHAPTERS {
        let page = fs::read_to_string(chapter.page_path(&course)).unwrap();
        let sections: Vec<&str> =
            page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let found = chapter.hints(&course).unwrap();
        assert!(found.len() >= 5, "{chapter:?} has {} tests", found.len());
        let mut before = 0;
        for hint in found {
            assert!(!hint.expects.is_empty(), "{hint:?}");
            let place = sections.iter().position(|it| *it == hint.read);
            let Some(place) = place else {
                panic!("no such section: {hint:?}")
            };
            // Failures are shown in the order of the tests.
            assert!(place >= before, "its section comes earlier: {hint:?}");
            before = place;
        }
    }
}

#[test]
fn all_tests_of_a_file_are_found() {
    let course = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for chapter in CHAPTERS {
        let file = course.join("tests").join(chapter.tests() + ".rs");
        let source = fs::read_to_string(file).unwrap();
        let tests = source.lines().filter(|line| line.trim() == "#[test]");
        assert_eq!(chapter.hints(&course).unwrap().len(), tests.count());
    }
}

#[test]
fn a_hint_is_the_comment_above_a_test() {
    let source = "
/// A helper.
fn helper() {}

/// Expects: that it
/// works.
/// Read: The section
#[test]
fn it_works() {}
";
    let hint = |test: &str, expects: &str, read: &str| Hint {
        test: test.into(),
        expects: expects.into(),
        read: read.into(),
    };
    let expected = hint("it_works", "that it works.", "The section");
    assert_eq!(hints(source), [expected]);
}

#[test]
fn failures_are_read_with_their_messages() {
    let printed = "
running 2 tests
test one ... ok
test two ... FAILED

failures:

---- two stdout ----
thread 'two' (17) panicked at tests/x.rs:3:5:
proptest: Saving this and future failures in chapter_01
cc a2bcdd2d
not implemented: chapter 1
\tsuccesses: 0
note: run with `RUST_BACKTRACE=1` environment variable

failures:
    two

test result: FAILED. 1 passed; 1 failed; 0 ignored
";
    let (passed, failures) = results(printed).unwrap();
    assert_eq!((passed, failures.len()), (1, 1));
    assert_eq!(failures[0].test, "two");
    assert_eq!(failures[0].output, "not implemented: chapter 1");
    assert_eq!(results("error: could not compile"), None);
}

#[test]
fn a_test_that_takes_long_is_noticed() {
    let line = "test one has been running for over 60 seconds";
    assert_eq!(slow_test(line), Some("one"));
    assert_eq!(slow_test("test one ... ok"), None);
}

#[test]
fn sections_have_the_addresses_that_the_book_gives_them() {
    assert_eq!(fragment("Number the fires"), "number-the-fires");
    assert_eq!(fragment("Why `fsync`?"), "why-fsync");
}

#[test]
fn long_texts_are_wrapped_between_words() {
    let wrapped = wrap("one two  three four", 9);
    assert_eq!(wrapped, ["one two", "three", "four"]);
    assert_eq!(wrap("extraordinary", 5), ["extraordinary"]);
}
