//! The examples in a piece of documentation.

/// The examples of an item that are compiled and run.
#[derive(Debug, Default)]
pub(crate) struct Documentation {
    run: Vec<String>,
}

impl Documentation {
    /// Reads Markdown.
    pub(crate) fn new(text: &str) -> Self {
        let mut documentation = Self::default();
        let mut example: Option<(bool, String)> = None;
        for line in text.lines() {
            let line = line.strip_prefix(' ').unwrap_or(line);
            if let Some(words) = line.trim_start().strip_prefix("```") {
                example = match example {
                    None => Some((is_run(words), String::new())),
                    Some((is_run, code)) => {
                        documentation.run.extend(is_run.then_some(code));
                        None
                    }
                };
            } else if let Some((_, code)) = &mut example {
                code.push_str(line);
                code.push('\n');
            }
        }
        documentation
    }

    /// Whether there is an example that is compiled and run.
    pub(crate) fn is_run(&self) -> bool {
        !self.run.is_empty()
    }

    /// Whether an example that is run implements a method of this name.
    pub(crate) fn implements(&self, method: &str) -> bool {
        self.run.iter().any(|code| code.contains(&format!("fn {method}(")))
    }

    /// Whether an example that is run calls a method of this name.
    pub(crate) fn calls(&self, method: &str) -> bool {
        self.run.iter().any(|code| {
            code.match_indices(method).any(|(at, _)| {
                let (before, after) = (&code[..at], &code[at + method.len()..]);
                let is_member = before.ends_with('.') || before.ends_with("::");
                is_member && (after.starts_with('(') || after.starts_with("::<") || after.starts_with(')'))
            })
        })
    }
}

/// Whether rustdoc runs the example whose opening marks are followed by these words.
fn is_run(words: &str) -> bool {
    let mut words = words.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty());
    words.all(|word| {
        matches!(word, "rust" | "should_panic" | "standalone_crate") || word.starts_with("edition")
    })
}

#[test]
fn only_examples_that_run_count() {
    let documentation =
        |words: &str| Documentation::new(&format!(" Adds.\n\n ```{words}\n x.add(1);\n ```\n"));
    for run in ["", "rust", "should_panic", "rust,edition2024"] {
        assert!(documentation(run).is_run(), "{run}");
    }
    for not_run in ["no_run", "ignore", "text", "toml", "rust,ignore", "compile_fail", "console"] {
        assert!(!documentation(not_run).is_run(), "{not_run}");
    }
}

#[test]
fn an_example_calls_a_method_by_its_whole_name() {
    let documentation = Documentation::new("```\nlet x = Name::new(\"a\"); x.as_str();\n```");
    assert!(documentation.calls("new") && documentation.calls("as_str"));
    assert!(!documentation.calls("str") && !documentation.calls("ne") && !documentation.calls("x"));
}
