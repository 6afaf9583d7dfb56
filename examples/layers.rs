//! Layers: code around every run. One measures time, one lets only one run at a
//! time use the printer.
//!
//! ```text
//! cargo run --example layers
//! ```

// ANCHOR: program
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use matins::prelude::*;
use matins::{
    IntoTask, Layer, Next, TaskError, TaskFuture, TaskResult, Value, layer_fn,
};

// ANCHOR: lock
/// A layer that holds a lock during each run.
struct Locked(Arc<Mutex<()>>);

impl Layer for Locked {
    fn run(
        &self,
        _arguments: &Value,
        _context: &TaskContext,
        next: Next<'_>,
    ) -> TaskResult {
        let _guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        next.run()
    }

    fn future(
        &self,
        _arguments: &Value,
        _context: &TaskContext,
        _next: TaskFuture,
    ) -> TaskFuture {
        // A guard of this lock must not be held while a future waits.
        Box::pin(async {
            Err(TaskError::new("only blocking tasks may use the printer"))
        })
    }
}
// ANCHOR_END: lock

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // ANCHOR: timing
    let timing = layer_fn(|context: &TaskContext| {
        let (job, begun) = (context.job.clone(), Instant::now());
        move |result| {
            let end = if begun.elapsed().as_secs() < 60 {
                "in time"
            } else {
                "slowly"
            };
            println!("{job} ended {end}");
            result
        }
    });
    let mut scheduler = matins::scheduler().layer(timing).background()?;
    // ANCHOR_END: timing
    scheduler.start()?;

    // ANCHOR: task
    let printer = Arc::new(Mutex::new(()));
    scheduler.register(
        "print",
        (|text: String| println!("{text}")).layer(Locked(printer)),
    )?;
    // ANCHOR_END: task
    let job = scheduler.add(
        every(1.hours()).task("print").id("letter").arguments("dear Ada"),
    )?;
    job.run_now()?.wait()?;
    scheduler.shutdown_and_wait(Shutdown::Wait);
    Ok(())
}
// ANCHOR_END: program
