//! What cannot be a task is refused by the compiler in words that say what to write. Each program in `tests/refused` is compiled as
//! a stranger's project would be; its first lines have what the compiler must say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const MANIFEST: &str = r#"
[package]
name = "refused"
version = "0.0.0"
edition = "2024"

[dependencies]
matins-core.path = "CORE"
matins-task-function.path = "FUNCTION"

[workspace]
"#;

/// The programs by name, each with what the compiler must say.
fn programs(directory: &Path) -> BTreeMap<String, Vec<String>> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let program = |file: std::path::PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        let says = text.lines().map_while(|line| line.strip_prefix("// says: ")).map(str::to_owned);
        (file.file_stem().unwrap().to_string_lossy().into_owned(), says.collect())
    };
    files.map(program).collect()
}

/// What the compiler says of each program.
fn messages(project: &Path) -> BTreeMap<String, String> {
    let check = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--offline", "--bins", "--keep-going", "--message-format", "json"])
        .current_dir(project)
        .env("CARGO_TARGET_DIR", project.join("target"))
        .output()
        .unwrap();
    assert!(!check.status.success());
    let mut said = BTreeMap::<String, String>::new();
    for line in String::from_utf8_lossy(&check.stdout).lines() {
        let message: Value = serde_json::from_str(line).unwrap_or_default();
        if message["reason"] == "compiler-message"
            && let (Some(name), Some(text)) =
                (message["target"]["name"].as_str(), message["message"]["rendered"].as_str())
        {
            said.entry(name.to_owned()).or_default().push_str(text);
        }
    }
    assert!(!said.is_empty(), "{}", String::from_utf8_lossy(&check.stderr));
    said
}

#[test]
fn the_compiler_says_what_to_write() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.ancestors().nth(2).unwrap();
    let programs = programs(&package.join("tests/refused"));
    assert!(programs.len() > 5);
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("refused");
    let _ = fs::remove_dir_all(project.join("src"));
    fs::create_dir_all(project.join("src/bin")).unwrap();
    let place = |path: &Path| path.display().to_string();
    let manifest = MANIFEST.replace("CORE", &place(&root.join("core"))).replace("FUNCTION", &place(package));
    fs::write(project.join("Cargo.toml"), manifest).unwrap();
    // The versions that this workspace has, which are here already.
    fs::copy(root.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    for name in programs.keys() {
        let file = format!("{name}.rs");
        fs::copy(package.join("tests/refused").join(&file), project.join("src/bin").join(&file)).unwrap();
    }
    let said = messages(&project);
    for (name, says) in programs {
        let text = said.get(&name).unwrap_or_else(|| panic!("{name} was compiled"));
        assert!(!says.is_empty(), "{name} has no line of what the compiler must say");
        for sentence in says {
            assert!(text.contains(&sentence), "{name}: {sentence:?} is not in\n{text}");
        }
    }
}
