//! What it costs to depend on it: crates, time to compile, size of a program.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use matins_benches::contest::{Spread, seconds};
use tempfile::TempDir;

use super::Measuring;
use crate::card::{COUNT, Family, KIBIBYTES, SECONDS};

/// A program with these features, beside one that depends on nothing.
const FEATURE_SETS: [&str; 8] = [
    "",
    "memory,thread",
    "memory,rayon",
    "memory,tokio",
    "memory,process",
    "file,thread",
    "sqlite,thread",
    "full",
];

const CRATES: [&str; 15] = [
    "matins-core",
    "matins-triggers",
    "matins-store-memory",
    "matins-store-file",
    "matins-store-sqlite",
    "matins-store-transfer",
    "matins-executor-thread",
    "matins-executor-rayon",
    "matins-executor-tokio",
    "matins-executor-process",
    "matins-task-command",
    "matins-scheduler",
    "matins-config",
    "matins-cli",
    "matins",
];

const PEERS: [&str; 5] = ["tokio-cron-scheduler", "apalis-cron", "clokwerk", "cron", "croner"];

pub(crate) fn sizes(measuring: &mut Measuring, name: &'static str) -> Result<Family, Box<dyn Error>> {
    let mut family = Family::new(
        name,
        &[
            (
                "crates",
                "in `cargo tree -e normal` of each crate, with its default features, itself not counted",
            ),
            (
                "compile",
                "cold, in release, of a program that makes a scheduler of these parts; a program without dependencies is taken off",
            ),
            ("program", "its size, stripped"),
        ],
    );
    let theirs = PEERS.map(|peer| (peer, crates_of(peer)));
    for name in CRATES {
        let Some(ours) = crates_of(name) else { continue };
        let ours = Spread::exactly(ours);
        match (name, &theirs[0]) {
            ("matins", (peer, Some(theirs))) => {
                family.versus("matins: crates", COUNT, ours, peer, Spread::exactly(*theirs), None);
            }
            _ => family.alone(format!("{name}: crates"), COUNT, ours),
        }
    }
    if measuring.is_quick {
        measuring.leave_out("time to compile and size of programs, in a quick run");
        return Ok(family);
    }
    let (bare_time, bare_size) = build("")?;
    for features in FEATURE_SETS.into_iter().filter(|features| !features.is_empty()) {
        let (time, size) = build(features)?;
        family.alone(format!("{features}: compile"), SECONDS, Spread::exactly((time - bare_time).max(0.0)));
        family.alone(format!("{features}: program"), KIBIBYTES, Spread::exactly(size - bare_size));
    }
    Ok(family)
}

/// How many crates one needs. `None` where cargo does not tell.
fn crates_of(name: &str) -> Option<f64> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--prefix", "none", "--edges", "normal", "--offline", "-p", name])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let crates: BTreeSet<&str> =
        text.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty()).collect();
    crates.len().checked_sub(1).map(|count| count as f64)
}

/// Seconds to build a program with these features, and its size in KiB.
fn build(features: &str) -> Result<(f64, f64), Box<dyn Error>> {
    let directory = TempDir::new()?;
    let source = directory.path().join("src");
    fs::create_dir(&source)?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let dependency = if features.is_empty() {
        String::new()
    } else {
        let list: Vec<String> = features.split(',').map(|feature| format!("{feature:?}")).collect();
        format!(
            "matins = {{ path = {:?}, default-features = false, features = [{}] }}\n",
            workspace.display().to_string(),
            list.join(", ")
        )
    };
    let manifest = format!(
        "[package]\nname = \"sized\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependency}\n\
         [profile.release]\nstrip = true\n\n[workspace]\n"
    );
    fs::write(directory.path().join("Cargo.toml"), manifest)?;
    fs::copy(workspace.join("Cargo.lock"), directory.path().join("Cargo.lock"))?;
    fs::write(source.join("main.rs"), program(features))?;
    let cargo = |arguments: &[&str]| -> Result<(), Box<dyn Error>> {
        let output = Command::new(env!("CARGO"))
            .args(arguments)
            .current_dir(directory.path())
            .env("CARGO_TARGET_DIR", directory.path().join("target"))
            .output()?;
        if output.status.success() {
            Ok(())
        } else {
            Err(format!("cargo {arguments:?} with {features:?}: {}", String::from_utf8_lossy(&output.stderr))
                .into())
        }
    };
    // The lock file shrinks to what this program needs.
    cargo(&["fetch"])?;
    let mut built = Ok(());
    let taken = seconds(|| built = cargo(&["build", "--release", "--offline"]));
    built?;
    let size = fs::metadata(directory.path().join("target/release/sized"))?.len();
    Ok((taken, size as f64 / 1024.0))
}

/// A program that makes a scheduler of these parts.
fn program(features: &str) -> String {
    let has = |part: &str| features == "full" || features.split(',').any(|feature| feature == part);
    if features.is_empty() {
        return "fn main() {\n    println!(\"{:?}\", std::time::SystemTime::now());\n}\n".to_owned();
    }
    let store = if has("sqlite") {
        "matins::SqliteStore::open(\"jobs.db\").unwrap()"
    } else if has("file") {
        "matins::FileStore::open(\"jobs\").unwrap()"
    } else {
        "matins::MemoryStore::new()"
    };
    let executor = if has("tokio") && !has("thread") {
        "matins::TokioExecutor::current().unwrap()"
    } else if has("rayon") && !has("thread") {
        "matins::RayonExecutor::global()"
    } else if has("process") && !has("thread") {
        "matins::ProcessExecutor::new().unwrap()"
    } else {
        "matins::ThreadExecutor::new()"
    };
    format!(
        "use matins::prelude::*;\n\nfn main() {{\n    let scheduler = SchedulerBuilder::new().store(\"default\", {store})\
         .executor(\"default\", {executor}).blocking().unwrap();\n    \
         scheduler.register(\"hello\", || println!(\"hello\")).unwrap();\n    \
         scheduler.add(every(1.seconds()).task(\"hello\")).unwrap();\n    scheduler.run();\n}}\n"
    )
}
