//! The crates of others whose types are in the public API.

use std::collections::BTreeSet;

/// Which crates of others a library may show, and why.
const PERMITTED: &[(&str, &[&str])] = &[];

/// Returns a complaint for each crate that a library shows and may not, and for each that is permitted without need.
pub(crate) fn complaints(library: &str, api: &[String]) -> Vec<String> {
    let permitted = PERMITTED.iter().filter(|(name, _)| *name == library).flat_map(|(_, crates)| *crates);
    let permitted: BTreeSet<&str> = permitted.copied().collect();
    let shown: BTreeSet<&str> = api.iter().flat_map(|item| crates(item)).collect();
    let shown: BTreeSet<&str> = shown.into_iter().filter(|name| !is_own(name)).collect();
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
    ["core", "alloc", "std"].contains(&name) || name == "matins" || name.starts_with("matins_")
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
