//! A trigger: when the salary is paid.

use chrono::{
    DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, Utc, Weekday,
};
use matins_core::Trigger;
use serde::{Deserialize, Serialize};

/// Fires on the last weekday of each month, at a time of day in UTC.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Payday {
    time: NaiveTime,
}

impl Payday {
    /// Returns the trigger that fires at this time of day.
    pub fn at(time: NaiveTime) -> Self {
        Self { time }
    }

    /// Returns the payday of the month of `date`, or `None` at the end of the
    /// calendar.
    fn of_month(&self, date: NaiveDate) -> Option<DateTime<Utc>> {
        let mut day =
            date.with_day(1)?.checked_add_months(Months::new(1))?.pred_opt()?;
        while matches!(day.weekday(), Weekday::Sat | Weekday::Sun) {
            day = day.checked_sub_days(Days::new(1))?;
        }
        Some(day.and_time(self.time).and_utc())
    }
}

#[typetag::serde(name = "payday")]
impl Trigger for Payday {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let this_month = after.date_naive().with_day(1)?;
        let months =
            [this_month, this_month.checked_add_months(Months::new(1))?];
        months.into_iter().find_map(|month| {
            self.of_month(month).filter(|payday| *payday > after)
        })
    }

    fn describe(&self) -> String {
        format!(
            "on the last weekday of each month at {} UTC",
            self.time.format("%H:%M")
        )
    }
}
