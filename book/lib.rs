//! The book of Matins: its pages are in `src/`, and mdBook's library makes a site of them.
//!
//! `cargo run -p matins-book` builds it and says where; `cargo run -p matins-book -- serve` shows it to a browser. Every program in it is copied and run by `cargo test -p matins-book --test snippets`.

pub mod index;
pub mod items;
pub mod lines;
pub mod page_pictures;
pub mod pictures;
pub mod records;
pub mod serve;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use mdbook_driver::MDBook;

/// Builds the book into `target`, and gives the path of its first page.
///
/// # Errors
/// When a page is missing or cannot be read, or `target` cannot be written.
pub fn build_into(target: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let mut book = load()?;
    target.clone_into(&mut book.config.build.build_dir);
    book.build()?;
    Ok(target.join("index.html"))
}

/// Builds the book where its configuration says, and gives the path of its first page.
///
/// # Errors
/// As [`build_into`].
pub fn build() -> Result<PathBuf, Box<dyn Error>> {
    let book = load()?;
    let target = book.build_dir_for("html");
    book.build()?;
    Ok(target.canonicalize()?.join("index.html"))
}

fn load() -> Result<MDBook, Box<dyn Error>> {
    Ok(MDBook::load(env!("CARGO_MANIFEST_DIR"))?)
}

/// Returns the pages of the book, as paths below `src/`, in the order of the summary.
///
/// # Panics
/// If there is no summary.
pub fn pages() -> Vec<String> {
    let summary = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/SUMMARY.md");
    let summary = fs::read_to_string(summary).expect("the book has a summary");
    let links = summary.split("](").skip(1).filter_map(|link| link.split(')').next());
    links.map(str::to_owned).collect()
}
