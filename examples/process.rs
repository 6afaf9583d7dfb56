//! Tasks in worker processes: one that crashes costs its own run, and nothing
//! else.

// ANCHOR: program
use matins::prelude::*;
use matins::{RegisterError, TaskRegistry};

/// Registers the tasks: in the workers, which run them, and in the scheduler,
/// which knows them by name.
fn register(tasks: &TaskRegistry) -> Result<(), RegisterError> {
    tasks.register("greet", |name: String| println!("good morning, {name}"))?;
    tasks.register("crash", crash)
}

fn crash() {
    std::process::abort()
}

// ANCHOR: main
fn main() -> Result<(), Box<dyn std::error::Error>> {
    // In a worker process, which is this program started again, this line does
    // not return.
    matins::process::serve_if_worker(register);

    let executor = ProcessExecutor::builder().workers(2).build()?;
    let mut scheduler =
        matins::scheduler().executor("default", executor).background()?;
    register(&scheduler.tasks())?;
    // ANCHOR_END: main
    let events = scheduler.subscribe();
    scheduler.start()?;
    scheduler.add(
        every(200.milliseconds()).task("greet").arguments("Ada").id("greet"),
    )?;
    scheduler.add(every(300.milliseconds()).task("crash").id("crash"))?;

    for event in events
        .filter(|event| matches!(event, Event::RunFinished { .. }))
        .take(5)
    {
        if let Event::RunFinished { run, .. } = event {
            let text = run.message.as_ref().or(run.output.as_ref());
            let text = text.map_or("", |text| text.trim_end());
            println!("{}: {text}", run.job);
        }
    }
    scheduler.shutdown_and_wait(Shutdown::Wait);
    Ok(())
}
// ANCHOR_END: program
