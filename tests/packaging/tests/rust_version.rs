//! The crates that compile with an older Rust than the others use none of its later syntax, which Clippy does not look for.

use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{BinOp, Expr, ExprBinary};

/// The conditions that join a `let` with something else, each as the line of its `&&`.
#[derive(Default)]
struct Chains(Vec<usize>);

impl Visit<'_> for Chains {
    fn visit_expr_binary(&mut self, binary: &ExprBinary) {
        let is_let = |side: &Expr| matches!(side, Expr::Let(_));
        if let BinOp::And(and) = &binary.op
            && (is_let(&binary.left) || is_let(&binary.right))
        {
            self.0.push(and.spans[0].start().line);
        }
        visit::visit_expr_binary(self, binary);
    }
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn core_and_triggers_have_no_conditions_with_let_which_need_rust_1_88() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (package, version) in [("core", "1.85"), ("triggers", "1.86")] {
        let manifest = fs::read_to_string(root.join(package).join("Cargo.toml")).expect("a manifest");
        assert!(manifest.contains(&format!("rust-version = \"{version}\"")), "{package}");
        let mut files = Vec::new();
        sources(&root.join(package).join("src"), &mut files);
        assert!(files.len() > 20, "{package} has {} files", files.len());
        for file in files {
            let text = fs::read_to_string(&file).expect("a source");
            let parsed = syn::parse_file(&text).expect("Rust");
            let mut chains = Chains::default();
            chains.visit_file(&parsed);
            let found = chains.0;
            assert!(found.is_empty(), "{}: lines {found:?}", file.display());
        }
    }
}
