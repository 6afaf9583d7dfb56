//! The book's index: every word of the glossary and every section, in the order of the alphabet, with links.
//!
//! `cargo run -p matins-book -- lines` writes it; a test checks that the one in `src/` is up to date.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

/// Returns the index: file below `src/`, and what it contains.
///
/// # Errors
/// If a page cannot be read.
pub fn index() -> io::Result<(&'static str, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut entries = BTreeSet::new();
    for row in fs::read_to_string(source.join("reference/glossary.md"))?.lines() {
        if let Some(Term { words, page, .. }) = Term::read(row) {
            entries.extend(words.into_iter().map(|word| (word.to_lowercase(), word, page.to_owned())));
        }
    }
    let mut headings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for page in &crate::pages() {
        let text = fs::read_to_string(source.join(page))?;
        let mut is_snippet = false;
        for line in text.lines() {
            is_snippet ^= line.starts_with("```");
            let heading = line.strip_prefix("## ").or_else(|| line.strip_prefix("# "));
            if let Some(heading) = heading.filter(|_| !is_snippet) {
                let anchor =
                    if line.starts_with("## ") { format!("#{}", anchor(heading)) } else { String::new() };
                headings.entry(heading.to_owned()).or_default().push(format!("../{page}{anchor}"));
            }
        }
    }
    // What many pages have (exercises, a summary) leads nowhere in particular.
    for (heading, pages) in headings.into_iter().filter(|(_, pages)| pages.len() < 3) {
        entries.extend(pages.into_iter().map(|page| (key(&heading), heading.clone(), page)));
    }
    let mut text = String::new();
    let mut letter = None;
    for (key, words, page) in &entries {
        let first = key.chars().next().filter(|first| first.is_alphabetic());
        if letter != Some(first) {
            letter = Some(first);
            let head = first.map_or("Signs and digits".to_owned(), |first| first.to_uppercase().to_string());
            let _ = write!(text, "\n## {head}\n\n");
        }
        let _ = writeln!(text, "* [{words}]({page})");
    }
    Ok(("reference/index-entries.txt", text.trim_start().to_owned()))
}

/// A row of the glossary.
#[derive(Debug)]
pub struct Term<'a> {
    /// The name of its anchor.
    pub anchor: &'a str,
    /// The word, and other words for it.
    pub words: Vec<String>,
    /// The page that explains it, as a path from `reference/`, perhaps with an anchor.
    pub page: &'a str,
}

impl<'a> Term<'a> {
    /// Reads a row. Returns `None` if the line is no row.
    pub fn read(row: &'a str) -> Option<Self> {
        let (anchor, rest) = row.strip_prefix("| <a id=\"")?.split_once("\"></a>**")?;
        let (word, rest) = rest.split_once("** | ")?;
        let also = rest.split(" | ").next().unwrap_or_default().split(", ").map(str::trim);
        let page = row.rsplit_once("](")?.1.split(')').next()?;
        let words = [word].into_iter().chain(also).filter(|word| !word.is_empty()).map(str::to_owned);
        Some(Self { anchor, words: words.collect(), page })
    }
}

/// What a heading is sorted by: without numbers of chapters, signs and articles at its beginning.
fn key(heading: &str) -> String {
    let heading = heading.trim_start_matches(|letter: char| !letter.is_alphabetic()).to_lowercase();
    let without = ["a ", "an ", "the "].iter().find_map(|article| heading.strip_prefix(article));
    without.map_or(heading.clone(), str::to_owned)
}

/// The anchor that mdBook gives to a heading.
fn anchor(heading: &str) -> String {
    let mut plain = String::new();
    let mut rest = heading;
    while let Some((before, link)) = rest.split_once("](") {
        plain.push_str(&before.replacen('[', "", 1));
        rest = link.split_once(')').map_or("", |(_, rest)| rest);
    }
    plain.push_str(rest);
    plain
        .to_lowercase()
        .chars()
        .filter_map(|letter| match letter {
            ' ' => Some('-'),
            _ if letter.is_alphanumeric() || "-_".contains(letter) => Some(letter),
            _ => None,
        })
        .collect()
}
