//! How many crates a project that depends on Matins builds.

use std::collections::BTreeSet;
use std::process::Command;

/// The crates that a package and its normal dependencies are on Linux, with its default features, as `cargo tree` lists them.
fn crates_of(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--package", package, "--edges", "normal"])
        .args(["--target", "x86_64-unknown-linux-gnu", "--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo is there: it runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let name = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    String::from_utf8(output.stdout).expect("cargo writes UTF-8").lines().map(name).collect()
}

#[track_caller]
fn at_most(limit: usize, package: &str) {
    let crates = crates_of(package);
    assert!(crates.contains(&format!("{package} v{}", env!("CARGO_PKG_VERSION"))), "{crates:?}");
    assert!(
        crates.len() <= limit,
        "{package} is {} crates with what it depends on, and should be at most {limit}: {crates:#?}",
        crates.len()
    );
}

#[test]
fn the_default_features_are_at_most_40_crates() {
    at_most(40, "matins");
}

#[test]
fn the_core_is_at_most_20_crates() {
    at_most(20, "matins-core");
}
