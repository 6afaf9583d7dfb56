//! Trigger from text.
// says: `&str` cannot be used as a trigger
// says: a cron expression goes into `cron(...)`, a date into `at(...)`, a duration into `every(...)`

use matins::prelude::*;

fn main() {
    let _ = every(1.hours()).or("0 9 * * *");
}
