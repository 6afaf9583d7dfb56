//! Words lead to pages: the glossary and the pages link to each other, and the search finds what readers look for.

use std::fs;
use std::path::{Path, PathBuf};

use matins_book::index::Term;
use serde_json::Value;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn page(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn each_word_of_the_glossary_links_to_its_page_which_links_back() {
    let glossary = page(&source().join("reference/glossary.md"));
    let terms: Vec<Term<'_>> = glossary.lines().filter_map(Term::read).collect();
    assert!(terms.len() > 50, "{terms:?}");
    for Term { anchor, words, page: target } in terms {
        let path = source().join("reference").join(target.split('#').next().unwrap());
        assert!(
            page(&path).contains(&format!("glossary.md#{anchor})")),
            "{target} explains {words:?}, and does not link to glossary.md#{anchor}"
        );
    }
}

#[test]
fn links_to_the_glossary_lead_to_a_word() {
    let glossary = page(&source().join("reference/glossary.md"));
    let mut links = 0;
    for file in &matins_book::pages() {
        let text = page(&source().join(file));
        for link in text.split("glossary.md#").skip(1) {
            let anchor = link.split(')').next().unwrap();
            assert!(
                glossary.contains(&format!("<a id=\"{anchor}\">")),
                "{file}: the glossary has no {anchor}"
            );
            links += 1;
        }
    }
    assert!(links > 50, "{links} links were found");
}

/// What readers look for, and the page that answers it: it has to be among the first five pages.
const SEARCHES: &[(&str, &str)] = &[
    ("date trigger", "reference/triggers.html"),
    ("BlockingScheduler", "start/choose-a-scheduler.html"),
    ("BackgroundScheduler", "start/choose-a-scheduler.html"),
    ("AsyncIOScheduler", "start/choose-a-scheduler.html"),
    ("coroutine", "start/choose-a-scheduler.html"),
    ("MemoryJobStore", "start/choose-a-store.html"),
    ("persistence", "start/choose-a-store.html"),
    ("ThreadPoolExecutor", "start/choose-an-executor.html"),
    ("ProcessPoolExecutor", "start/choose-an-executor.html"),
    ("misfire", "reference/policies.html"),
    ("daylight saving time", "explanation/time.html"),
    ("DST", "explanation/time.html"),
    ("lease", "how-to/shared.html"),
    ("leader", "course/08-many-schedulers.html"),
    ("coordinated omission", "benchmarks/reading.html"),
    ("torn write", "explanation/crash-safety.html"),
];

/// The sections of the built book, in the search index as mdBook's search page reads it: address, title, text.
fn sections() -> Vec<(String, String, String)> {
    let directory = tempfile::tempdir().unwrap();
    matins_book::build_into(directory.path()).unwrap();
    let file = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with("searchindex"))
        .expect("the book has a search index");
    let script = page(&file);
    // The script gives the index to the page as a text in single quotes: `JSON.parse('{...}')`.
    let (_, text) = script.split_once("JSON.parse('").expect("the index is a text in single quotes");
    let (text, _) = text.rsplit_once("'));").unwrap();
    let mut letters = text.chars();
    let mut json = String::new();
    while let Some(letter) = letters.next() {
        json.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    let index: Value = serde_json::from_str(&json).unwrap();
    let addresses = index["doc_urls"].as_array().unwrap();
    let documents = index["index"]["documentStore"]["docs"].as_object().unwrap();
    let read = |document: &Value, key: &str| document[key].as_str().unwrap().to_lowercase();
    documents
        .values()
        .map(|document| {
            let number: usize = document["id"].as_str().unwrap().parse().unwrap();
            let address = addresses[number].as_str().unwrap().to_owned();
            (address, read(document, "title"), read(document, "body"))
        })
        .collect()
}

#[test]
fn the_search_finds_the_page_for_each_of_these_words() {
    let sections = sections();
    for (words, expected) in SEARCHES {
        let words = words.to_lowercase();
        // A match in a title counts twice as much, as in the configuration of the search.
        let weight =
            |title: &str, body: &str| 2 * title.matches(&words).count() + body.matches(&words).count();
        let mut found: Vec<(usize, &str)> = sections
            .iter()
            .map(|(address, title, body)| (weight(title, body), address.split('#').next().unwrap()))
            .filter(|(weight, _)| *weight > 0)
            .collect();
        found.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let mut pages: Vec<&str> = Vec::new();
        for (_, page) in found {
            if !pages.contains(&page) {
                pages.push(page);
            }
        }
        let first = &pages[..pages.len().min(5)];
        assert!(first.contains(expected), "{words:?} is not found on {expected}, but on {first:?}");
    }
}
