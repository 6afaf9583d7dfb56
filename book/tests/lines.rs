//! The generated tables and records of the book are complete, and are what the code says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use matins_book::index::index;
use matins_book::items;
use matins_book::lines::{APPLICATIONS, PORTS, directory, lines, tables};
use matins_book::page_pictures;
use matins_book::records::records;

#[test]
fn the_generated_tables_and_records_are_up_to_date() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let generated =
        [tables().unwrap(), items::tables().unwrap(), records().unwrap(), vec![index().unwrap()]].concat();
    assert!(generated.len() > 10);
    for (file, table) in generated {
        let kept = fs::read_to_string(source.join(file)).unwrap_or_default();
        assert_eq!(kept, table, "{file} is out of date; write it with: cargo run -p matins-book -- lines");
    }
}

#[test]
fn the_pictures_of_the_page_are_of_todays_page() {
    let (file, today) = page_pictures::checksum().unwrap();
    let kept = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)).unwrap();
    assert_eq!(kept, today, "the page has changed; make its pictures again with: just page-pictures");
}

#[test]
fn blank_lines_and_comments_are_not_counted() {
    let rust = "//! A program.\n\n#[derive(Debug)]\nstruct It; // a comment after code\n    // ANCHOR: a\n";
    assert_eq!(lines(rust), 2);
    assert_eq!(lines("# A program.\nimport sys\n\n\ndef main():\n    pass\n"), 3);
}

fn names(below: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(directory().join(below)).unwrap().map(Result::unwrap);
    let is_program =
        |name: &String| !["Cargo.toml", "Cargo.lock", ".gitignore", "target"].contains(&name.as_str());
    entries.map(|entry| entry.file_name().into_string().unwrap()).filter(is_program).collect()
}

#[test]
fn every_application_is_in_a_table_and_its_programs_are_shown() {
    let applications: BTreeSet<String> = APPLICATIONS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(applications, names(""));
    let theirs: BTreeSet<String> = PORTS.iter().map(|(_, theirs, _)| (*theirs).to_owned()).collect();
    assert_eq!(theirs, names("ports/theirs"));
    let ours: BTreeSet<String> = PORTS.iter().map(|(_, _, ours)| (*ours).to_owned()).collect();
    assert_eq!(ours, names("ports/src/bin"));

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/how-to/applications.md");
    let page = fs::read_to_string(page).unwrap();
    for (_, theirs, ours) in PORTS {
        for file in [format!("theirs/{theirs}"), format!("src/bin/{ours}")] {
            assert!(page.contains(&format!("ports/{file}:program")), "the page does not show {file}");
        }
    }
}
