//! `cargo run -p course-check -- 3` runs the tests of chapters 1 to 3 on your
//! scheduler. If one fails, it says what the test expects and what to read.
//! With `-- 3 --only`, it runs the tests of chapter 3 alone.

use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitCode};

use course_check::{CHAPTERS, Chapter, Failure, Hint, fragment, results, wrap};

/// How many failures are explained at once.
const SHOWN: usize = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (last, only) = match &arguments[..] {
        [last] => (last.parse().ok(), false),
        [last, only] if only == "--only" => (last.parse().ok(), true),
        _ => (None, false),
    };
    let known = |last: &usize| (1..=CHAPTERS.len()).contains(last);
    let Some(last) = last.filter(known) else {
        eprintln!(
            "write the number of a chapter, from 1 to {}: \
             cargo run -p course-check -- 1. With --only behind it, the \
             chapters before it are not checked.",
            CHAPTERS.len()
        );
        return ExitCode::from(2);
    };
    let first = if only { last } else { 1 };
    let course = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for chapter in &CHAPTERS[first - 1..last] {
        match check(chapter, &course) {
            Ok(true) => {}
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => {
                eprintln!("chapter {}: {error}", chapter.number);
                return ExitCode::from(2);
            }
        }
    }
    match CHAPTERS.get(last) {
        Some(next) => println!("Continue with chapter {}.", next.number),
        None => println!("That was the last chapter."),
    }
    ExitCode::SUCCESS
}

/// Runs the tests of one chapter. Returns whether all passed.
fn check(chapter: &Chapter, course: &Path) -> Result<bool, Box<dyn Error>> {
    let ran = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["test", "--quiet", "--package", "course-starter"])
        .args(["--test", &chapter.tests(), "--no-fail-fast"])
        .args(["--", "--format=pretty"])
        .current_dir(course)
        .env("RUST_BACKTRACE", "0")
        .output()?;
    let printed = String::from_utf8_lossy(&ran.stdout);
    let Some((passed, failures)) = results(&printed) else {
        eprintln!("{}{printed}", String::from_utf8_lossy(&ran.stderr));
        return Err("the tests did not come to their end".into());
    };
    if failures.is_empty() {
        println!("chapter {}: all {passed} tests passed", chapter.number);
        return Ok(true);
    }
    println!(
        "chapter {}: {passed} tests passed, {} failed\n",
        chapter.number,
        failures.len()
    );
    // In the order of the file, which is the order of the page.
    let hints = chapter.hints(course)?;
    let failed: Vec<(&Hint, &Failure)> = hints
        .iter()
        .filter_map(|hint| {
            let failure = failures.iter().find(|it| it.test == hint.test)?;
            Some((hint, failure))
        })
        .collect();
    for (hint, failure) in failed.iter().take(SHOWN) {
        explain(chapter, hint, failure);
    }
    if failed.len() > SHOWN {
        println!("and {} more, which follow later", failed.len() - SHOWN);
    }
    Ok(false)
}

fn explain(chapter: &Chapter, hint: &Hint, failure: &Failure) {
    println!("failed: {}", failure.test.replace('_', " "));
    println!("  expects: {}", wrap(&hint.expects, 68).join("\n           "));
    println!("  read: \"{}\" in chapter {}", hint.read, chapter.number);
    println!(
        "        book/src/course/{}#{}",
        chapter.page,
        fragment(&hint.read)
    );
    for line in failure.output.lines() {
        println!("  | {line}");
    }
    println!();
}
