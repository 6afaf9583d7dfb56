//! What a registry shows of each crate: where its documentation is, how it is built there, and a README that works outside of the
//! repository.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The packages of the workspace that can be published, as `cargo metadata` describes them.
fn published() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--no-deps", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo is there: it runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages").iter();
    let published: Vec<Value> = packages.filter(|package| package["publish"].is_null()).cloned().collect();
    assert!(published.len() > 20, "{} packages", published.len());
    published
}

#[test]
fn each_crate_says_where_its_documentation_is_and_what_it_is() {
    for package in published() {
        let name = package["name"].as_str().expect("a name");
        assert_eq!(package["documentation"], format!("https://docs.rs/{name}"), "{name}");
        for key in ["description", "license", "rust_version"] {
            assert!(package[key].is_string(), "{name} has no {key}");
        }
    }
}

#[test]
fn documentation_is_built_with_all_features() {
    for package in published() {
        let has_features = package["features"].as_object().is_some_and(|features| !features.is_empty());
        let docs = &package["metadata"]["docs"]["rs"];
        if has_features {
            assert_eq!(docs["all-features"], true, "{}", package["name"]);
            assert_eq!(docs["rustdoc-args"], serde_json::json!(["--cfg", "docsrs"]), "{}", package["name"]);
        }
    }
}

/// Where the links and pictures of a text in Markdown lead.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

#[test]
fn links_of_a_readme_are_absolute_because_a_registry_shows_it_without_the_repository() {
    let mut links = 0;
    for package in published() {
        let Some(readme) = package["readme"].as_str() else { continue };
        let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
        let text = fs::read_to_string(manifest.with_file_name(readme)).expect("the README");
        for target in targets(&text) {
            assert!(
                target.starts_with("https://"),
                "{}: {target} is a path in the repository",
                package["name"]
            );
            links += 1;
        }
    }
    assert!(links > 0);
}

/// A link to a file of the package leads to one that is in it.
#[test]
fn links_of_the_readme_lead_to_files_of_the_package() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join("src/README.md")).expect("the README");
    let files: Vec<&str> = targets(&text)
        .filter_map(|target| target.strip_prefix("https://docs.rs/crate/matins/latest/source/"))
        .collect();
    assert!(!files.is_empty());
    for file in files {
        assert!(root.join(file).is_file(), "{file}");
    }
}
