//! The control socket: how a running daemon is asked, and how the commands ask it.
//!
//! A Unix socket beside the store (`jobs.db-control`), mode 0600; a peer of another user, root excepted, is sent away. Who
//! connects writes a request in a line of JSON, and reads lines of JSON: any number of `{"item":...}`, then one
//! `{"done":...}` or `{"error":{"kind":"...","message":"..."}}`. Then it may ask again.
//!
//! ```text
//! > {"matins":1,"command":"pause","job":"backup"}
//! < {"done":{"job":"backup"}}
//! > {"matins":1,"command":"paint","job":"backup"}
//! < {"error":{"kind":"unknown_command","message":"..."}}
//! ```
//!
//! Fields that are not known are ignored, so that a later client can talk to an earlier daemon; a command or a version that
//! is not known is an error. A request is at most 1 MiB long, what an import brings at most 256 MiB. A connection that says
//! nothing for 30 seconds, or does not take its answer for 10, is closed; so is one beyond the 256th. While a run is waited for,
//! or events are, a `{"item":null}` every 5 seconds says that the daemon is still there.
//!
//! The answers to `jobs` and `runs` are read from the store and sent a page at a time, however long they are. With
//! `"page":N` an answer has N items at most; if there are more, its end has the field `next`, and the same request with this
//! value as its `after` continues behind them. Jobs come by id, or with `"order":"next_fire"` by next fire time. A request
//! for something whose client has gone is dropped, also in the middle of its answer; one that changes something is done.

mod causes;
pub(crate) mod client;
mod connection;
pub(crate) mod items;
mod lists;
pub(crate) mod operator;
pub(crate) mod pages;
pub(crate) mod protocol;
mod removal;
pub(crate) mod server;
#[cfg(test)]
mod tests;
mod views;

pub(crate) use views::{JobView, RunState, RunView, Status, StoreInfo};
