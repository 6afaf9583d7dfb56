//! The book of Matins: its pages are in `src/`, and mdBook's library makes a site of them.
//!
//! `cargo run -p matins-book` builds it and says where; `cargo run -p matins-book -- serve` shows it to a browser. Every snippet is a test: `cargo test -p matins-book`.

pub mod index;
pub mod items;
pub mod lines;
pub mod pictures;
pub mod records;
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
    start_choose_a_scheduler: "start/choose-a-scheduler.md",
    start_choose_a_store: "start/choose-a-store.md",
    start_choose_an_executor: "start/choose-an-executor.md",
    how_to_recipes: "how-to/recipes.md",
    how_to_defining_a_job: "how-to/defining-a-job.md",
    how_to_coming_from: "how-to/coming-from.md",
    how_to_applications: "how-to/applications.md",
    how_to_write_a_trigger: "how-to/write-a-trigger.md",
    how_to_write_a_store: "how-to/write-a-store.md",
    how_to_write_an_executor: "how-to/write-an-executor.md",
    how_to_daemon: "how-to/daemon.md",
    how_to_crontabs: "how-to/crontabs.md",
    how_to_control: "how-to/control.md",
    how_to_why: "how-to/why.md",
    how_to_simulate: "how-to/simulate.md",
    how_to_service: "how-to/service.md",
    how_to_shared: "how-to/shared.md",
    how_to_safety: "how-to/safety.md",
    course_course: "course/course.md",
    course_01_a_loop_that_fires: "course/01-a-loop-that-fires.md",
    course_02_the_queue: "course/02-the-queue.md",
    course_03_cron: "course/03-cron.md",
    course_04_local_time: "course/04-local-time.md",
    course_05_store_and_ledger: "course/05-store-and-ledger.md",
    course_06_executors: "course/06-executors.md",
    course_07_the_engine: "course/07-the-engine.md",
    course_08_many_schedulers: "course/08-many-schedulers.md",
    reference_triggers: "reference/triggers.md",
    reference_cron: "reference/cron.md",
    reference_policies: "reference/policies.md",
    reference_events: "reference/events.md",
    reference_metrics: "reference/metrics.md",
    reference_errors: "reference/errors.md",
    reference_configuration: "reference/configuration.md",
    reference_commands: "reference/commands.md",
    reference_glossary: "reference/glossary.md",
    reference_index_of_words: "reference/index-of-words.md",
    explanation_design: "explanation/design.md",
    explanation_crash_safety: "explanation/crash-safety.md",
    explanation_time: "explanation/time.md",
    explanation_executors: "explanation/executors.md",
    benchmarks_reading: "benchmarks/reading.md",
    benchmarks_choosing: "benchmarks/choosing.md",
    benchmarks_scorecard: "benchmarks/scorecard.md",
    benchmarks_triggers: "benchmarks/triggers.md",
    benchmarks_stores: "benchmarks/stores.md",
    benchmarks_executors: "benchmarks/executors.md",
}
