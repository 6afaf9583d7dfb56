//! Tasks that are functions or closures, and the tasks of a program by name.
//!
//! ```
//! use matins_core::TaskContext;
//! use matins_task_function::TaskRegistry;
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Backup { directory: String }
//!
//! fn back_up(backup: Backup, context: &TaskContext) -> Result<u64, std::io::Error> {
//!     context.log(format!("copying {}", backup.directory));
//!     Ok(7)
//! }
//!
//! let tasks = TaskRegistry::default();
//! tasks.register("backup", back_up).unwrap();
//! tasks.register("tick", || println!("tick")).unwrap();
//! assert_eq!(tasks.names().len(), 2);
//! ```

mod block_on;
mod function;
mod layered;
mod registry;
mod result;
mod state;

#[doc(hidden)]
pub use block_on::block_on;
pub use function::IntoTask;
pub use layered::LayeredTask;
pub use registry::{RegisterError, TaskRegistry};
pub use result::IntoTaskResult;
pub use state::{MissingState, State, States};
