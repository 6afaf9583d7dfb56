//! The control socket of the Matins job scheduler: an application that embeds a scheduler serves it with one line, and the
//! command `matins` lists, pauses, runs and explains its jobs.
//!
//! ```
//! # use matins_scheduler::SchedulerBuilder;
//! # use matins_store_memory::MemoryStore;
//! # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background().unwrap();
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path().join("control");
//! let _control = matins_control::serve(&scheduler.handle(), &path).unwrap();
//! ```
//!
//! ```text
//! $ matins jobs --socket /run/reports/control
//! $ matins pause daily --socket /run/reports/control
//! $ matins why daily 09:00 --socket /run/reports/control
//! ```
//!
//! The socket has mode 0600; a client of another user, root excepted, is sent away. [Secrets](secrets) are not shown. Each
//! client has a thread of its own, and their number, their requests and their time are limited: a hostile client can neither
//! stop nor delay a job.
//!
//! | part | what it is |
//! | --- | --- |
//! | [`serve`] | serves a scheduler, with defaults |
//! | [`Operator`], [`Host`] | answers requests; what a process adds to that |
//! | [`Listener`], [`Server`] | the socket, and a socket that is served |
//! | [`Client`], [`Request`] | how a program asks |
//! | [`History`] | who paused, changed, started or removed which job, and when the scheduler was running |
//! | [`Explanation`] | what happened, or will happen, to a job at a time, and why |
//!
//! # Protocol
//!
//! A client writes a request in a line of JSON, and reads lines of JSON: any number of `{"item":...}`, then one `{"done":...}`
//! or `{"error":{"kind":"...","message":"..."}}`. Then it may ask again.
//!
//! ```text
//! > {"matins":1,"command":"pause","job":"backup"}
//! < {"done":{"job":"backup"}}
//! > {"matins":1,"command":"paint","job":"backup"}
//! < {"error":{"kind":"unknown_command","message":"..."}}
//! ```
//!
//! Unknown fields are ignored, so that a later client can talk to an earlier server; an unknown command or version is an
//! error. A request is at most 1 MiB long, what follows an import at most 256 MiB. A connection that sends nothing for 30
//! seconds (10 seconds before its first request), or does not read its answer for 10, is closed; so is one over the limit.
//! While nothing happens, `watch`, and `now` with `wait`, send `{"item":null}` every 5 seconds.
//!
//! The answers to `jobs` and `runs` are read from the store and sent a page at a time, however long they are. With `"page":N`
//! an answer has N items at most; if there are more, its end has the field `next`, and the same request with this value as its
//! `after` continues behind them. Jobs come by id, or with `"order":"next_fire"` by next fire time. A request that changes
//! nothing is dropped if its client has gone, also in the middle of its answer; one that changes something is done.

#[cfg(not(unix))]
compile_error!(
    "matins-control needs Unix: it serves a Unix socket. Leave the feature `control` out elsewhere."
);

mod answers;
mod causes;
mod client;
mod connection;
pub mod display;
mod event;
mod explain;
mod history;
mod host;
pub mod instant;
mod items;
mod listener;
mod lists;
mod nodes;
mod operator;
mod output;
mod problem;
pub mod protocol;
mod removal;
mod request;
mod runs;
pub mod secrets;
mod server;
mod store_copy;
#[cfg(test)]
mod tests;
pub mod user;
mod views;

pub use client::{Client, ClientError};
pub use event::{EventView, TimedEvent};
pub use explain::{Explanation, ExplanationKind};
pub use history::{History, HistoryEntry, HistoryEvent};
pub use host::Host;
pub use items::{Item, ItemSink};
pub use listener::{Listener, ServeError};
pub use nodes::{NodeState, NodeView, SharedView};
pub use operator::Operator;
pub use output::{OutputNews, OutputSoFar};
pub use problem::{Problem, ProblemKind};
pub use protocol::Answer;
pub use request::{
    JobsOrder, JobsRequest, PagePosition, RemoveManyRequest, Request, RunPosition, RunsRequest, StopMode,
};
pub use server::{Server, serve};
pub use views::{JobView, OrphanView, RunState, RunView, Status, StoreInfo};
