//! The crates of others whose types are in the public API.

use std::collections::BTreeSet;

/// What every library may show: instants, and values that are read and written.
const EVERYWHERE: [&str; 3] = ["chrono", "serde_core", "serde_json"];

/// Which other crates a library may show, and why.
const PERMITTED: &[(&str, &[&str])] = &[
    // Triggers of others are saved and read by their type's name.
    ("matins_core", &["typetag"]),
    // With the feature `schema`: the JSON Schema of a job.
    ("matins_config", &["schemars"]),
    // Strategies for property tests.
    ("matins_conformance", &["proptest"]),
    // Of these, only the command is built.
    ("matins_daemon", &["anstyle"]),
    ("matins_terminal", &["anstyle"]),
    // The runtime, and a stream of events.
    ("matins_executor_tokio", &["tokio"]),
    ("matins_scheduler", &["futures_core"]),
    // With the features `cron` and `chrono-tz`.
    ("matins_triggers", &["chrono_tz", "cron"]),
];

/// Returns a complaint for each crate that a library shows and may not, and for each that is permitted without need.
pub(crate) fn complaints(library: &str, api: &[String]) -> Vec<String> {
    let permitted = PERMITTED.iter().filter(|(name, _)| *name == library).flat_map(|(_, crates)| *crates);
    let permitted: BTreeSet<&str> = permitted.copied().collect();
    let shown: BTreeSet<&str> = api.iter().flat_map(|item| crates(item)).collect();
    let is_foreign = |name: &&str| !is_own(name) && !EVERYWHERE.contains(name);
    let shown: BTreeSet<&str> = shown.into_iter().filter(is_foreign).collect();
    let first = |name: &str| api.iter().find(|item| crates(item).any(|found| found == name));
    let unwanted = shown.difference(&permitted).map(|name| {
        format!("{library}: the public API shows the crate {name}: {}\n", first(name).map_or("", |item| item))
    });
    let unused = permitted.difference(&shown);
    unwanted
        .chain(
            unused
                .map(|name| format!("{library}: the crate {name} is permitted in its API, and not there\n")),
        )
        .collect()
}

fn is_own(name: &str) -> bool {
    let is_primitive = name == "str" || name == "bool" || name == "char" || is_number(name);
    ["core", "alloc", "std"].contains(&name)
        || name == "matins"
        || name.starts_with("matins_")
        || is_primitive
}

/// Whether this is the name of a number's type: `i64`, `usize`.
fn is_number(name: &str) -> bool {
    let size = name.strip_prefix(['i', 'u', 'f']);
    size.is_some_and(|size| size == "size" || size.parse::<u16>().is_ok())
}

/// Returns the first segments of the paths in an item.
fn crates(item: &str) -> impl Iterator<Item = &str> {
    let is_of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    item.split(move |c| !is_of_path(c))
        .filter_map(|path| path.split_once("::").map(|(first, _)| first))
        .filter(|first| first.starts_with(|c: char| c.is_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crates_of_an_item_are_the_first_segments_of_its_paths() {
        let item = "pub fn a_crate::Type::now(&self, f: &mut core::fmt::Formatter<'_>) -> chrono::DateTime<Self::Zone>";
        assert_eq!(crates(item).collect::<Vec<_>>(), ["a_crate", "core", "chrono"]);
    }
}
