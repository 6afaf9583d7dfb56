//! Task of arguments without serde.
// says: `fn(Mail) {send}` cannot be a task
// says: it needs `serde::Deserialize`

use matins::prelude::*;

struct Mail;

fn send(_: Mail) {}

fn add(scheduler: &matins::Handle) -> Result<(), Box<dyn std::error::Error>> {
    scheduler.register("send", send)?;
    scheduler.add(every(1.hours()).run(send))?;
    Ok(())
}

fn main() {
    let _ = add;
}
