//! Values that look secret are not shown.

use serde_json::Value;

/// Parts of names whose values are taken for secrets.
const SECRET: [&str; 8] =
    ["secret", "token", "password", "passwd", "passphrase", "credential", "apikey", "private"];

/// What stands in their place.
pub(crate) const HIDDEN: &str = "(hidden)";

/// Whether a name looks like that of a secret: `DB_PASSWORD`, `GITHUB_TOKEN`, `API_KEY`.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    SECRET.iter().any(|part| plain.contains(part))
        || name.split(['_', '-', '.']).any(|word| word == "key" || word == "auth")
}

/// Hides texts under such names, however deep.
pub(crate) fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if is_secret(name) => HIDDEN.clone_into(text),
                    value => hide(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(hide),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in
            ["DB_PASSWORD", "GITHUB_TOKEN", "API_KEY", "apiKey", "client-secret", "AWS_SECRET_ACCESS_KEY"]
        {
            assert!(is_secret(name), "{name}");
        }
        for name in ["PATH", "KEYBOARD", "MONKEY", "HOME", "AUTHOR", "program"] {
            assert!(!is_secret(name), "{name}");
        }
        let mut value = json!({"environment": {"API_KEY": "x", "PATH": "/bin"}, "arguments": ["a"]});
        hide(&mut value);
        assert_eq!(value, json!({"environment": {"API_KEY": HIDDEN, "PATH": "/bin"}, "arguments": ["a"]}));
    }
}
