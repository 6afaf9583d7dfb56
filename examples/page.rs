//! An application that shows its scheduler as a page, with an HTTP API.
//!
//! ```text
//! cargo run --example page -- 127.0.0.1:8080
//! ```

// ANCHOR: program
use std::error::Error;

use matins::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    // With port 0, the system chooses a free port.
    let address =
        std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let mut scheduler = matins::scheduler().background()?;
    scheduler.add(every(10.seconds()).run(|| "all is well").id("probe"))?;
    scheduler.add(cron("0 9 * * MON-FRI").run(report).id("report"))?;
    scheduler.start()?;
    let server = matins::web::serve(&scheduler.handle(), &address)?;
    println!("open http://{} in a browser", server.address());

    let handle = scheduler.handle();
    handle.shutdown_on_signals(Shutdown::Now)?;
    handle.wait_until_shut_down();
    Ok(())
}

fn report(context: &TaskContext) {
    context.log(format_args!("the report of {}", context.scheduled));
}
// ANCHOR_END: program
