//! The layers around the runs of a scheduler.

#[cfg(feature = "tracing")]
use std::sync::Arc;

use matins_core::{Layer, Layers};

/// The layers that a program has added, and that of `tracing` outside of them while something records its spans.
#[derive(Debug)]
pub(crate) struct RunLayers {
    added: Layers,
    #[cfg(feature = "tracing")]
    traced: Layers,
}

impl Default for RunLayers {
    fn default() -> Self {
        Self {
            added: Layers::new(),
            #[cfg(feature = "tracing")]
            traced: Layers::new().with(crate::TraceLayer),
        }
    }
}

impl RunLayers {
    /// Adds a layer inside of those that there are.
    #[must_use]
    pub(crate) fn with(self, layer: impl Layer + 'static) -> Self {
        #[cfg(feature = "tracing")]
        let layer = Arc::new(layer);
        Self {
            #[cfg(feature = "tracing")]
            traced: self.traced.with(layer.clone()),
            added: self.added.with(layer),
        }
    }

    /// Returns those that runs get which begin now.
    pub(crate) fn in_force(&self) -> &Layers {
        #[cfg(feature = "tracing")]
        if tracing::level_filters::LevelFilter::current() >= tracing::Level::INFO {
            return &self.traced;
        }
        &self.added
    }
}
