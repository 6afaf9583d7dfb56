//! Exercises of chapter 1: our solutions.

use chrono::{DateTime, TimeDelta, Utc};
use scheduler::run_loop::Clock;
use scheduler::trigger::Trigger;

#[path = "../../../tests/exercises_01.rs"]
mod tests;

/// Exercise 1: the fire times of another trigger, moved by a duration.
struct Shifted<T> {
    inner: T,
    by: TimeDelta,
}

impl<T: Trigger> Trigger for Shifted<T> {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let inner_after = after.checked_sub_signed(self.by)?;
        self.inner.next_after(inner_after)?.checked_add_signed(self.by)
    }
}

/// Exercise 2: the fire times of both. A fire time that both have is one.
struct Either<A, B>(A, B);

impl<A: Trigger, B: Trigger> Trigger for Either<A, B> {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let answers = [self.0.next_after(after), self.1.next_after(after)];
        answers.into_iter().flatten().min()
    }
}

/// Exercise 3: leaves out what was missed, except for the latest fire time.
///
/// It remembers the last fire time, and asks from the later one of that and
/// the current time. So a wait that ends early does not fire twice.
fn run_latest(
    trigger: &dyn Trigger,
    clock: &dyn Clock,
    until: DateTime<Utc>,
    mut task: impl FnMut(DateTime<Utc>),
) {
    let mut last = clock.now();
    while let Some(mut fire) = trigger.next_after(last) {
        if fire > until {
            break;
        }
        while clock.now() < fire {
            clock.sleep_until(fire);
        }
        while let Some(later) = trigger.next_after(fire)
            && later <= clock.now().min(until)
        {
            fire = later;
        }
        task(fire);
        last = fire;
    }
}
