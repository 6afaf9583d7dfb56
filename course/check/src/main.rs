//! `cargo run -p course-check -- 3` runs the tests of chapters 1 to 3 on your
//! scheduler. If one fails, it says what the test expects and what to read.
//! With `-- 3 --only`, it runs the tests of chapter 3 alone.

use std::error::Error;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use course_check::{
    CHAPTERS, Chapter, Failure, Hint, fragment, results, slow_test, wrap,
};

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
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let course = own.parent().unwrap_or(own);
    for chapter in &CHAPTERS[first - 1..last] {
        match check(chapter, course) {
            Ok(true) => {}
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => {
                eprintln!("chapter {}: {error}", chapter.number);
                return ExitCode::from(2);
            }
        }
    }
    let exercises = CHAPTERS[last - 1].exercises();
    println!("Its exercises: cargo test -p course-starter --test {exercises}");
    match CHAPTERS.get(last) {
        Some(next) => println!("Continue with chapter {}.", next.number),
        None => println!("That was the last chapter."),
    }
    ExitCode::SUCCESS
}

/// Runs the tests of one chapter. Returns whether all passed.
fn check(chapter: &Chapter, course: &Path) -> Result<bool, Box<dyn Error>> {
    // In the order of the file, which is the order of the page.
    let hints = chapter.hints(course)?;
    let (printed, errors) = run(chapter, course, &hints)?;
    let Some((passed, failures)) = results(&printed) else {
        eprintln!("{errors}{printed}");
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

/// Runs the tests of a chapter. Returns what they printed, and what cargo
/// printed. Reports a test that may never end, because it would be silent.
fn run(
    chapter: &Chapter,
    course: &Path,
    hints: &[Hint],
) -> io::Result<(String, String)> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut child = Command::new(cargo)
        .args(["test", "--quiet", "--package", "course-starter"])
        .args(["--test", &chapter.tests(), "--no-fail-fast"])
        .args(["--", "--format=pretty"])
        .current_dir(course)
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let errors = child.stderr.take().map(|mut stderr| {
        thread::spawn(move || {
            let mut errors = Vec::new();
            io::copy(&mut stderr, &mut errors).map(|_| errors)
        })
    });
    let mut printed = String::new();
    for line in child.stdout.take().into_iter().flat_map(lines) {
        if let Some(test) = slow_test(&line)
            && let Some(hint) = hints.iter().find(|hint| hint.test == test)
        {
            println!("not ended yet: {}", test.replace('_', " "));
            advise(chapter, hint);
            println!("  | If it waits for something that never comes, stop it");
            println!("  | with Ctrl-C.\n");
        }
        printed += &line;
        printed.push('\n');
    }
    child.wait()?;
    let errors = errors.and_then(|thread| thread.join().ok()).transpose()?;
    let errors = String::from_utf8_lossy(&errors.unwrap_or_default()).into();
    Ok((printed, errors))
}

/// Returns the lines of an output as they come.
fn lines(output: impl io::Read) -> impl Iterator<Item = String> {
    let lines = BufReader::new(output).split(b'\n').map_while(Result::ok);
    lines.map(|line| String::from_utf8_lossy(&line).into_owned())
}

fn advise(chapter: &Chapter, hint: &Hint) {
    println!("  expects: {}", wrap(&hint.expects, 68).join("\n           "));
    println!("  read: \"{}\" in chapter {}", hint.read, chapter.number);
    println!(
        "        book/src/course/{}#{}",
        chapter.page,
        fragment(&hint.read)
    );
}

fn explain(chapter: &Chapter, hint: &Hint, failure: &Failure) {
    println!("failed: {}", failure.test.replace('_', " "));
    advise(chapter, hint);
    for line in failure.output.lines() {
        println!("  | {line}");
    }
    println!();
}
