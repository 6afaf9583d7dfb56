//! A configuration in JSON: read into the tables of TOML, each value with its place, so that whatever reads the one reads the other.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::diagnostic::Diagnostic;

/// A key whose value is `null`: its path, and where it is written.
pub(super) type Null = (Vec<String>, usize);

/// Reads an object; `null` is a key that is not there, and is told beside it.
///
/// # Errors
/// What is no JSON, a key that is there twice, `null` in a list, and a whole that is no object.
pub(super) fn table(text: &str) -> Result<(DeTable<'_>, Vec<Null>), Diagnostic> {
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| {
        let place = format!(" at line {} column {}", error.line(), error.column());
        let what = error.to_string();
        let before: usize =
            text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let at = (before + error.column().saturating_sub(1)).min(text.len());
        let offset = (0..=at).rev().find(|offset| text.is_char_boundary(*offset));
        Diagnostic::at(text, offset.unwrap_or_default(), what.strip_suffix(&place).unwrap_or(&what))
    })?;
    let mut reader = Reader { text, path: Vec::new(), nulls: Vec::new() };
    match reader.value(whole, 0)?.map(Spanned::into_inner) {
        Some(DeValue::Table(table)) => Ok((table, reader.nulls)),
        _ => reader.fault(reader.place(whole.get()), "a configuration is an object; write {\"jobs\": {}}"),
    }
}

/// So deep may objects and lists be within each other; those of a configuration are four.
const DEEPEST: usize = 8;

/// The members of an object in their order, as they are written.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Members<'de>, M::Error> {
                let mut read = Vec::new();
                while let Some((Name(name), value)) = members.next_entry()? {
                    read.push((name, value));
                }
                Ok(Members(read))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

struct Reader<'a> {
    text: &'a str,
    /// Where it is: the names of the objects, and `[]` for a list.
    path: Vec<String>,
    nulls: Vec<Null>,
}

impl<'a> Reader<'a> {
    /// Where a part of the text begins; the part is a slice of it, so that its address tells its place.
    fn place(&self, part: &str) -> usize {
        let place = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        if place <= self.text.len() { place } else { 0 }
    }

    fn fault<T>(&self, place: usize, message: impl fmt::Display) -> Result<T, Diagnostic> {
        Err(Diagnostic::at(self.text, place, message))
    }

    /// `None` is `null`.
    fn value(&mut self, raw: &'a RawValue, depth: usize) -> Result<Option<Spanned<DeValue<'a>>>, Diagnostic> {
        let written = raw.get();
        let place = self.place(written);
        if depth > DEEPEST {
            return self.fault(place, format!("more than {DEEPEST} levels of brackets; no key has so many"));
        }
        let value = match written.as_bytes().first() {
            Some(b'{') => DeValue::Table(self.object(written, place, depth + 1)?),
            Some(b'[') => DeValue::Array(self.list(written, place, depth + 1)?),
            Some(b'"') => DeValue::String(self.read::<Name<'a>>(written, place)?.0),
            Some(b't' | b'f') => DeValue::Boolean(self.read(written, place)?),
            Some(b'n') => return Ok(None),
            // A number of JSON is one of TOML.
            _ => match DeValue::parse(written) {
                Ok(number) => number.into_inner(),
                Err(error) => return self.fault(place, error.message()),
            },
        };
        Ok(Some(Spanned::new(place..place + written.len(), value)))
    }

    fn object(&mut self, written: &'a str, place: usize, depth: usize) -> Result<DeTable<'a>, Diagnostic> {
        let Members(members) = self.read(written, place)?;
        let mut table = DeTable::new();
        let mut names = HashSet::new();
        for (name, raw) in members {
            let start = match &name {
                // At its quote.
                Cow::Borrowed(name) => self.place(name).saturating_sub(1),
                Cow::Owned(_) => self.place(raw.get()),
            };
            if !names.insert(name.clone()) {
                return self.fault(start, format!("`{name}` is there twice; keep one of them"));
            }
            self.path.push(name.to_string());
            match self.value(raw, depth)? {
                Some(value) => drop(table.insert(Spanned::new(start..start + name.len(), name), value)),
                None => self.nulls.push((self.path.clone(), start)),
            }
            self.path.pop();
        }
        Ok(table)
    }

    fn list(&mut self, written: &'a str, place: usize, depth: usize) -> Result<DeArray<'a>, Diagnostic> {
        let items: Vec<&RawValue> = self.read(written, place)?;
        let mut list = DeArray::new();
        self.path.push("[]".to_owned());
        for raw in items {
            match self.value(raw, depth)? {
                Some(value) => list.push(value),
                None => return self.fault(self.place(raw.get()), "null is nothing in a list; leave it out"),
            }
        }
        self.path.pop();
        Ok(list)
    }

    /// All of it was found to be JSON; only half a surrogate pair is refused here.
    fn read<T: Deserialize<'a>>(&self, written: &'a str, place: usize) -> Result<T, Diagnostic> {
        serde_json::from_str(written).or_else(|error| self.fault(place, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        table(text)
            .map(|(table, _)| {
                format!(
                    "{:?}",
                    toml::Value::deserialize(toml::de::Deserializer::from(Spanned::new(0..0, table)))
                        .unwrap()
                )
            })
            .map_err(|fault| fault.to_string())
    }

    #[test]
    fn json_is_read_as_the_same_toml() {
        let json = r#"{"a": {"b": [1, -2.5e3, "x\ty", true], "c": null}, "d\u0065": "é"}"#;
        let toml: toml::Value = toml::from_str("de = \"é\"\na.b = [1, -2.5e3, \"x\\ty\", true]").unwrap();
        assert_eq!(read(json).unwrap(), format!("{toml:?}"));
    }

    #[test]
    fn what_is_no_configuration_is_told_with_its_place() {
        for (text, fault) in [
            ("", "1:1: EOF"),
            ("[]", "1:1: a configuration is an object"),
            ("{\"a\": 1,\n \"a\": 2}", "2:2: `a` is there twice"),
            ("{\"a\": null, \"a\": null}", "1:13: `a` is there twice"),
            ("{\"a\": [null]}", "1:8: null is nothing in a list"),
            ("{\"a\": 1,}", "1:9: "),
            ("{\"a\": \"\\ud800\"}", "1:7: "),
        ] {
            let found = read(text).unwrap_err();
            assert!(found.starts_with(fault), "{text}: {found}");
        }
        let deep = format!("{{\"a\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(&deep).unwrap_err().contains("more than 8 levels"));
    }

    #[test]
    fn each_value_has_its_place() {
        let text = "{\n  \"jobs\": {\"a\": 7}\n}";
        let (table, nulls) = table(text).unwrap();
        assert!(nulls.is_empty());
        let (name, jobs) = table.iter().next().unwrap();
        assert_eq!(&text[name.span().start..][..6], "\"jobs\"");
        assert_eq!(&text[jobs.span()], "{\"a\": 7}");
        let seven = &jobs.get_ref().as_table().unwrap()["a"];
        assert_eq!(&text[seven.span()], "7");
    }
}
