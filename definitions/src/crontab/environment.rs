//! Environment lines, by the rules of Debian's cron: `NAME = value`, either in quotes.

use std::collections::BTreeMap;

/// A line that sets a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Setting<'a> {
    pub(super) name: &'a str,
    /// Without its quotes.
    pub(super) value: &'a str,
    /// The value as it is written, with its quotes; empty if it is missing.
    pub(super) written: &'a str,
}

/// Reads a line as a setting. Returns `None` for any other line.
///
/// # Errors
/// If it can only be meant as a setting, and its quotes are wrong.
pub(super) fn setting(line: &str) -> Result<Option<Setting<'_>>, (&str, String)> {
    let Some((name, rest)) = name(line) else { return Ok(None) };
    let Some(written) = rest.trim_start_matches([' ', '\t']).strip_prefix('=') else { return Ok(None) };
    if name.is_empty() {
        return Err((line, "a variable's name is missing before the equals sign".to_owned()));
    }
    let written = written.trim_matches([' ', '\t']);
    let value = match written.chars().next() {
        Some(quote @ ('"' | '\'')) => match written[1..].split_once(quote) {
            Some((value, "")) => value,
            Some((_, after)) => {
                let after = after.trim_start_matches([' ', '\t']);
                let message = "cron refuses text after a quoted value, comments too; remove it".to_owned();
                return Err((after, message));
            }
            None => {
                let message = format!("this quote is not closed; add {quote} at the end of the value");
                return Err((written, message));
            }
        },
        _ => written,
    };
    Ok(Some(Setting { name, value, written }))
}

/// The name at the beginning of a line, without its quotes, and the rest of the line.
fn name(line: &str) -> Option<(&str, &str)> {
    if let Some(quote @ ('"' | '\'')) = line.chars().next() {
        return line[1..].split_once(quote);
    }
    Some(line.split_at(line.find(['=', ' ', '\t'])?))
}

/// The variables that the lines read so far have set. Names and values are bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    variables: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Environment {
    pub(super) fn set(&mut self, name: &[u8], value: Vec<u8>) {
        self.variables.insert(name.to_owned(), value);
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.variables.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.variables.get(name.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// To whom output is mailed, and from whom, if anybody was named.
    pub(super) fn mail(&self) -> Option<(String, Option<String>)> {
        let to = self.text("MAILTO").filter(|to| !to.trim().is_empty())?;
        Some((to, self.text("MAILFROM").filter(|from| !from.trim().is_empty())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `crontab -n` of Debian's cron 3.0pl1-162 says of each.
    #[test]
    fn a_setting_is_what_cron_takes_for_one() {
        for (line, expected) in [
            ("A=b", Some(("A", "b"))),
            ("FOO.BAR=x", Some(("FOO.BAR", "x"))),
            ("my-var=1", Some(("my-var", "1"))),
            ("A = b c", Some(("A", "b c"))),
            ("'A B'=c", Some(("A B", "c"))),
            ("\"A\"=c", Some(("A", "c"))),
            ("A=\"\"", Some(("A", ""))),
            ("QUOTED = ' a b '", Some(("QUOTED", " a b "))),
            ("A=it's", Some(("A", "it's"))),
            ("PATH=\"/a:/b\"   ", Some(("PATH", "/a:/b"))),
            ("* = x", Some(("*", "x"))),
            ("0 0 * * * A=b x", None),
            ("@daily A=b x", None),
            ("* * * * * x=1 y", None),
            ("nonsense", None),
        ] {
            let found = setting(line).unwrap().map(|setting| (setting.name, setting.value));
            assert_eq!(found, expected, "{line}");
        }
        for (line, place) in [("PATH=\"/a:/b\" # c", "# c"), ("A=\"x", "\"x"), ("A='x' y", "y"), ("=x", "=x")]
        {
            assert_eq!(setting(line).unwrap_err().0, place, "{line}");
        }
    }
}
