//! Waiting for the owner of a store to end, as in a deployment whose new process starts before the old one has ended.

use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use matins_core::{IntoDuration, StoreError};

/// How long to wait between two attempts.
const POLL: Duration = Duration::from_millis(100);

/// Opens a store, and waits at most `limit` for a process that owns it.
///
/// `open` is called until it returns something else than [`StoreError::Owned`], ten times a second, and once more when
/// `limit` is over. So each attempt does every check again: the store may have been moved, replaced or brought to another format
/// by its previous owner. The calling thread sleeps between the attempts; async code calls this in
/// `tokio::task::spawn_blocking`.
///
/// A store that this process has open itself is waited for in the same way.
///
/// # Errors
/// The first other error of `open`. If the store is still owned when `limit` is over, [`StoreError::Owned`] names the owner and says
/// how long was waited. [`StoreError::Backend`] if `limit` is negative.
///
/// ```
/// use std::time::Duration;
/// use matins_core::StoreError;
/// use matins_store_owner::{Owner, wait_for_owner};
///
/// let directory = tempfile::tempdir().unwrap();
/// let (store, file) = (directory.path().join("jobs"), directory.path().join("jobs-owner"));
/// let first = Owner::take(&store, &file).unwrap();
/// let error = wait_for_owner(Duration::from_millis(1), || Owner::take(&store, &file)).unwrap_err();
/// assert!(error.to_string().contains("; waited 1ms for it to end; "), "{error}");
/// drop(first);
/// wait_for_owner(Duration::from_secs(30), || Owner::take(&store, &file)).unwrap();
/// ```
pub fn wait_for_owner<T>(
    limit: impl IntoDuration,
    open: impl FnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    wait_for_owner_while(limit, |_| ControlFlow::Continue(()), open)
}

/// Does the same, and calls `waiting` before each pause with the error that names the owner. It may report the owner, or end the wait.
///
/// # Errors
/// As [`wait_for_owner`]. If `waiting` ends the wait, [`StoreError::Owned`] says how long it has been.
///
/// ```
/// use std::ops::ControlFlow;
/// use std::time::Duration;
/// use matins_store_owner::{Owner, wait_for_owner_while};
///
/// let directory = tempfile::tempdir().unwrap();
/// let (store, file) = (directory.path().join("jobs"), directory.path().join("jobs-owner"));
/// let mut first = Some(Owner::take(&store, &file).unwrap());
/// let end_the_first = |error: &_| {
///     println!("{error}; waiting for it");
///     first = None;
///     ControlFlow::Continue(())
/// };
/// wait_for_owner_while(Duration::from_secs(30), end_the_first, || Owner::take(&store, &file)).unwrap();
/// ```
pub fn wait_for_owner_while<T>(
    limit: impl IntoDuration,
    waiting: impl FnMut(&StoreError) -> ControlFlow<()>,
    open: impl FnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let limit = limit.into_duration().map_err(|source| StoreError::Backend {
        doing: "waiting for the owner of the store".to_owned(),
        source: source.into(),
    })?;
    repeat(&mut Elapsed(Instant::now()), limit, waiting, open)
}

/// The time since the first attempt, and a pause before the next.
trait Pauses {
    fn elapsed(&self) -> Duration;
    fn pause(&mut self, length: Duration);
}

/// By the monotonic clock: the wait does not change when the system's time is set.
struct Elapsed(Instant);

impl Pauses for Elapsed {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn pause(&mut self, length: Duration) {
        thread::sleep(length);
    }
}

fn repeat<T>(
    time: &mut impl Pauses,
    limit: Duration,
    mut waiting: impl FnMut(&StoreError) -> ControlFlow<()>,
    mut open: impl FnMut() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    loop {
        // Read before the attempt, so that the last one begins when the limit is over.
        let is_last = time.elapsed() >= limit;
        let error = match open() {
            Err(error @ StoreError::Owned { .. }) => error,
            opened => return opened,
        };
        if is_last || waiting(&error).is_break() {
            return Err(after(error, time.elapsed().min(limit)));
        }
        time.pause(limit.saturating_sub(time.elapsed()).min(POLL));
    }
}

