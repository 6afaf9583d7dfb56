//! A trigger, a job store and an executor of one's own. `tests/suites.rs` tests
//! them with the suites that the parts of Matins pass.

mod elastic;
mod payday;
mod table_store;

pub use elastic::Elastic;
pub use payday::Payday;
pub use table_store::TableStore;
