//! The items of an answer, and whoever takes them.

use serde::Serialize;
use serde_json::Value;

/// An item as JSON. It is written once, and never held as a tree of values: a list may have a million of them.
#[derive(Debug)]
pub(crate) struct Item(String);

impl Item {
    /// The item that says nothing: the daemon is still there.
    pub(crate) fn sign_of_life() -> Self {
        Self("null".to_owned())
    }

    pub(crate) fn of(value: &impl Serialize) -> Self {
        // None of the values that are answered can fail to be written: their maps have texts as keys.
        serde_json::to_string(value).map_or_else(|_| Self::sign_of_life(), Self)
    }

    pub(crate) fn json(&self) -> &str {
        &self.0
    }
}

/// Takes the items of an answer.
pub(crate) trait Items {
    /// Takes an item. Returns false if nobody takes more.
    fn put(&mut self, item: Item) -> bool;

    /// Sends what was put so far. Returns false if nobody takes more: whoever asked has gone.
    fn flush(&mut self) -> bool;
}

impl<F: FnMut(Value) -> bool> Items for F {
    fn put(&mut self, item: Item) -> bool {
        serde_json::from_str(item.json()).is_ok_and(self)
    }

    fn flush(&mut self) -> bool {
        true
    }
}
