//! The days of a month that a field matches, as bits 1 to 31, from the month's length and the weekday that it begins on.

use super::search::{all_days, bits};
use super::{DaysOfMonth, DaysOfWeek};

impl DaysOfMonth {
    pub(super) fn of_month(self, length: u32, first_weekday: u32) -> u32 {
        let mut days = self.days & all_days(length);
        if self.from_last | self.nearest_weekday | self.nearest_from_last != 0 {
            days |= self.by_arithmetic(length, first_weekday);
        }
        if self.by_weekday.nth != 0 || self.by_weekday.last != 0 {
            days |= self.by_weekday.by_arithmetic(length, first_weekday);
        }
        days
    }

    #[cold]
    fn by_arithmetic(self, length: u32, first_weekday: u32) -> u32 {
        let mut days = 0;
        for back in bits(u64::from(self.from_last)).filter(|back| *back < length) {
            days |= 1 << (length - back);
        }
        for day in bits(u64::from(self.nearest_weekday)).filter(|day| *day <= length) {
            days |= 1 << nearest_weekday(day, length, first_weekday);
        }
        for back in bits(u64::from(self.nearest_from_last)).filter(|back| *back < length) {
            days |= 1 << nearest_weekday(length - back, length, first_weekday);
        }
        days
    }
}

/// Monday to Friday nearest to `day`, without leaving the month.
fn nearest_weekday(day: u32, length: u32, first_weekday: u32) -> u32 {
    match (first_weekday + day - 1) % 7 {
        6 if day == 1 => 3,
        6 => day - 1,
        0 if day == length => day - 2,
        0 => day + 1,
        _ => day,
    }
}

impl DaysOfWeek {
    pub(super) fn of_month(self, length: u32, first_weekday: u32) -> u32 {
        // The week, begun on the month's first day, and repeated.
        let week = (u64::from(self.weekdays) >> first_weekday
            | u64::from(self.weekdays) << (7 - first_weekday))
            & 0x7f;
        let mut days = ((week * (1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28)) << 1) as u32 & all_days(length);
        if self.nth != 0 || self.last != 0 {
            days |= self.by_arithmetic(length, first_weekday);
        }
        days
    }

    #[cold]
    fn by_arithmetic(self, length: u32, first_weekday: u32) -> u32 {
        let mut days = 0;
        for bit in bits(self.nth) {
            let (weekday, nth) = (bit / 5, bit % 5);
            let day = 1 + (weekday + 7 - first_weekday) % 7 + 7 * nth;
            if day <= length {
                days |= 1 << day;
            }
        }
        let last_weekday = (first_weekday + length - 1) % 7;
        for weekday in bits(u64::from(self.last)) {
            days |= 1 << (length - (last_weekday + 7 - weekday) % 7);
        }
        days
    }
}
