//! The book's page of commands shows what `--help` prints for each of them.
//!
//! With `MATINS_UPDATE_BOOK=1` the test writes the page's part instead of comparing it.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

fn help(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_matins"))
        .args(words)
        .arg("--help")
        .env("COLUMNS", "80")
        .env_remove("MATINS_STORE")
        .output()
        .unwrap();
    assert!(output.status.success(), "matins {words:?} --help");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// The names of the commands below one, which its help lists.
fn below(help: &str) -> Vec<&str> {
    let listed = help.split_once("\nCommands:\n").map_or("", |(_, listed)| listed);
    let listed = listed.split("\n\n").next().unwrap_or_default();
    let names =
        listed.lines().filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect()
}

fn describe(words: &[&str], level: &str, page: &mut String) {
    let help = help(words);
    let name = [&["matins"], words].concat().join(" ");
    let _ = writeln!(page, "{level} `{name}`\n\n```text\n{help}\n```\n");
    for command in below(&help) {
        let level = if words.is_empty() { "##" } else { "###" };
        describe(&[words, &[command]].concat(), level, page);
    }
}

#[test]
fn the_page_of_commands_shows_what_help_prints() {
    let mut page = String::new();
    describe(&[], "##", &mut page);
    assert!(page.matches("\n## ").count() > 20, "{page}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/reference/commands.txt");
    if std::env::var_os("MATINS_UPDATE_BOOK").is_some() {
        fs::write(&file, &page).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == page,
        "commands.txt is out of date; write it with: MATINS_UPDATE_BOOK=1 cargo test -p matins-cli --test book_commands"
    );
}
