//! The fire of a calendar trigger before an instant.

use chrono::{NaiveDate, NaiveDateTime};

use super::{CalendarTrigger, LAST_YEAR, month_number};

impl CalendarTrigger {
    /// The last local time before `shown` that it names.
    pub(super) fn previous_local(&self, shown: NaiveDateTime) -> Option<NaiveDateTime> {
        if self.is_mixed() {
            return self.previous_mixed(shown);
        }
        let last = NaiveDate::from_ymd_opt(LAST_YEAR, 12, 31)?;
        let around = shown.date().min(self.builder.end.map_or(last, |end| end.min(last)));
        let periods = if self.months == 0 {
            (around - self.builder.start).num_days() / i64::from(self.days.max(1))
        } else {
            (month_number(around) - month_number(self.builder.start)) / i64::from(self.months)
        };
        // Some days do not exist, and the first date may lie after the last one that is asked for.
        (0..=periods).rev().filter_map(|number| self.local(self.date(number)?)).find(|local| *local < shown)
    }

    /// The same where each date depends on the one before: the walk begins at the first, as it does for the next one.
    fn previous_mixed(&self, shown: NaiveDateTime) -> Option<NaiveDateTime> {
        let mut last = None;
        let mut date = self.builder.start;
        while let Some(local) = self.local(date).filter(|local| *local < shown) {
            last = Some(local);
            let Some(next) = self.date_after(date) else { break };
            date = next;
        }
        last
    }
}
