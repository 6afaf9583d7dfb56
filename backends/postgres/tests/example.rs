//! The example `takeover`, which the book's course shows with what it prints.

mod database;

use std::path::Path;
use std::process::Command;

use database::Database;

#[test]
fn the_example_prints_what_the_course_shows() {
    let Some(database) = Database::new("takeover") else { return };
    let test = std::env::current_exe().expect("this program");
    let built = test.ancestors().nth(2).expect("a directory").join("examples/takeover");
    let output = Command::new(&built).arg(&database.url).output().expect("the example was built");
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/takeover.txt");
    let expected = std::fs::read_to_string(expected).expect("what the course shows");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed, expected, "{}", String::from_utf8_lossy(&output.stderr));
}
