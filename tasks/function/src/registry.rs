//! Which tasks a program has: names to tasks.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use matins_core::{NameError, Task, TaskName};

use crate::IntoTask;

/// The tasks of a program by name. Clones share one registry.
///
/// ```
/// use matins_task_function::TaskRegistry;
///
/// let tasks = TaskRegistry::default();
/// tasks.register("greet", |name: String| println!("good morning, {name}")).unwrap();
/// assert!(tasks.get("greet").is_some());
/// assert!(tasks.get("great").is_none());
/// ```
#[derive(Clone, Default)]
pub struct TaskRegistry {
    tasks: Arc<RwLock<HashMap<TaskName, Arc<dyn Task>>>>,
}

impl TaskRegistry {
    /// Registers a task under a name; a task of that name before it is replaced.
    ///
    /// # Errors
    /// If the name is not valid (see [`TaskName`]).
    pub fn register<Form>(&self, name: impl AsRef<str>, task: impl IntoTask<Form>) -> Result<(), NameError> {
        let name = TaskName::new(name)?;
        self.tasks.write().unwrap_or_else(PoisonError::into_inner).insert(name, task.into_task());
        Ok(())
    }

    /// Takes a task out.
    pub fn unregister(&self, name: &str) -> Option<Arc<dyn Task>> {
        self.tasks.write().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// The task of this name.
    pub fn get(&self, name: &str) -> Option<Arc<dyn Task>> {
        self.tasks.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The names registered, in order.
    pub fn names(&self) -> Vec<TaskName> {
        let mut names: Vec<TaskName> =
            self.tasks.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        names.sort();
        names
    }
}

impl fmt::Debug for TaskRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskRegistry").field(&self.names()).finish()
    }
}
