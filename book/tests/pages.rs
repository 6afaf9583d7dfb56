//! The book builds, each of its pages is tested, and each of its links leads somewhere.

use std::fs;
use std::path::{Path, PathBuf};

fn files_below(directory: &Path, extension: &str) -> Vec<PathBuf> {
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

/// A page that the summary does not name is not built, so nobody reads it, and its programs are not tested.
#[test]
fn every_page_is_in_the_summary() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let summary = fs::read_to_string(source.join("SUMMARY.md")).unwrap();
    for page in files_below(&source, "md") {
        let name = page.strip_prefix(&source).unwrap().to_str().unwrap().replace('\\', "/");
        assert!(
            name == "SUMMARY.md" || summary.contains(&format!("]({name})")),
            "{name} is not in the summary"
        );
    }
}

/// A piece (`rust,ignore`) includes parts of a program or a test that is compiled elsewhere, and nothing else.
#[test]
fn pieces_are_included_from_programs() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut pieces = 0;
    for page in files_below(&source, "md") {
        let text = fs::read_to_string(&page).unwrap();
        // Fences come in pairs: every second part is a snippet.
        for snippet in
            text.split("```").skip(1).step_by(2).filter(|snippet| snippet.starts_with("rust,ignore"))
        {
            for line in snippet.lines().skip(1).filter(|line| !line.is_empty()) {
                let piece = line.strip_prefix("{{#include ").and_then(|line| line.strip_suffix("}}"));
                let (file, anchor) = piece
                    .and_then(|piece| piece.split_once(':'))
                    .unwrap_or_else(|| panic!("{}: {line:?} is no piece of a program", page.display()));
                let program = fs::read_to_string(page.parent().unwrap().join(file)).unwrap();
                assert!(program.contains(&format!("ANCHOR: {anchor}\n")), "{file} has no piece {anchor}");
                pieces += 1;
            }
        }
    }
    assert!(pieces > 0);
}

/// The names of tracing and metrics are in one table, which the documentation of the crate and the book both show.
#[test]
fn the_names_of_tracing_and_metrics_are_included_and_not_copied() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (page, file) = (source.join("reference/metrics.md"), "../../../schedulers/src/observation.md");
    assert!(fs::read_to_string(&page).unwrap().contains(&format!("{{{{#include {file}:tables}}}}")));
    let table = fs::read_to_string(page.parent().unwrap().join(file)).unwrap();
    assert!(table.contains("<!-- ANCHOR: tables -->") && table.contains("<!-- ANCHOR_END: tables -->"));
    for page in files_below(&source, "md") {
        let text = fs::read_to_string(&page).unwrap();
        let row = text.lines().find(|line| line.starts_with("| `matins_"));
        assert!(row.is_none(), "{}: {row:?} is a copy of a row", page.display());
    }
}

/// A bar within a code span ends the cell, unless it is written `\\|`; the rest of the row is then lost.
#[test]
fn rows_of_tables_have_as_many_cells_as_their_heads() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut rows = 0;
    for page in files_below(&source, "md") {
        let text = fs::read_to_string(&page).unwrap();
        let mut head = None;
        for line in text.lines() {
            if !line.starts_with('|') {
                head = None;
                continue;
            }
            let is_head = head.is_none();
            assert!(
                !is_head || line.contains(char::is_alphabetic),
                "{}: a head says nothing",
                page.display()
            );
            let bars = line.matches('|').count() - line.matches("\\|").count();
            assert_eq!(bars, *head.get_or_insert(bars), "{}: {line}", page.display());
            rows += 1;
        }
    }
    assert!(rows > 100, "{rows} rows were found");
}

/// What SECURITY.md promises is held by tests, which it names.
#[test]
fn the_tests_that_the_threat_model_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let is_source = |code: &&str| Path::new(code).extension().is_some_and(|extension| extension == "rs");
    let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(is_source).collect();
    assert!(named.len() > 10, "{named:?}");
    for file in named {
        assert!(root.join(file).is_file(), "there is no {file}");
    }
}

