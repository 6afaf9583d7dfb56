//! Which tasks a program has: names to tasks.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::HashMap;

use matins_core::{Layer, Layers, NameError, Task, TaskName};

use crate::IntoTask;
use crate::state::{MissingState, States};

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
    inner: Arc<RwLock<Inner>>,
}

#[derive(Default)]
struct Inner {
    tasks: HashMap<TaskName, Arc<dyn Task>>,
    layers: Layers,
    states: States,
}

/// Why a task cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterError {
    /// The name is not valid.
    Name(NameError),
    /// The task takes a [`State`](crate::State) that the registry was not given.
    State(MissingState),
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::State(error) => error.fmt(f),
        }
    }
}

impl Error for RegisterError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Name(error) => error.source(),
            Self::State(error) => error.source(),
        }
    }
}

impl From<NameError> for RegisterError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

impl From<MissingState> for RegisterError {
    fn from(error: MissingState) -> Self {
        Self::State(error)
    }
}

impl TaskRegistry {
    /// Registers a task under a name. A task of the same name is replaced.
    ///
    /// ```
    /// # use matins_task_function::TaskRegistry;
    /// let tasks = TaskRegistry::default();
    /// tasks.register("tick", || println!("tick"))?;
    /// tasks.register("greet", |name: String| format!("hello {name}"))?;
    /// tasks.register("fetch", async |url: String| format!("the page of {url}"))?;
    /// assert!(tasks.register("a name\nof two lines", || ()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the name is invalid (see [`TaskName`]), or the task takes a [`State`](crate::State) that the registry was not given.
    pub fn register<Form>(
        &self,
        name: impl AsRef<str>,
        task: impl IntoTask<Form>,
    ) -> Result<(), RegisterError> {
        let name = TaskName::new(name)?;
        let task = task.into_task_with(&self.states())?;
        let before = self.write().tasks.insert(name, task);
        // What it holds is dropped when no lock is held.
        drop(before);
        Ok(())
    }

    /// Gives tasks that are registered from now on a [`State`](crate::State) of this type. It replaces one of the same type.
    ///
    /// ```
    /// use matins_task_function::{State, TaskRegistry};
    ///
    /// let tasks = TaskRegistry::default();
    /// let error = tasks.register("greet", |State(name): State<String>| println!("hello {name}")).unwrap_err();
    /// assert!(error.to_string().contains("State<alloc::string::String>"));
    /// tasks.state("Ada".to_owned());
    /// tasks.register("greet", |State(name): State<String>| println!("hello {name}")).unwrap();
    /// ```
    pub fn state<S: Clone + Send + Sync + 'static>(&self, value: S) {
        let before = self.write().states.insert(value);
        // What it holds is dropped when no lock is held.
        drop(before);
    }

    /// Returns the states of the tasks that are registered from now on.
    ///
    /// ```
    /// # use matins_task_function::TaskRegistry;
    /// let tasks = TaskRegistry::default();
    /// tasks.state("Ada".to_owned());
    /// assert_eq!(tasks.states().get::<String>()?, "Ada");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn states(&self) -> States {
        self.read().states.clone()
    }

    /// Removes a task and returns it, or `None` if there is no task of this name.
    ///
    /// ```
    /// # use matins_task_function::TaskRegistry;
    /// let tasks = TaskRegistry::default();
    /// tasks.register("tick", || ())?;
    /// assert!(tasks.unregister("tick").is_some());
    /// assert!(tasks.get("tick").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unregister(&self, name: &str) -> Option<Arc<dyn Task>> {
        const ROOMY: usize = 2_048;
        let tasks = &mut self.write().tasks;
        let task = tasks.remove(name);
        // Closures of jobs may have been many.
        if tasks.capacity() > ROOMY && tasks.len() < tasks.capacity() / 8 {
            let room = 2 * tasks.len();
            tasks.shrink_to(room);
        }
        task
    }

    /// Adds a layer around all tasks of this registry, whenever they are registered. The first one that was added is the
    /// outermost.
    ///
    /// These layers go with the tasks to where the work is done: a worker process has those of the registry that it was given. A
    /// layer around every run of a scheduler, in the process of the scheduler, is `SchedulerBuilder::layer`.
    ///
    /// ```
    /// use matins_core::layer_fn;
    /// use matins_task_function::TaskRegistry;
    ///
    /// let tasks = TaskRegistry::default();
    /// tasks.register("greet", |name: String| println!("good morning, {name}")).unwrap();
    /// tasks.layer(layer_fn(|context| {
    ///     println!("run {} begins", context.run);
    ///     |result| result
    /// }));
    /// ```
    pub fn layer(&self, layer: impl Layer + 'static) {
        let mut inner = self.write();
        inner.layers = std::mem::take(&mut inner.layers).with(layer);
    }

    /// Returns the task of this name, with the layers of the registry around it.
    ///
    /// ```
    /// # use matins_task_function::TaskRegistry;
    /// # use matins_core::{JobId, RunId, TaskContext};
    /// # let context = TaskContext::new(JobId::new("answer")?, RunId::FIRST, chrono::DateTime::UNIX_EPOCH);
    /// let tasks = TaskRegistry::default();
    /// tasks.register("double", |n: u32| 2 * n)?;
    /// let task = tasks.get("double").expect("it was registered");
    /// assert_eq!(task.run(&21.into(), &context)?.result, Some(42.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self, name: &str) -> Option<Arc<dyn Task>> {
        let inner = self.read();
        inner.tasks.get(name).map(|task| inner.layers.around(task.clone()))
    }

    /// Returns the names that are registered, in order.
    ///
    /// ```
    /// # use matins_task_function::TaskRegistry;
    /// let tasks = TaskRegistry::default();
    /// tasks.register("report", || ())?;
    /// tasks.register("backup", || ())?;
    /// assert_eq!(tasks.names(), ["backup", "report"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn names(&self) -> Vec<TaskName> {
        let mut names: Vec<TaskName> = self.read().tasks.keys().cloned().collect();
        names.sort();
        names
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TaskRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskRegistry").field(&self.names()).finish()
    }
}
