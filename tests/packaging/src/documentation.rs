//! The public API of each library that is published, as rustdoc tells it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Returns the root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the lines of the public API of each library that is published, with all features, by the library's name.
pub(crate) fn public_apis() -> Result<BTreeMap<String, Vec<String>>> {
    let libraries = libraries()?;
    // The folder is the one in which the documentation is built as docs.rs does, so that the dependencies are checked once.
    let directory = root().join("target/docsrs");
    let packages = libraries.values().flat_map(|package| ["--package", package]);
    let status = Command::new(cargo())
        .args(["doc", "--quiet", "--locked", "--lib", "--all-features", "--no-deps", "--target-dir"])
        .arg(&directory)
        .args(packages)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTDOCFLAGS", "-Z unstable-options --output-format json --cap-lints allow")
        .current_dir(root())
        .status()?;
    ensure!(status.success(), "cargo doc: {status}");

    let api = |library: &String| -> Result<Vec<String>> {
        let path = directory.join("doc").join(format!("{library}.json"));
        let api = public_api::Builder::from_rustdoc_json(&path)
            .omit_blanket_impls(true)
            .omit_auto_trait_impls(true)
            .build()
            .with_context(|| {
                format!(
                    "cannot read {}; the version of public-api in Cargo.toml must read the format of this Rust",
                    path.display()
                )
            })?;
        Ok(api.items().map(ToString::to_string).collect())
    };
    libraries.keys().map(|library| Ok((library.clone(), api(library)?))).collect()
}

/// Returns the packages that are published and have a library, by the library's name.
fn libraries() -> Result<BTreeMap<String, String>> {
    let output = Command::new(cargo())
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(list(&metadata, "packages")
        .into_iter()
        .filter(|package| package["publish"].is_null())
        .flat_map(|package| {
            let libraries = list(&package, "targets").into_iter();
            libraries
                .filter(|target| list(target, "kind").iter().any(|kind| kind == "lib"))
                .map(|target| (text(&target["name"]), text(&package["name"])))
                .collect::<Vec<_>>()
        })
        .collect())
}

fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