#[test]
fn the_pictures_are_what_the_triggers_draw() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (file, picture) in matins_book::pictures::all() {
        let kept = fs::read_to_string(source.join(file)).unwrap_or_default();
        assert!(kept == picture, "{file} is out of date; draw it with: cargo run -p matins-book -- pictures");
        let marks = picture.matches("<circle").count() + picture.matches("<set").count();
        assert!(marks > 10, "{file} shows too little");
    }
}

#[test]
fn every_link_within_the_book_leads_to_a_file() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matins_book::build_into(directory.path()).unwrap().exists());
    let (mut links, mut places) = (0, 0);
    for page in files_below(directory.path(), "html") {
        let html = fs::read_to_string(&page).unwrap();
        for attribute in ["href=\"", "src=\""] {
            for link in
                html.split(attribute).skip(1).filter_map(|rest| rest.split_once('"')).map(|(link, _)| link)
            {
                let target = link.split(['#', '?']).next().unwrap();
                if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                links += 1;
                let leads_to = page.parent().unwrap().join(target);
                assert!(leads_to.exists(), "{} links to {target}, which is not there", page.display());
                // The page for printing and the menu have links of their own.
                let is_chapter =
                    ["print.html", "toc.html", "404.html"].iter().all(|name| !page.ends_with(name));
                if let Some((_, place)) = link.split_once('#').filter(|_| {
                    is_chapter && leads_to.extension().is_some_and(|extension| extension == "html")
                }) {
                    let there = fs::read_to_string(&leads_to).unwrap();
                    assert!(
                        there.contains(&format!("id=\"{place}\"")),
                        "{} links to {link}, and there is no such place on that page",
                        page.display()
                    );
                    places += 1;
                }
            }
        }
    }
    assert!(links > 10 && places > 100, "{links} links were found, {places} of them to places on pages");
}

/// The value of the attribute of a tag.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let rest = tag.split_once(&format!(" {name}=\""))?.1;
    rest.split_once('"').map(|(value, _)| value)
}

/// The tags of a page that begin so, without their brackets.
fn tags<'a>(html: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    html.split('<')
        .skip(1)
        .filter_map(move |part| part.split('>').next().filter(|tag| tag.starts_with(begin)))
}

#[test]
fn pages_can_be_read_by_everybody_and_offline() {
    let directory = tempfile::tempdir().unwrap();
    matins_book::build_into(directory.path()).unwrap();
    let mut pictures = 0;
    for page in files_below(directory.path(), "html") {
        let html = fs::read_to_string(&page).unwrap();
        let name = page.strip_prefix(directory.path()).unwrap().display();
        for image in tags(&html, "img ") {
            let words = attribute(image, "alt").map_or(0, |alt| alt.split_whitespace().count());
            assert!(words >= 5, "{name}: {image:?} says too little to somebody who does not see it");
            pictures += 1;
        }
        for loading in
            ["link ", "script ", "img ", "iframe ", "source "].iter().flat_map(|tag| tags(&html, tag))
        {
            let from = attribute(loading, "src").or_else(|| attribute(loading, "href")).unwrap_or_default();
            assert!(!from.contains("//"), "{name} loads {from}");
        }
        assert!(
            tags(&html, "html ").all(|tag| attribute(tag, "lang") == Some("en")),
            "{name} has no language"
        );
        let Some((_, main)) = html.split_once("<main>") else { continue };
        let main = main.split_once("</main>").map_or(main, |(main, _)| main);
        let mut level = 0;
        // All pages at once, for printing, are one after the other.
        for heading in tags(main, "h").filter_map(|tag| tag.strip_prefix('h')?.get(..1)?.parse::<u32>().ok())
        {
            assert!(
                heading <= level + 1,
                "{name}: a heading of level {heading} follows one of level {level}"
            );
            level = heading;
        }
    }
    assert!(pictures > 10, "{pictures} pictures were found");
}
