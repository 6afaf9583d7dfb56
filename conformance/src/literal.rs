//! What a crontab expression means, read literally: slow, and obvious enough to check others against.
//!
//! The scan looks at every second (or minute) of real time, asks the zone what the clocks show, and compares the
//! numbers with the fields' texts. It shares no code with `matins-triggers`.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};
use matins_triggers::Zone;

/// The five fields of a crontab expression as lists of numbers; plain numbers, names, ranges, steps and lists only.
#[derive(Debug, Clone)]
pub struct LiteralCrontab {
    minutes: Vec<u32>,
    hours: Vec<u32>,
    days: Vec<u32>,
    months: Vec<u32>,
    weekdays: Vec<u32>,
    both_days: bool,
    fixed: bool,
}

impl LiteralCrontab {
    /// Reads five fields.
    ///
    /// # Panics
    /// When the expression is not of this plain form.
    pub fn new(expression: &str) -> Self {
        let fields: Vec<&str> = expression.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else { panic!("five fields: {expression}") };
        let months = "jan feb mar apr may jun jul aug sep oct nov dec";
        let weekdays = "sun mon tue wed thu fri sat";
        Self {
            minutes: numbers(minute, 0, 59, "", 0),
            hours: numbers(hour, 0, 23, "", 0),
            days: numbers(day, 1, 31, "", 0),
            months: numbers(month, 1, 12, months, 1),
            weekdays: numbers(weekday, 0, 7, weekdays, 0).into_iter().map(|day| day % 7).collect(),
            both_days: day.starts_with('*') || weekday.starts_with('*'),
            fixed: !minute.starts_with('*') && !hour.starts_with('*'),
        }
    }

    /// Whether the clocks' reading matches the fields.
    pub fn matches(&self, local: NaiveDateTime) -> bool {
        let day = self.days.contains(&local.day());
        let weekday = self.weekdays.contains(&local.weekday().num_days_from_sunday());
        local.second() == 0
            && self.minutes.contains(&local.minute())
            && self.hours.contains(&local.hour())
            && self.months.contains(&local.month())
            && if self.both_days { day && weekday } else { day || weekday }
    }

    /// The fires in `(after, until]`, by looking at every minute. Offsets must be whole minutes in that time.
    pub fn fires(&self, zone: Zone, after: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        scan(self.fixed, |local| self.matches(local), zone, after, until)
    }
}

/// Fields by name, in the plain form: lists of numbers, names, ranges and steps; no seconds.
#[derive(Debug, Clone)]
pub struct LiteralFields {
    /// Year, month, day, ISO week, day of week from Monday, hour, minute.
    fields: [Vec<u32>; 7],
    fixed: bool,
}

impl LiteralFields {
    /// Reads the values of year, month, day, week, day of week, hour and minute.
    ///
    /// # Panics
    /// When one is not of the plain form.
    pub fn new(texts: [&str; 7]) -> Self {
        let [year, month, day, week, weekday, hour, minute] = texts;
        let months = "jan feb mar apr may jun jul aug sep oct nov dec";
        Self {
            fields: [
                numbers(year, 1970, 9999, "", 0),
                numbers(month, 1, 12, months, 1),
                numbers(day, 1, 31, "", 0),
                numbers(week, 1, 53, "", 0),
                numbers(weekday, 0, 6, "mon tue wed thu fri sat sun", 0),
                numbers(hour, 0, 23, "", 0),
                numbers(minute, 0, 59, "", 0),
            ],
            fixed: !minute.starts_with('*') && !hour.starts_with('*'),
        }
    }

    /// Whether the clocks' reading matches all fields.
    pub fn matches(&self, local: NaiveDateTime) -> bool {
        let shown = [
            local.year() as u32,
            local.month(),
            local.day(),
            local.iso_week().week(),
            local.weekday().num_days_from_monday(),
            local.hour(),
            local.minute(),
        ];
        local.second() == 0 && self.fields.iter().zip(shown).all(|(field, shown)| field.contains(&shown))
    }

    /// The fires in `(after, until]`, by looking at every minute. Offsets must be whole minutes in that time.
    pub fn fires(&self, zone: Zone, after: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        scan(self.fixed, |local| self.matches(local), zone, after, until)
    }
}

fn scan(
    fixed: bool,
    matches: impl Fn(NaiveDateTime) -> bool,
    zone: Zone,
    after: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Vec<DateTime<Utc>> {
    let mut fires = Vec::new();
    // Begin two days early, to know what the clocks have shown before.
    let begin = after.timestamp().div_euclid(60) * 60 - 2 * 86_400;
    let mut instant = DateTime::from_timestamp(begin, 0).expect("an instant in range");
    let mut latest_shown = zone.local(instant);
    instant += TimeDelta::minutes(1);
    while instant <= until {
        let local = zone.local(instant);
        let change = local - zone.local(instant - TimeDelta::minutes(1)) - TimeDelta::minutes(1);
        if change.abs() >= TimeDelta::hours(3) {
            // A correction: what the clocks show now is all that counts.
            latest_shown = local - TimeDelta::minutes(1);
        }
        let fire = if fixed {
            // All readings that are new since the last look: one, in a gap many, in a second pass none.
            let mut reading = latest_shown + TimeDelta::minutes(1);
            let mut any = false;
            while reading <= local {
                any |= matches(reading);
                reading += TimeDelta::minutes(1);
            }
            any
        } else {
            matches(local)
        };
        latest_shown = latest_shown.max(local);
        if fire && instant > after {
            fires.push(instant);
        }
        instant += TimeDelta::minutes(1);
    }
    fires
}

/// The dates of a calendar trigger, one from the other: months are added again and again until the day exists (or the
/// month's last day stands for it), then days.
pub fn calendar_dates(
    start: NaiveDate,
    months: u32,
    days: u32,
    last_day: bool,
) -> impl Iterator<Item = NaiveDate> {
    let mut steps = 0;
    let mut date = start;
    std::iter::from_fn(move || {
        let answer = date;
        // Where no days are added, the day of the month stays that of the start.
        let (from, mut added) = if days == 0 { (start, steps) } else { (date, 0) };
        if months > 0 {
            loop {
                added += months;
                let clamped = from.checked_add_months(Months::new(added))?;
                if clamped.day() == from.day() || last_day {
                    date = clamped;
                    break;
                }
            }
        }
        steps = added;
        date = date.checked_add_days(Days::new(days.into()))?;
        Some(answer)
    })
}

fn numbers(field: &str, min: u32, max: u32, names: &str, first_name: u32) -> Vec<u32> {
    let number = |text: &str| -> u32 {
        let by_name = names.split_whitespace().position(|name| name.eq_ignore_ascii_case(text));
        by_name.map_or_else(|| text.parse().expect("a number"), |position| position as u32 + first_name)
    };
    let mut found = Vec::new();
    for item in field.split(',') {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (number(first), number(last)),
            None if range == "*" => (min, max),
            None if item.contains('/') => (number(range), max),
            None => (number(range), number(range)),
        };
        // A star in the weekdays is Sunday to Saturday; 7 is only another name of 0.
        let last = if range == "*" && max == 7 { 6 } else { last };
        found.extend((first..=last).step_by(step.parse().expect("a step")));
    }
    found
}
