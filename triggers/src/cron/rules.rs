//! The fields: their values and names, and what is particular to the form that an expression is written in.

use super::YEARS;
use super::search::bits;

/// How an expression is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Five to seven fields, as in crontab(5).
    Crontab,
    /// Six or seven fields, as Quartz reads them.
    Quartz,
    /// Fields by name, as in `APScheduler`.
    Named,
}

/// The values and names of a field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) form: Form,
    pub(super) name: &'static str,
    pub(super) min: u32,
    pub(super) max: u32,
    /// The last value of `*`. It is less than `max` where Sunday has two numbers.
    pub(super) star_max: u32,
    /// Whether a range may go over the end of the field: `FRI-MON`.
    pub(super) wraps: bool,
    pub(super) names: Option<&'static Names>,
    /// The value of the first name.
    first_name: u32,
    /// The value of Sunday, in a field of weekdays.
    sunday: Option<u32>,
    /// What the field takes besides values, for messages: `L, LW`.
    pub(super) more: &'static str,
}

/// The names of months or weekdays.
#[derive(Debug)]
pub(super) struct Names {
    /// Three letters, in the order of their values.
    pub(super) short: &'static [&'static str],
    /// Longer names, with their place in `short`.
    pub(super) long: &'static [(&'static str, u32)],
    /// The first and the last one, for messages.
    pub(super) range: &'static str,
}

pub(super) const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
pub(super) const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const MONTH_NAMES: Names = Names {
    short: &MONTHS,
    long: &[
        ("JANUARY", 0),
        ("FEBRUARY", 1),
        ("MARCH", 2),
        ("APRIL", 3),
        ("JUNE", 5),
        ("JULY", 6),
        ("AUGUST", 7),
        ("SEPT", 8),
        ("SEPTEMBER", 8),
        ("OCTOBER", 9),
        ("NOVEMBER", 10),
        ("DECEMBER", 11),
    ],
    range: "JAN to DEC",
};
const WEEKDAY_NAMES: Names = Names { range: "SUN to SAT", ..ISO_WEEKDAY_NAMES };
const ISO_WEEKDAY_NAMES: Names = Names {
    short: &WEEKDAYS,
    long: &[
        ("SUNDAY", 0),
        ("MONDAY", 1),
        ("TUES", 2),
        ("TUESDAY", 2),
        ("WEDS", 3),
        ("WEDNESDAY", 3),
        ("THUR", 4),
        ("THURS", 4),
        ("THURSDAY", 4),
        ("FRIDAY", 5),
        ("SATURDAY", 6),
    ],
    range: "MON to SUN",
};

const fn plain(name: &'static str, min: u32, max: u32) -> Rules {
    Rules {
        form: Form::Crontab,
        name,
        min,
        max,
        star_max: max,
        wraps: false,
        names: None,
        first_name: 0,
        sunday: None,
        more: "",
    }
}

const fn named(rules: Rules) -> Rules {
    Rules { form: Form::Named, ..rules }
}

const fn quartz(rules: Rules) -> Rules {
    Rules { form: Form::Quartz, wraps: true, ..rules }
}

const SECOND: Rules = plain("second", 0, 59);
const MINUTE: Rules = plain("minute", 0, 59);
const HOUR: Rules = plain("hour", 0, 23);
const DAY: Rules = Rules { more: "L, L-3, 15W, LW, ?, ", ..plain("day of month", 1, 31) };
const MONTH: Rules = Rules { names: Some(&MONTH_NAMES), first_name: 1, ..plain("month", 1, 12) };
/// 0 and 7 are Sunday.
const WEEKDAY: Rules = Rules {
    star_max: 6,
    wraps: true,
    names: Some(&WEEKDAY_NAMES),
    sunday: Some(0),
    more: "FRI#2, FRIL, +FRI, ?, ",
    ..plain("day of week", 0, 7)
};
const YEAR: Rules = plain("year", *YEARS.start() as u32, *YEARS.end() as u32);
/// 1 is Sunday.
const QUARTZ_WEEKDAY: Rules = Rules {
    names: Some(&WEEKDAY_NAMES),
    first_name: 1,
    sunday: Some(1),
    more: "6#2, 6L, L, ?, ",
    ..quartz(plain("day of week", 1, 7))
};
/// 0 is Monday.
const ISO_WEEKDAY: Rules = Rules {
    wraps: true,
    names: Some(&ISO_WEEKDAY_NAMES),
    first_name: 6,
    sunday: Some(6),
    ..named(plain("day of week", 0, 6))
};

