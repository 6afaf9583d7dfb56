//! What a person reads of a source file: its documentation, and its messages.

/// Returns the lines that begin with `///` or `//!`, as Markdown. Between two comments is an empty line.
pub(crate) fn documentation(source: &str) -> String {
    let text = |line: &str| {
        let line = line.trim_start();
        let text = line.strip_prefix("//!").or_else(|| line.strip_prefix("///"));
        // More than three strokes are a rule between two parts.
        text.filter(|text| !text.starts_with('/')).unwrap_or_default().to_owned()
    };
    source.lines().map(text).collect::<Vec<_>>().join("\n")
}

/// Returns the texts in quotes that have several words, without those of unit tests and statements for a database.
pub(crate) fn messages(source: &str) -> Vec<String> {
    const FEW: usize = 4;
    const STATEMENTS: [&str; 6] = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "ALTER "];
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(start) = rest.find(['"', '/', '\'']) {
        let (before, after) = (&rest[..start], &rest[start + 1..]);
        rest = match rest.as_bytes()[start] {
            b'/' if after.starts_with('/') => after.split_once('\n').map_or("", |(_, rest)| rest),
            b'"' if before.ends_with(['r', '#']) => {
                let end = format!("\"{}", "#".repeat(before.len() - before.trim_end_matches('#').len()));
                after.split_once(&end).map_or("", |(_, rest)| rest)
            }
            b'"' => {
                let end = end_of_text(after);
                found.push(plain(&after[..end]));
                after.get(end + 1..).unwrap_or_default()
            }
            // A character such as a quote, and not a lifetime.
            b'\'' => after
                .strip_prefix("\"'")
                .or_else(|| after.strip_prefix("\\\"'"))
                .or_else(|| after.strip_prefix("\\''"))
                .or_else(|| after.strip_prefix("/'"))
                .unwrap_or(after),
            _ => after,
        };
    }
    found.retain(|text| {
        text.split_whitespace().count() >= FEW && !STATEMENTS.iter().any(|word| text.contains(word))
    });
    found
}

fn end_of_text(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.unwrap_or(text.len())
}

/// Lines are joined where they end with a backslash, and what is put in is one word.
fn plain(literal: &str) -> String {
    let mut lines = literal.split("\\\n");
    let mut text = lines.next().unwrap_or_default().to_owned();
    lines.for_each(|line| text.push_str(line.trim_start()));
    let text = text.replace("\\n", "\n").replace("\\\"", "\"");
    let mut words = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        words.push_str(before);
        words.push_str("value");
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    words + rest
}

#[test]
fn documentation_and_messages_are_found() {
    let source = r##"
//! A module.
//
/// A function, with `code`.
fn quote<'a>() -> char {
    // "not a message of this program"
    let _ = (r#"no "raw" text is a message"#, '"', "too few");
    panic!("the file {name} \
            is \"gone\", and more", "SELECT id FROM jobs WHERE x")
}
#[cfg(test)]
mod tests { const X: &str = "a message of a test"; }
"##;
    assert_eq!(documentation(source).trim(), "A module.\n\n A function, with `code`.");
    assert_eq!(messages(source), ["the file value is \"gone\", and more"]);
}
