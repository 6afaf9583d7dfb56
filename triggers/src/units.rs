//! Durations as a person says them: `3.seconds()`, `90.minutes()`.

use chrono::TimeDelta;

/// Durations as a person says them, on every integer type: `3.seconds()`, `90.minutes()`, `2u64.hours()`.
///
/// One that is too long for chrono (292 million years) becomes the longest or the shortest that chrono can hold. Whatever takes a
/// duration refuses such a one with an error, and a negative one too.
///
/// ```
/// use chrono::TimeDelta;
/// use matins_triggers::TimeUnits;
///
/// assert_eq!(90.minutes(), TimeDelta::minutes(90));
/// assert_eq!(2u64.hours(), 120u8.minutes());
/// assert_eq!(1.days(), 24.hours());
/// assert_eq!(1.weeks(), 7.days());
/// assert_eq!(1_500.milliseconds(), 1_500_000.microseconds());
/// assert_eq!(30u8.seconds() + 1.minutes(), TimeDelta::seconds(90));
/// assert_eq!(u64::MAX.weeks(), TimeDelta::MAX);
/// ```
pub trait TimeUnits: Sized {
    /// Returns that many microseconds.
    fn microseconds(self) -> TimeDelta;
    /// Returns that many milliseconds.
    fn milliseconds(self) -> TimeDelta;
    /// Returns that many seconds.
    fn seconds(self) -> TimeDelta;
    /// Returns that many minutes.
    fn minutes(self) -> TimeDelta;
    /// Returns that many hours.
    fn hours(self) -> TimeDelta;
    /// Returns that many times 24 hours.
    fn days(self) -> TimeDelta;
    /// Returns that many times 7 days of 24 hours.
    fn weeks(self) -> TimeDelta;
}

/// So many times so many microseconds.
fn times(count: i128, microseconds: i128) -> TimeDelta {
    const SECOND: i128 = 1_000_000;
    let total = count.saturating_mul(microseconds);
    let (seconds, rest) = (total.div_euclid(SECOND), total.rem_euclid(SECOND) as u32 * 1000);
    let most = if total < 0 { TimeDelta::MIN } else { TimeDelta::MAX };
    i64::try_from(seconds).ok().and_then(|seconds| TimeDelta::new(seconds, rest)).unwrap_or(most)
}

macro_rules! time_units {
    ($($integer:ty),*) => {$(
        // `usize` has no `From`, and all fit.
        #[allow(clippy::cast_lossless)]
        impl TimeUnits for $integer {
            fn microseconds(self) -> TimeDelta {
                times(self as i128, 1)
            }

            fn milliseconds(self) -> TimeDelta {
                times(self as i128, 1_000)
            }

            fn seconds(self) -> TimeDelta {
                times(self as i128, 1_000_000)
            }

            fn minutes(self) -> TimeDelta {
                times(self as i128, 60_000_000)
            }

            fn hours(self) -> TimeDelta {
                times(self as i128, 3_600_000_000)
            }

            fn days(self) -> TimeDelta {
                times(self as i128, 86_400_000_000)
            }

            fn weeks(self) -> TimeDelta {
                times(self as i128, 604_800_000_000)
            }
        }
    )*};
}

time_units!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_integer_type_counts_units_and_none_panics() {
        assert_eq!(30.seconds(), TimeDelta::seconds(30));
        assert_eq!(30u8.seconds(), 30usize.seconds());
        assert_eq!((-1).milliseconds(), TimeDelta::milliseconds(-1));
        assert_eq!((-1_500_000).microseconds(), TimeDelta::milliseconds(-1_500));
        assert_eq!(u32::MAX.weeks(), TimeDelta::weeks(u32::MAX.into()));
        for longest in [u64::MAX.seconds(), u64::MAX.weeks(), i64::MAX.days(), usize::MAX.hours()] {
            assert_eq!(longest, TimeDelta::MAX);
        }
        assert_eq!(i64::MIN.weeks(), TimeDelta::MIN);
        assert_eq!(i64::MIN.seconds(), TimeDelta::MIN);
    }
}
