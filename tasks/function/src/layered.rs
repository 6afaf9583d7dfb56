//! A task with layers, before it is registered.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use matins_core::{Layers, Task};

use crate::IntoTask;
use crate::state::{MissingState, States};

/// A task with layers around it: see [`IntoTask::layer`].
pub struct LayeredTask<T, Form> {
    task: T,
    layers: Layers,
    form: PhantomData<fn() -> Form>,
}

impl<T, Form> LayeredTask<T, Form> {
    pub(crate) fn new(task: T, layers: Layers) -> Self {
        Self { task, layers, form: PhantomData }
    }
}

/// The form of a task with layers.
#[derive(Debug)]
pub struct Layered<Form>(PhantomData<Form>);

impl<T: IntoTask<Form>, Form> IntoTask<Layered<Form>> for LayeredTask<T, Form> {
    fn into_task_with(self, states: &States) -> Result<Arc<dyn Task>, MissingState> {
        Ok(self.layers.around(self.task.into_task_with(states)?))
    }
}

impl<T, Form> fmt::Debug for LayeredTask<T, Form> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayeredTask").field("layers", &self.layers).finish_non_exhaustive()
    }
}
