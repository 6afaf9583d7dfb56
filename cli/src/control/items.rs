//! The items of an answer, and whoever takes them.

use serde::Serialize;
use serde_json::Value;

use crate::secrets;

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

/// Takes items with their secrets hidden.
pub(crate) struct Hiding<'a>(pub(crate) &'a mut dyn Items);

impl Items for Hiding<'_> {
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

impl<F: FnMut(Value) -> bool> Items for F {
    fn put(&mut self, item: Item) -> bool {
        serde_json::from_str(item.json()).is_ok_and(self)
    }

    fn flush(&mut self) -> bool {
        true
    }
}
