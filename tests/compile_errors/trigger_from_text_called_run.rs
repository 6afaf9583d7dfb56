// says: `String` cannot be used as a trigger
// says: a cron expression goes into `cron(...)`

use matins::prelude::*;

fn main() {
    let _ = "0 9 * * *".to_owned().run(|| ());
}
