//! What cannot be a trigger, a task, a store, an executor or a layer is refused by the compiler with a message that says what to
//! write. Each program in `tests/compile_errors` is compiled as part of a project outside of the workspace. Its comments say
//! which sentences the compiler's messages must contain. Only these are compared, because the rest differs between compilers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const MANIFEST: &str = r#"
[package]
name = "compile-errors"
version = "0.0.0"
edition = "2024"

[dependencies]
matins = { path = "ROOT", features = ["file"] }

[workspace]
"#;

/// Returns the sentences that the compiler must say about each program, by the name of the program.
fn expected(directory: &Path) -> BTreeMap<String, Vec<String>> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let program = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        let sentences = text.lines().filter_map(|line| line.strip_prefix("// says: ")).map(str::to_owned);
        (file.file_stem().unwrap().to_string_lossy().into_owned(), sentences.collect())
    };
    files.map(program).collect()
}

/// Writes the project, with the versions of dependencies that this workspace has.
fn write_project(project: &Path, programs: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binaries = project.join("src/bin");
    if binaries.exists() {
        fs::remove_dir_all(&binaries).unwrap();
    }
    fs::create_dir_all(&binaries).unwrap();
    fs::write(project.join("Cargo.toml"), MANIFEST.replace("ROOT", &root.display().to_string())).unwrap();
    fs::copy(root.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    for entry in fs::read_dir(programs).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), binaries.join(entry.file_name())).unwrap();
    }
}

/// Returns the errors of the compiler, by the name of the program.
fn errors(project: &Path) -> BTreeMap<String, String> {
    // Shared with `tests/applications.rs`.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside_target");
    let output = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--offline", "--bins", "--keep-going", "--message-format", "json"])
        .current_dir(project)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap();
    let mut errors = BTreeMap::<String, String>::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        let (name, message) = (&line["target"]["name"], &line["message"]);
        if message["level"] == "error"
            && let (Some(name), Some(text)) = (name.as_str(), message["rendered"].as_str())
        {
            errors.entry(name.to_owned()).or_default().push_str(text);
        }
    }
    assert!(!errors.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    errors
}

#[test]
fn compile_errors_say_what_to_write() {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_errors");
    let expected = expected(&programs);
    assert!(!expected.is_empty());
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_errors");
    write_project(&project, &programs);
    let errors = errors(&project);
    for (name, sentences) in expected {
        let text = errors.get(&name).unwrap_or_else(|| panic!("{name} was compiled without an error"));
        assert!(!sentences.is_empty(), "{name} does not say what the compiler must say");
        for sentence in sentences {
            assert!(text.contains(&sentence), "{name}: {sentence:?} is not in\n{text}");
        }
    }
}
