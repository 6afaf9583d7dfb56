//! The book of Matins: its pages are in `src/`, and mdBook's library makes a site of them.
//!
//! `cargo run -p matins-book` builds it and says where; `cargo run -p matins-book -- serve` shows it to a browser. Every snippet is a test: `cargo test -p matins-book`.

pub mod lines;
pub mod pictures;
pub mod serve;

use std::error::Error;
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

/// Each page's snippets, as tests.
macro_rules! pages {
    ($($name:ident: $file:literal),* $(,)?) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!(concat!("src/", $file))]
            mod $name {}
        )*

        /// The pages whose snippets are tested, as paths below `src/`.
        pub const TESTED_PAGES: &[&str] = &[$($file),*];
    };
}
pages! {
    introduction: "introduction.md",
    start_five_minutes: "start/five-minutes.md",
    start_coming_from: "start/coming-from.md",
    start_applications: "start/applications.md",
    defining_a_job: "defining-a-job.md",
    triggers: "triggers/triggers.md",
    stores: "stores/stores.md",
    executors: "executors/executors.md",
    schedulers: "schedulers/schedulers.md",
    cookbook: "cookbook/recipes.md",
    build_your_own: "own/build-your-own.md",
    course: "course/course.md",
    course_1: "course/01-a-loop-that-fires.md",
    course_2: "course/02-the-queue.md",
    course_3: "course/03-cron.md",
    course_4: "course/04-local-time.md",
    course_5: "course/05-store-and-ledger.md",
    course_6: "course/06-executors.md",
    course_7: "course/07-the-engine.md",
    course_8: "course/08-many-schedulers.md",
    operations: "operations/operations.md",
    operations_control: "operations/control.md",
    operations_why: "operations/why.md",
    operations_simulate: "operations/simulate.md",
    operations_crontabs: "operations/crontabs.md",
    operations_service: "operations/service.md",
    operations_safety: "operations/safety.md",
    operations_shared: "operations/shared.md",
    reference_cron: "reference/cron.md",
    reference_configuration: "reference/configuration.md",
    reference_events: "reference/events.md",
    reference_errors: "reference/errors.md",
    reference_glossary: "reference/glossary.md",
    benchmarks_choosing: "benchmarks/choosing.md",
    benchmarks_scorecard: "benchmarks/scorecard.md",
    benchmarks_triggers: "benchmarks/triggers.md",
    benchmarks_stores: "benchmarks/stores.md",
    benchmarks_executors: "benchmarks/executors.md",
}
