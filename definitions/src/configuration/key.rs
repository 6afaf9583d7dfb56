//! A key of a configuration: how its value is written, and the nearest key to one that is not known.

use std::borrow::Cow;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::nearest::nearest;

/// A key, and how it is written.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// How it may be written.
    pub(super) example: &'static str,
}

/// What its value is.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Text,
    /// A text; a date of TOML's own is taken as one.
    Date,
    Number,
    Flag,
    Texts,
    Variables,
    Table,
    Tables,
    Word(&'static [&'static str]),
    /// A word, or `{ allow = 2 }`.
    Overlap,
    /// A text, or `{ name = "database", limit = 2 }`, of which its reader says what is wrong.
    Group,
    /// A text, or a table with a `url`, of which its reader says what is wrong.
    Store,
    /// A number or `"all"`, of which its reader says what is wrong.
    Limit,
}

pub(super) const fn key(name: &'static str, form: Form, example: &'static str) -> Key {
    Key { name, form, example }
}

/// Refuses keys of JSON that are not known, and values of another kind; `null` is of every kind.
pub(super) fn check(keys: &Map<String, Value>, known: &[Key]) -> Result<(), String> {
    for (name, value) in keys {
        let Some(key) = known.iter().find(|key| key.name == name.as_str()) else {
            return Err(unknown(name, known));
        };
        if !value.is_null() && !key.form.is_of(value) {
            return Err(key.wrong());
        }
    }
    Ok(())
}

impl Key {
    pub(super) fn wrong(&self) -> String {
        format!("`{}` is {}; write {}", self.name, self.form.describe(), self.example)
    }
}

impl Form {
    /// Whether a value in JSON is of this form.
    pub(super) fn is_of(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text | Self::Date, Value::String(_))
            | (Self::Flag, Value::Bool(_))
            | (Self::Table, Value::Object(_))
            | (Self::Group | Self::Store, Value::String(_) | Value::Object(_))
            | (Self::Limit, _) => true,
            (Self::Number, value) => value.is_i64(),
            (Self::Word(words), Value::String(word)) => words.contains(&word.as_str()),
            (Self::Overlap, Value::String(word)) => matches!(word.as_str(), "skip" | "queue_one"),
            (Self::Overlap, Value::Object(table)) => {
                let limit = table.get("allow").and_then(Value::as_u64);
                table.len() == 1 && limit.is_some_and(|limit| limit > 0 && u32::try_from(limit).is_ok())
            }
            (Self::Texts, Value::Array(texts)) => texts.iter().all(Value::is_string),
            (Self::Variables, Value::Object(variables)) => variables.values().all(Value::is_string),
            (Self::Tables, Value::Array(tables)) => tables.iter().all(Value::is_object),
            _ => false,
        }
    }

    /// Whether the value is of this form; where it is not, and why.
    pub(super) fn check(self, key: &Key, value: &mut Spanned<DeValue<'_>>) -> Result<(), (usize, String)> {
        let place = value.span().start;
        let wrong = |place| Err((place, key.wrong()));
        let is_text = |value: &Spanned<DeValue<'_>>| value.get_ref().is_str();
        match (self, value.get_mut()) {
            (Self::Text | Self::Date, DeValue::String(_))
            | (Self::Number, DeValue::Integer(_))
            | (Self::Flag, DeValue::Boolean(_))
            | (Self::Table, DeValue::Table(_))
            | (Self::Group | Self::Store, DeValue::String(_) | DeValue::Table(_))
            | (Self::Limit, _) => Ok(()),
            (Self::Word(words), DeValue::String(word)) if words.contains(&word.as_ref()) => Ok(()),
            (Self::Overlap, DeValue::String(word)) if matches!(word.as_ref(), "skip" | "queue_one") => Ok(()),
            (Self::Overlap, DeValue::Table(table)) if allows(table) => Ok(()),
            (Self::Date, date @ DeValue::Datetime(_)) => {
                if let DeValue::Datetime(written) = date {
                    *date = DeValue::String(Cow::Owned(written.to_string()));
                }
                Ok(())
            }
            (Self::Texts, DeValue::Array(texts)) => {
                texts.iter().find(|text| !is_text(text)).map_or(Ok(()), |text| wrong(text.span().start))
            }
            (Self::Variables, DeValue::Table(variables)) => variables
                .iter()
                .find(|(_, text)| !is_text(text))
                .map_or(Ok(()), |(_, text)| wrong(text.span().start)),
            (Self::Tables, DeValue::Array(tables)) => tables
                .iter()
                .find(|table| !table.get_ref().is_table())
                .map_or(Ok(()), |table| wrong(table.span().start)),
            _ => wrong(place),
        }
    }

    fn describe(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Text | Self::Date => "a text in quotes",
            Self::Number => "a whole number",
            Self::Flag => "true or false",
            Self::Texts => "a list of texts",
            Self::Variables => "a table of texts",
            Self::Table => "a table",
            Self::Tables => "a list of tables",
            Self::Word(words) => return Cow::Owned(format!("one of {}", words.join(", "))),
            Self::Overlap => "one of skip, queue_one and allow",
            Self::Store => "a text in quotes, or a table",
            Self::Group => "a name, or a table of a name and a limit",
            Self::Limit => "a number or all",
        })
    }
}

/// Whether it is `{ allow = 2 }`.
fn allows(table: &DeTable<'_>) -> bool {
    let limit = table.get("allow").and_then(|limit| limit.get_ref().as_integer());
    table.len() == 1
        && limit.is_some_and(|limit| {
            u32::from_str_radix(limit.as_str(), limit.radix()).is_ok_and(|limit| limit > 0)
        })
}

/// A sentence about a key that is not known.
pub(super) fn unknown(name: &str, known: &[Key]) -> String {
    let written = name.to_lowercase();
    let nearest = nearest(&written, known.iter().map(|key| key.name));
    // Such as `zone` and `env`.
    let part = || known.iter().map(|key| key.name).find(|key| written.len() > 2 && key.contains(&written));
    if let Some(nearest) = nearest.or_else(part) {
        return format!("unknown key `{name}`; did you mean `{nearest}`?");
    }
    let names: Vec<&str> = known.iter().map(|key| key.name).collect();
    format!("unknown key `{name}`; there are {}", names.join(", "))
}
