//! Trigger from result.
// says: a `Result` is not a trigger: add `?`

use matins::prelude::*;
use matins::triggers::CronTrigger;

fn main() {
    let _ = CronTrigger::parse("0 9 * * *", "Europe/Berlin").task("report");
}