/// The rules of the fields of one form.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) second: Rules,
    pub(super) minute: Rules,
    pub(super) hour: Rules,
    pub(super) day: Rules,
    pub(super) month: Rules,
    pub(super) weekday: Rules,
    pub(super) year: Rules,
}

pub(super) static CRONTAB: Fields = Fields {
    second: SECOND,
    minute: MINUTE,
    hour: HOUR,
    day: DAY,
    month: MONTH,
    weekday: WEEKDAY,
    year: YEAR,
};

pub(super) static QUARTZ: Fields = Fields {
    second: quartz(SECOND),
    minute: quartz(MINUTE),
    hour: quartz(HOUR),
    day: quartz(DAY),
    month: quartz(MONTH),
    weekday: QUARTZ_WEEKDAY,
    year: Rules { wraps: false, ..quartz(YEAR) },
};

pub(super) static NAMED: Fields = Fields {
    second: named(SECOND),
    minute: named(MINUTE),
    hour: named(HOUR),
    day: Rules { more: "last, last fri, 2nd tue, ", ..named(DAY) },
    month: named(MONTH),
    weekday: ISO_WEEKDAY,
    year: named(YEAR),
};

/// The ISO 8601 week, which has fields by name only.
pub(super) static WEEK: Rules = named(plain("week", 1, 53));

impl Rules {
    /// Returns the value of a name, in any case.
    pub(super) fn named_value(&self, text: &str) -> Option<u32> {
        let position = self.names?.position(text)? + self.first_name;
        // Monday is the first of the ISO weekdays, and the second name.
        Some(if position > self.max { position - self.period() } else { position })
    }

    /// Returns the number of values that `*` stands for.
    pub(super) fn period(&self) -> u32 {
        self.star_max - self.min + 1
    }

    /// Returns a value of these rules as a weekday, 0 to 6 from Sunday.
    pub(super) fn weekday(&self, value: u32) -> u32 {
        (value + 14 - self.sunday.unwrap_or(0)) % 7
    }

    /// Returns values of these rules as bits 0 to 6 from Sunday.
    pub(super) fn weekdays(&self, values: u64) -> u8 {
        bits(values).fold(0, |set, value| set | 1 << self.weekday(value))
    }
}

impl Names {
    /// Returns the place of a name, in any case.
    fn position(&self, text: &str) -> Option<u32> {
        if text.len() == 3 {
            return self.short.iter().position(|name| name.eq_ignore_ascii_case(text)).map(|at| at as u32);
        }
        self.long.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, at)| *at)
    }

    /// Returns the three letters for a longer name.
    pub(super) fn short_of(text: &str) -> Option<&'static str> {
        [&WEEKDAY_NAMES, &MONTH_NAMES].into_iter().find_map(|names| {
            (text.len() > 3).then(|| names.position(text)).flatten().map(|at| names.short[at as usize])
        })
    }
}

/// Returns the field that a name belongs in.
pub(super) fn field_of_name(text: &str) -> Option<&'static str> {
    let is_in = |names: &Names| names.position(text).is_some();
    if is_in(&WEEKDAY_NAMES) { Some(WEEKDAY.name) } else { is_in(&MONTH_NAMES).then_some(MONTH.name) }
}

/// Whether a text is the name of a month or a weekday.
pub(super) fn is_name(text: &str) -> bool {
    field_of_name(text).is_some()
}
