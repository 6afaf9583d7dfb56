//! An HTTP API and a page for operating a Matins job scheduler: an application that embeds a scheduler serves them with one line,
//! and `matins run --http ADDRESS` does.
//!
//! ```
//! # use matins_scheduler::SchedulerBuilder;
//! # use matins_store_memory::MemoryStore;
//! # let scheduler = SchedulerBuilder::new().store("default", MemoryStore::new()).background()?;
//! let server = matins_web::serve(&scheduler.handle(), "127.0.0.1:0")?;
//! println!("look at http://{}", server.address());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | path | what it is |
//! | --- | --- |
//! | `/` | the page: runs in progress, next fires, jobs, runs with their output, nodes, settings |
//! | `/api/v1/...` | the API, in JSON; `/api/v1/openapi.json` is its description, generated from the code |
//! | `/api/v1/events` | events, as server-sent events |
//! | `/health`, `/ready` | whether the process answers; whether it fires jobs |
//! | `/metrics` | the metrics for Prometheus, if the program [provides](Site::with_metrics) them |
//!
//! # Who may do what
//!
//! On loopback and on a Unix socket, the operating system says which user has connected: only the user of this process and root
//! are served (on Linux; elsewhere an address needs a token). Beyond loopback, a [`Token`] is needed. Requests that change
//! something are refused from other origins and with the names of other hosts, the page's forms carry a secret, and what they
//! changed is in the [history](matins_control::History) with who did it. [`Site::read_only`] refuses all of them.
//!
//! The server has a thread of its own, and each client has limits on its size and its time: no client delays a job.

#[cfg(not(unix))]
compile_error!(
    "matins-web needs Unix: it is built on the control socket. Leave the feature `web` out elsewhere."
);

mod access;
mod address;
mod api;
mod ask;
mod connection;
mod events;
mod page;
mod peer;
mod problem;
mod routes;
mod server;
mod site;
mod token;

pub use address::{Address, AddressError};
pub use api::openapi;
pub use server::{ServeError, Server};
pub use site::{Site, serve};
pub use token::{Token, TokenError};
