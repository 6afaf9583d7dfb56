//! Trigger of another type.
// says: `Mine` cannot be used as a trigger
// says: or pass a value whose type implements `Trigger`
// says: `Mine` is not a trigger
// says: put `#[typetag::serde(name = "...")]` on the `impl`

use matins::prelude::*;

struct Mine;

fn main() {
    let _ = Mine.run(|| ());
    let _: Box<dyn matins::Trigger> = Box::new(Mine);
}
