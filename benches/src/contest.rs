//! Several contenders measured in turn (A B C, A B C, and so on), so that drift of the machine meets all alike.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize};

/// A batch of calls that are timed together takes about so long.
const BATCH: Duration = Duration::from_millis(8);

/// What a contender got in its rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle one: half are at or above it.
    #[serde(deserialize_with = "or_infinite")]
    pub median: f64,
    /// The least.
    #[serde(deserialize_with = "or_infinite")]
    pub min: f64,
    /// The most.
    #[serde(deserialize_with = "or_infinite")]
    pub max: f64,
}

/// JSON has no infinity: it is written as null.
fn or_infinite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Option::deserialize(deserializer).map(|number| number.unwrap_or(f64::INFINITY))
}

impl Spread {
    /// Of these measurements.
    ///
    /// # Panics
    /// If nobody takes part.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { median: values[values.len() / 2], min: values[0], max: values[values.len() - 1] }
    }

    /// A value that was not measured, or only once.
    pub const fn exactly(value: f64) -> Self {
        Self { median: value, min: value, max: value }
    }

    /// Together with others of the same: the middle one of the medians, the least and the most of all.
    #[must_use]
    pub fn with(self, others: &[Self]) -> Self {
        let all = || others.iter().chain([&self]);
        let least = all().map(|spread| spread.min).fold(f64::INFINITY, f64::min);
        let most = all().map(|spread| spread.max).fold(f64::NEG_INFINITY, f64::max);
        Self { median: Self::of(all().map(|spread| spread.median).collect()).median, min: least, max: most }
    }

    /// In another unit.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { median: self.median * factor, min: self.min * factor, max: self.max * factor }
    }
}

/// Does a round, and answers with what it measured.
type Round<'a> = Box<dyn FnMut() -> f64 + 'a>;

/// Contenders for the same work.
#[derive(Default)]
pub struct Contest<'a> {
    contenders: Vec<(&'static str, Round<'a>)>,
}

impl<'a> Contest<'a> {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one whose `work` answers with what one round of it measured.
    #[must_use]
    pub fn with(mut self, name: &'static str, work: impl FnMut() -> f64 + 'a) -> Self {
        self.contenders.push((name, Box::new(work)));
        self
    }

    /// Each does one round that does not count, and then so many in turn.
    pub fn run(mut self, rounds: usize) -> Vec<(&'static str, Spread)> {
        for (_, work) in &mut self.contenders {
            work();
        }
        self.run_cold(rounds)
    }

    /// As [`run`](Self::run), without the round that does not count.
    pub fn run_cold(mut self, rounds: usize) -> Vec<(&'static str, Spread)> {
        let mut measured: Vec<Vec<f64>> = vec![Vec::new(); self.contenders.len()];
        for _ in 0..rounds.max(1) {
            for ((_, work), values) in self.contenders.iter_mut().zip(&mut measured) {
                values.push(work());
            }
        }
        let names = self.contenders.iter().map(|(name, _)| *name);
        names.zip(measured.into_iter().map(Spread::of)).collect()
    }
}

impl std::fmt::Debug for Contest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.contenders.iter().map(|(name, _)| name)).finish()
    }
}

/// A round that answers with the nanoseconds of a call, from a batch of calls.
pub fn nanos_a_call<T>(mut call: impl FnMut() -> T) -> impl FnMut() -> f64 {
    let mut batch = 1_u32;
    let mut is_sized = false;
    move || {
        let mut timed = |batch: u32| {
            let begun = Instant::now();
            for _ in 0..batch {
                black_box(call());
            }
            begun.elapsed()
        };
        while !is_sized {
            let time = timed(batch);
            is_sized = time >= BATCH / 2 || batch > 1 << 28;
            if !is_sized {
                batch *= 2;
            }
        }
        timed(batch).as_secs_f64() * 1e9 / f64::from(batch)
    }
}

/// How long `work` takes, in seconds.
pub fn seconds(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn contenders_take_turns_and_the_first_round_does_not_count() {
        let turns = RefCell::new(String::new());
        let contender = |name: char, mut values: Vec<f64>| {
            let turns = &turns;
            move || {
                turns.borrow_mut().push(name);
                values.remove(0)
            }
        };
        let contest = Contest::new()
            .with("a", contender('a', vec![99.0, 3.0, 1.0, 2.0]))
            .with("b", contender('b', vec![99.0, 5.0, 5.0, 7.0]));
        let a = Spread { median: 2.0, min: 1.0, max: 3.0 };
        let b = Spread { median: 5.0, min: 5.0, max: 7.0 };
        assert_eq!(contest.run(3), [("a", a), ("b", b)]);
        assert_eq!(*turns.borrow(), "abababab");
        assert_eq!(Spread::exactly(2.0).times(0.5), Spread::exactly(1.0));
        assert_eq!(a.with(&[b, Spread::exactly(3.0)]), Spread { median: 3.0, min: 1.0, max: 7.0 });
    }

    #[test]
    fn a_batch_grows_until_it_can_be_timed() {
        let mut calls = 0_u64;
        let mut round = nanos_a_call(|| calls += 1);
        let nanos = round();
        assert!(nanos >= 0.0);
        drop(round);
        assert!(calls > 1);
    }
}
