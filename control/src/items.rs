//! The items of an answer, and where they go.

use serde::Serialize;
use serde_json::Value;

use crate::secrets;

/// An item as JSON. It is written once, and never held as a tree of values: a list may have a million of them.
///
/// ```
/// use matins_control::Item;
///
/// assert_eq!(Item::of(&["backup", "report"]).json(), r#"["backup","report"]"#);
/// assert_eq!(Item::heartbeat().json(), "null");
/// ```
#[derive(Debug)]
pub struct Item(String);

impl Item {
    /// Returns the item that says only that the server is still there.
    pub fn heartbeat() -> Self {
        Self("null".to_owned())
    }

    /// Returns a value as an item.
    pub fn of(value: &impl Serialize) -> Self {
        // None of the values that are answered can fail to be written: their maps have texts as keys.
        serde_json::to_string(value).map_or_else(|_| Self::heartbeat(), Self)
    }

    /// Returns the item as JSON.
    pub fn json(&self) -> &str {
        &self.0
    }
}

/// Takes the items of an answer. A closure that takes a [`Value`], and returns whether more are wanted, is one.
///
/// ```
/// use matins_control::{Item, ItemSink};
///
/// /// Keeps the first ten.
/// struct FirstTen(Vec<Item>);
///
/// impl ItemSink for FirstTen {
///     fn put(&mut self, item: Item) -> bool {
///         self.0.push(item);
///         self.0.len() < 10
///     }
///
///     fn flush(&mut self) -> bool {
///         true
///     }
/// }
/// let mut sink = FirstTen(Vec::new());
/// while sink.put(Item::heartbeat()) && sink.flush() {}
/// assert_eq!(sink.0.len(), 10);
/// ```
pub trait ItemSink {
    /// Takes an item. Returns `false` if no more are wanted.
    fn put(&mut self, item: Item) -> bool;

    /// Sends what was put so far. Returns `false` if no more are wanted: the client has gone.
    fn flush(&mut self) -> bool;
}

/// Takes items with their secrets hidden.
pub(crate) struct Hiding<'a>(pub(crate) &'a mut dyn ItemSink);

impl ItemSink for Hiding<'_> {
    fn put(&mut self, item: Item) -> bool {
        // What cannot be read could not be searched for secrets: it is not shown.
        let Ok(mut value) = serde_json::from_str(item.json()) else { return true };
        secrets::hide(&mut value);
        self.0.put(Item::of(&value))
    }

    fn flush(&mut self) -> bool {
        self.0.flush()
    }
}

impl<F: FnMut(Value) -> bool> ItemSink for F {
    fn put(&mut self, item: Item) -> bool {
        serde_json::from_str(item.json()).is_ok_and(self)
    }

    fn flush(&mut self) -> bool {
        true
    }
}
