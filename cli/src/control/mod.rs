//! Whom commands ask, and what the daemon adds to the control socket of the library `matins-control`.

pub(crate) mod client;
pub(crate) mod host;
pub(crate) mod pages;
