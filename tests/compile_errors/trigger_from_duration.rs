//! Trigger from duration.
// says: cannot be used as a trigger
// says: write `every(5.minutes())`, `cron("0 9 * * MON-FRI")`, `at("2026-12-24T18:00")`

use matins::prelude::*;

fn main() {
    let _ = 30.seconds().run(|| ());
}
