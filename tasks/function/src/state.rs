//! What tasks share: connections, clients, settings.

use std::any::{Any, TypeId, type_name};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// What tasks share, as the first parameter of a function: a pool of connections, a client, settings.
///
/// Give the scheduler the value with `SchedulerBuilder::state`, or a registry with
/// [`TaskRegistry::state`](crate::TaskRegistry::state). Each run gets a clone: put what is dear to clone in an [`Arc`].
/// There is one value for each type; what is to have several is wrapped in types of its own.
///
/// ```
/// use std::sync::Arc;
///
/// use matins_task_function::{State, TaskRegistry};
///
/// struct Settings { directory: String }
///
/// fn clean_up(State(settings): State<Arc<Settings>>, days: u32) {
///     println!("all older than {days} days in {} goes", settings.directory);
/// }
///
/// let tasks = TaskRegistry::default();
/// tasks.state(Arc::new(Settings { directory: "/tmp".to_owned() }));
/// tasks.register("clean-up", clean_up).unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State<T>(pub T);

/// A task takes a [`State`] that was not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingState {
    wanted: &'static str,
    known: Vec<&'static str>,
}

impl fmt::Display for MissingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, known } = self;
        write!(
            f,
            "the task takes `State<{wanted}>`, and there is no such state (there is {}); give it with \
             .state(value) before the task is registered or its job added",
            list(known)
        )
    }
}

impl Error for MissingState {}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The states of a registry, one of each type.
#[derive(Clone, Default)]
pub struct States(BTreeMap<TypeId, Entry>);

#[derive(Clone)]
struct Entry {
    name: &'static str,
    value: Arc<dyn Any + Send + Sync>,
}

impl States {
    /// Puts a state in. It replaces one of the same type.
    pub(crate) fn insert<T: Clone + Send + Sync + 'static>(
        &mut self,
        value: T,
    ) -> Option<Arc<dyn Any + Send + Sync>> {
        let entry = Entry { name: type_name::<T>(), value: Arc::new(value) };
        self.0.insert(TypeId::of::<T>(), entry).map(|entry| entry.value)
    }

    /// Returns a clone of the state of this type.
    ///
    /// ```
    /// # use matins_task_function::TaskRegistry;
    /// let tasks = TaskRegistry::default();
    /// tasks.state(7_u32);
    /// let states = tasks.states();
    /// assert_eq!(states.get::<u32>()?, 7);
    /// assert!(states.get::<String>().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If none was given.
    pub fn get<T: Clone + 'static>(&self) -> Result<T, MissingState> {
        let found = self.0.get(&TypeId::of::<T>()).and_then(|entry| entry.value.downcast_ref::<T>());
        found.cloned().ok_or_else(|| MissingState {
            wanted: type_name::<T>(),
            known: self.0.values().map(|entry| entry.name).collect(),
        })
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.values().map(|entry| entry.name)).finish()
    }
}
