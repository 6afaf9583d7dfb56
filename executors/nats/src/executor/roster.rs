//! Which workers were heard, when, and what they have.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A worker that was silent so many times its `ack_wait` is lost.
const LOST_AFTER: u32 = 2;

/// The workers of a pool, by their signs of life.
#[derive(Debug)]
pub(super) struct Roster {
    ack_wait: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    workers: HashMap<String, Seen>,
    /// Our own sign of life came back last.
    own: Instant,
    /// Since then it has come back regularly: what was silent all that time was silent indeed.
    hears_since: Instant,
}

#[derive(Debug)]
struct Seen {
    at: Instant,
    runs: HashSet<String>,
}

/// What is known of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It was heard at this instant, and has the run or not.
    Alive { at: Instant, has_run: bool },
    /// It was not heard for a time that is not too long yet, or nothing can be heard here.
    Unknown,
    /// It is lost.
    Lost,
}

impl Roster {
    pub(super) fn new(ack_wait: Duration) -> Self {
        let now = Instant::now();
        let state = State { workers: HashMap::new(), own: now, hears_since: now };
        Self { ack_wait, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Our own sign of life has come back.
    pub(super) fn hear_own(&self, now: Instant) {
        let mut state = self.lock();
        if now.saturating_duration_since(state.own) > self.ack_wait {
            state.hears_since = now;
        }
        state.own = now;
    }

    pub(super) fn hear(&self, worker: &str, runs: Vec<String>, now: Instant) {
        let mut state = self.lock();
        state.workers.insert(worker.to_owned(), Seen { at: now, runs: runs.into_iter().collect() });
        // Those of processes that ended long ago.
        if state.workers.len() > 1_000 {
            let forget = self.ack_wait * (LOST_AFTER * 4);
            state.workers.retain(|_, seen| now.saturating_duration_since(seen.at) < forget);
        }
    }

    /// What is known of a worker, which has a run since some instant.
    pub(super) fn known(&self, worker: &str, run: &str, has_it_since: Instant, now: Instant) -> Known {
        let state = self.lock();
        let (since, limit) = (|at| now.saturating_duration_since(at), self.ack_wait * LOST_AFTER);
        let seen = state.workers.get(worker);
        if let Some(seen) = seen.filter(|seen| since(seen.at) <= self.ack_wait) {
            return Known::Alive { at: seen.at, has_run: seen.runs.contains(run) };
        }
        let hears = since(state.own) <= self.ack_wait;
        let silent_since = seen.map_or(has_it_since, |seen| seen.at.max(has_it_since)).max(state.hears_since);
        if hears && since(silent_since) > limit { Known::Lost } else { Known::Unknown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_only_while_something_can_be_heard() {
        let second = Duration::from_secs(1);
        let roster = Roster::new(second * 10);
        let begin = Instant::now();
        let at = |seconds: u32| begin + second * seconds;
        for seconds in 0..=15 {
            roster.hear_own(at(seconds));
        }
        roster.hear("a", vec!["1".into()], at(5));
        assert_eq!(roster.known("a", "1", begin, at(15)), Known::Alive { at: at(5), has_run: true });
        assert_eq!(roster.known("a", "2", begin, at(15)), Known::Alive { at: at(5), has_run: false });
        assert_eq!(roster.known("a", "1", begin, at(24)), Known::Unknown);
        // We hear nothing ourselves.
        assert_eq!(roster.known("a", "1", begin, at(40)), Known::Unknown);
        // Nor have we heard it, had it said something.
        roster.hear_own(at(41));
        assert_eq!(roster.known("a", "1", begin, at(41)), Known::Unknown);
        for seconds in 42..=62 {
            roster.hear_own(at(seconds));
        }
        assert_eq!(roster.known("a", "1", begin, at(61)), Known::Unknown);
        assert_eq!(roster.known("a", "1", begin, at(62)), Known::Lost);
        // One that was never heard, and has it for long or not.
        assert_eq!(roster.known("b", "1", at(50), at(62)), Known::Unknown);
        assert_eq!(roster.known("b", "1", begin, at(62)), Known::Lost);
        roster.hear("a", vec![], at(62));
        assert_eq!(roster.known("a", "1", begin, at(63)), Known::Alive { at: at(62), has_run: false });
    }
}
