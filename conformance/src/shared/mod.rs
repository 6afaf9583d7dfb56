//! Stores that several schedulers share: a [model](SharedModel) of one, and the laws of two owners, which each of them keeps.
//!
//! A store's own tests need one line, `matins_conformance::shared_store_suite!(MyFactory::default());`, and a
//! [`SharedStoreFactory`].

mod group_laws;
mod groups;
mod member;
mod model;
mod served_laws;
mod suite;

pub use group_laws::*;
pub use member::Member;
pub use model::SharedModel;
pub use served_laws::*;
pub use suite::*;