/// The error, with the time that was waited.
fn after(error: StoreError, time: Duration) -> StoreError {
    match error {
        StoreError::Owned { path, owner, .. } => {
            StoreError::Owned { path, owner, waited: Some(time).filter(|waited| !waited.is_zero()) }
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time that passes in pauses alone.
    #[derive(Default)]
    struct Simulated {
        elapsed: Duration,
        pauses: Vec<Duration>,
    }

    impl Pauses for Simulated {
        fn elapsed(&self) -> Duration {
            self.elapsed
        }

        fn pause(&mut self, length: Duration) {
            self.elapsed += length;
            self.pauses.push(length);
        }
    }

    fn owned(owner: &str) -> StoreError {
        StoreError::Owned { path: "jobs".into(), owner: owner.to_owned(), waited: None }
    }

    fn go_on(_: &StoreError) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    #[test]
    fn the_store_is_opened_when_its_owner_has_ended() {
        let mut time = Simulated::default();
        let mut attempts = 0;
        let opened = repeat(&mut time, Duration::from_secs(30), go_on, || {
            attempts += 1;
            if attempts < 4 { Err(owned("the first")) } else { Ok(attempts) }
        });
        assert_eq!(opened.unwrap(), 4);
        assert_eq!(time.pauses, [POLL; 3]);
    }

    #[test]
    fn it_gives_up_at_the_limit_and_names_the_owner_of_that_moment() {
        let mut time = Simulated::default();
        let limit = POLL * 2 + POLL / 2;
        let mut owners = ["first", "second", "third", "fourth"].into_iter();
        let error = repeat(&mut time, limit, go_on, || Err::<(), _>(owned(owners.next().unwrap())));
        assert_eq!(time.pauses, [POLL, POLL, POLL / 2], "the last attempt is at the limit");
        let expected = "jobs belongs to another scheduler: fourth; waited 250ms for it to end; \
                        stop that one first, or use another store";
        assert_eq!(error.unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_limit_of_zero_is_one_attempt_that_did_not_wait() {
        let mut time = Simulated::default();
        let error = repeat(&mut time, Duration::ZERO, go_on, || Err::<(), _>(owned("the first")));
        assert!(matches!(error, Err(StoreError::Owned { waited: None, .. })), "{error:?}");
        assert_eq!(time.pauses, []);
    }

    /// What the earlier owner left may be refused: waiting does not help.
    #[test]
    fn any_other_error_ends_the_wait() {
        let mut time = Simulated::default();
        let later = || StoreError::TooNew { path: "jobs".into(), found: 9, known: 8 };
        let mut attempts = [Err::<(), _>(owned("the first")), Err(later())].into_iter();
        let error = repeat(&mut time, Duration::from_secs(30), go_on, || attempts.next().unwrap());
        assert!(matches!(error, Err(StoreError::TooNew { .. })), "{error:?}");
    }

    #[test]
    fn the_caller_may_end_the_wait() {
        let mut time = Simulated::default();
        let mut told = 0;
        let stop_at_the_third = |error: &StoreError| {
            assert!(error.to_string().contains("the first"), "{error}");
            told += 1;
            if told == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let error = repeat(&mut time, Duration::from_secs(30), stop_at_the_third, || {
            Err::<(), _>(owned("the first"))
        });
        assert!(matches!(error, Err(StoreError::Owned { waited: Some(waited), .. }) if waited == POLL * 2));
    }

    #[test]
    fn a_negative_limit_is_refused_before_the_first_attempt() {
        let open = || -> Result<(), StoreError> { unreachable!("the limit was refused") };
        let error = wait_for_owner(chrono::TimeDelta::seconds(-1), open).unwrap_err();
        assert!(matins_core::error_chain(&error).contains("negative"), "{error}");
    }
}
