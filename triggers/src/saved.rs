//! Reads triggers that were saved.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What is read by way of a JSON value.
///
/// A trigger is also read through the trait objects of `typetag`, for which each type that is read directly costs hundreds of functions.
/// Only the JSON value is read in that way, so that the crate compiles in half the time.
pub(crate) struct Saved<T>(pub(crate) T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Saved<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        serde_json::from_value(value).map(Self).map_err(D::Error::custom)
    }
}
