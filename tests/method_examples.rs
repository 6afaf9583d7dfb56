//! Each public function and method shows what it is for in an example that is compiled and run. CONTRIBUTING.md has the rule.

#[path = "method_examples/documentation.rs"]
mod documentation;
#[path = "method_examples/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use source::{Kind, Method, Source};

/// Members of the workspace that programs do not depend on, or whose items only other crates of Matins and authors of a store
/// or an executor use.
const OTHER_CRATES: [&str; 11] = [
    ".",
    "backends/owner",
    "benches",
    "book",
    "cli",
    "conformance",
    "daemon",
    "executors/inflight",
    "files",
    "terminal",
    "tests/packaging",
];

/// What only those need who write a store, an executor or a scheduler. `examples/` and `matins-conformance` show how it is used.
const BETWEEN_PARTS: [&str; 23] = [
    // Job stores, and how a scheduler uses them.
    "ClaimStore",
    "JobStore",
    "SharedStore",
    "GroupTurn",
    "Heartbeat",
    "JobRuns",
    "Joined",
    "MemoryStore",
    "Node",
    "Settled",
    "Want",
    // Executors, and how a scheduler uses them.
    "CancelCallbacks",
    "Completion",
    "CompletionSink",
    "Executor",
    "RunReport",
    "RunRequest",
    // Triggers, tasks and layers, as a scheduler uses them.
    "CountBudget",
    "Layers",
    "Limits",
    "Next",
    "Orphan",
    "Tail",
];

/// Functions by which stores check and write values as JSON.
const OF_STORES: [&str; 6] = ["check_job", "check_trigger", "check_run", "check_batch", "trigger", "some"];

#[test]
fn each_public_function_and_method_has_an_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut missing, mut count, mut exempt) = (String::new(), 0, BTreeSet::new());
    for name in crates(root) {
        let source = Source::read(&root.join(&name));
        let mut note = |item: String, has_example: bool| {
            count += 1;
            if !has_example {
                // Writing to a String cannot fail.
                let _ = writeln!(missing, "{name}: {item}");
            }
        };
        for (function, documentation) in &source.functions {
            if OF_STORES.contains(&function.as_str()) {
                exempt.insert(function.clone());
            } else {
                note(function.clone(), documentation.is_run());
            }
        }
        for method in source.methods.iter().filter(|method| source.types.contains_key(&method.owner)) {
            if BETWEEN_PARTS.contains(&method.owner.as_str()) {
                exempt.insert(method.owner.clone());
            } else {
                note(format!("{}::{}", method.owner, method.name), has_example(&source, method));
            }
        }
    }
    let number = missing.lines().count();
    assert!(
        missing.is_empty(),
        "{number} of {count} functions and methods have no example that is compiled and run (CONTRIBUTING.md says \
         which examples count):\n{missing}"
    );
    assert!(count > 400, "the sources have {count} public functions and methods");
    assert_eq!(exempt.len(), BETWEEN_PARTS.len() + OF_STORES.len(), "what is exempt and exists: {exempt:?}");
}

/// The directories of the crates that programs use.
fn crates(root: &Path) -> Vec<String> {
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("the manifest of the workspace");
    let (_, rest) = manifest.split_once("members = [").expect("the members of the workspace");
    let (members, _) = rest.split_once(']').expect("the end of the list");
    let members: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
    for other in OTHER_CRATES {
        assert!(members.contains(&other), "{other} is a member of the workspace");
    }
    members.iter().filter(|member| !OTHER_CRATES.contains(member)).map(ToString::to_string).collect()
}

fn has_example(source: &Source, method: &Method) -> bool {
    let of_owner = &source.types[&method.owner];
    method.documentation.is_run()
        || match method.kind {
            Kind::OfTrait => of_owner.calls(&method.name) || of_owner.implements(&method.name),
            Kind::GetterOrConstructor => of_owner.calls(&method.name),
            Kind::Other => false,
        }
}
