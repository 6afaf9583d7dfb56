//! Clock of another type.
// says: is not a clock
// says: the clocks of Matins are `SystemClock` and, for tests, `VirtualClock`

fn main() {
    let _ = matins::scheduler().clock(std::time::Instant::now());
}
