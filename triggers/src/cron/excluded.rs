//! Says which fields of an expression keep a local time out.

use std::fmt::{self, Display, Formatter};

use chrono::{Datelike, NaiveDateTime, Timelike};

use super::search::Year;
use super::{CronExpression, DayRule};

/// A field of an expression that a local time is not in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExcludedBy {
    /// `second`, `minute`, `hour`, `day of month`, `month`, `day of week`, `year`, `week`; or `day`, where the two fields of
    /// days are asked together.
    pub field: &'static str,
    /// What the time has there: `7`, `Saturday`.
    pub value: String,
    /// What the field allows, as it is written: `*/5`, `MON-FRI`.
    pub allowed: String,
}

impl Display for ExcludedBy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} is not in {}", self.field, self.value, self.allowed)
    }
}

impl CronExpression {
    /// The fields that keep a local time from matching; none where it matches.
    ///
    /// Fractions of a second are left out of account. Where both day fields must match, or one of them is enough, they are
    /// told as one.
    ///
    /// ```
    /// let working_days: matins_triggers::CronExpression = "0 9 * * MON-FRI".parse().unwrap();
    /// let saturday = "2026-11-28T09:30:00".parse().unwrap();
    /// let fields: Vec<String> = working_days.excluded_by(saturday).iter().map(ToString::to_string).collect();
    /// assert_eq!(fields, ["minute 30 is not in 0", "day of week Saturday is not in MON-FRI"]);
    /// ```
    pub fn excluded_by(&self, local: NaiveDateTime) -> Vec<ExcludedBy> {
        // The fields' own texts, in crontab's order, whatever form the expression was given in.
        let text = Self { named: None, ..self.clone() }.to_string();
        let mut texts: Vec<&str> = text.split(' ').collect();
        if texts.len() == 5 {
            texts.insert(0, "0");
        }
        let allowed = |position: usize| texts.get(position).copied().unwrap_or("*").to_owned();
        let mut found = Vec::new();
        let mut check = |is_in: bool, field, value: String, allowed: String| {
            if !is_in {
                found.push(ExcludedBy { field, value, allowed });
            }
        };
        let has = |set: u64, value: u32| set >> value & 1 == 1;
        check(has(self.seconds, local.second()), "second", local.second().to_string(), allowed(0));
        check(has(self.minutes, local.minute()), "minute", local.minute().to_string(), allowed(1));
        check(has(self.hours.into(), local.hour()), "hour", local.hour().to_string(), allowed(2));
        check(has(self.months.into(), local.month()), "month", local.format("%B").to_string(), allowed(4));
        check(self.matches_year(local.year()), "year", local.year().to_string(), allowed(6));

        let year = Year::of(local.date());
        // Asked of the days alone: whatever the month's own field says.
        let any_month = Self { weeks: 0, months: 0b1_1111_1111_1110, ..self.clone() };
        let days = any_month.days_of(&year, local.month());
        let weekday = local.format("%A").to_string();
        let (field, value, of) = match self.day_rule {
            DayRule::DayOfWeek => ("day of week", weekday, allowed(5)),
            DayRule::Every | DayRule::DayOfMonth => ("day of month", local.day().to_string(), allowed(3)),
            DayRule::Both => (
                "day",
                local.format("%A %-d").to_string(),
                format!("{} and {}", allowed(3), allowed(5).trim_start_matches('+')),
            ),
            DayRule::Either => {
                ("day", local.format("%A %-d").to_string(), format!("{} or {}", allowed(3), allowed(5)))
            }
        };
        check(has(days.into(), local.day()), field, value, of);
        let week = local.iso_week().week();
        if self.weeks != 0 {
            let weeks: Vec<String> = super::search::bits(self.weeks).map(|week| week.to_string()).collect();
            check(has(self.weeks, week), "week", week.to_string(), weeks.join(","));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(expression: &str, local: &str) -> Vec<String> {
        let expression: CronExpression = expression.parse().unwrap();
        expression.excluded_by(local.parse().unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_matches_is_kept_out_by_nothing_and_the_other_way_round() {
        let start: NaiveDateTime = "2026-01-01T00:00:00".parse().unwrap();
        for text in
            ["*/5 * * * *", "0 9 * * MON-FRI", "0 0 13 * FRI", "0 0 13 * +FRI", "0 0 L 2 *", "0 0 * * SUN#2"]
        {
            let expression: CronExpression = text.parse().unwrap();
            let mut at = start;
            for _ in 0..50 {
                let next = expression.next_local(at).unwrap();
                assert!(expression.excluded_by(next).is_empty(), "{text} at {next}");
                let before = next - chrono::TimeDelta::seconds(1);
                assert!(!expression.excluded_by(before).is_empty(), "{text} at {before}");
                at = next;
            }
        }
    }

    #[test]
    fn each_field_is_told_by_name() {
        assert_eq!(fields("* * * * *", "2026-11-25T10:00:30"), ["second 30 is not in 0"]);
        assert_eq!(
            fields("*/15 8-17 * * *", "2026-11-25T18:07:00"),
            ["minute 7 is not in */15", "hour 18 is not in 8-17"]
        );
        assert_eq!(
            fields("0 0 1 JAN *", "2026-11-25T00:00:00"),
            ["month November is not in JAN", "day of month 25 is not in 1"]
        );
        assert_eq!(fields("0 0 13 * FRI", "2026-11-25T00:00:00"), ["day Wednesday 25 is not in 13 or FRI"]);
        assert_eq!(fields("0 0 13 * +FRI", "2026-11-13T00:00:00"), [""; 0]);
        assert_eq!(fields("0 0 0 1 1 * 2030", "2026-01-01T00:00:00"), ["year 2026 is not in 2030"]);
        assert_eq!(fields("hour=9 week=10", "2026-11-25T09:00:00"), ["week 48 is not in 10"]);
    }
}
