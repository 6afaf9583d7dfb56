//! Writes an expression in one canonical form, which reads back as the same.

use std::fmt::{self, Display, Formatter};

use super::rules::{MONTHS, WEEKDAYS};
use super::search::bits;
use super::{CronExpression, DaysOfMonth, DaysOfWeek};

impl Display for CronExpression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(named) = &self.named {
            return f.write_str(named);
        }
        if self.seconds != 1 || self.years.is_some() {
            write!(f, "{} ", Set::with_free_star(self.seconds, 0, 59, &[]))?;
        }
        let minutes = Set { values: self.minutes, min: 0, max: 59, star: self.minute_star, names: &[] };
        let hours = Set { values: self.hours.into(), min: 0, max: 23, star: self.hour_star, names: &[] };
        let months = Set::with_free_star(self.months.into(), 1, 12, &MONTHS);
        let plus = if self.both_days && !self.days.star && !self.weekdays.star { "+" } else { "" };
        write!(f, "{minutes} {hours} {} {months} {plus}{}", self.days, self.weekdays)?;
        if let Some(years) = &self.years {
            for (position, years) in years.iter().enumerate() {
                f.write_str(if position == 0 { " " } else { "," })?;
                match (years.last - years.first, years.step) {
                    (0, _) => write!(f, "{}", years.first)?,
                    (_, 1) => write!(f, "{}-{}", years.first, years.last)?,
                    (_, step) => write!(f, "{}-{}/{step}", years.first, years.last)?,
                }
            }
        }
        Ok(())
    }
}

impl Display for DaysOfMonth {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut list = List { f, empty: true };
        if self.days != 0 || self.star {
            list.item(format_args!(
                "{}",
                Set { values: self.days.into(), min: 1, max: 31, star: self.star, names: &[] }
            ))?;
        }
        for back in bits(self.from_last.into()) {
            match back {
                0 => list.item(format_args!("L"))?,
                back => list.item(format_args!("L-{back}"))?,
            }
        }
        for day in bits(self.nearest_weekday.into()) {
            list.item(format_args!("{day}W"))?;
        }
        for back in bits(self.nearest_from_last.into()) {
            match back {
                0 => list.item(format_args!("LW"))?,
                back => list.item(format_args!("L-{back}W"))?,
            }
        }
        Ok(())
    }
}

impl Display for DaysOfWeek {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut list = List { f, empty: true };
        if self.weekdays != 0 || self.star {
            let set = Set { values: self.weekdays.into(), min: 0, max: 6, star: self.star, names: &WEEKDAYS };
            list.item(format_args!("{set}"))?;
        }
        for bit in bits(self.nth) {
            list.item(format_args!("{}#{}", WEEKDAYS[(bit / 5) as usize], bit % 5 + 1))?;
        }
        for weekday in bits(self.last.into()) {
            list.item(format_args!("{}L", WEEKDAYS[weekday as usize]))?;
        }
        Ok(())
    }
}

/// Items with commas between them.
struct List<'a, 'b> {
    f: &'a mut Formatter<'b>,
    empty: bool,
}

impl List<'_, '_> {
    fn item(&mut self, item: fmt::Arguments<'_>) -> fmt::Result {
        if !std::mem::replace(&mut self.empty, false) {
            self.f.write_str(",")?;
        }
        self.f.write_fmt(item)
    }
}

/// A field of plain values, in as few items as come easily.
struct Set {
    values: u64,
    min: u32,
    max: u32,
    /// Whether the text must begin with a star.
    star: bool,
    names: &'static [&'static str],
}

impl Set {
    /// A field where a star means no more than the values it stands for: seconds and months.
    fn with_free_star(values: u64, min: u32, max: u32, names: &'static [&'static str]) -> Self {
        let star = (1..=(max - min) / 2).any(|step| Self::progression(min, max, step) == values);
        Self { values, min, max, star, names }
    }

    /// `first`, `first + step`, ... up to `last`.
    fn progression(first: u32, last: u32, step: u32) -> u64 {
        (first..=last).step_by(step as usize).fold(0, |set, value| set | 1 << value)
    }

    fn value(&self, value: u32) -> Value {
        Value { value, name: self.names.get((value - self.min) as usize).copied() }
    }
}

struct Value {
    value: u32,
    name: Option<&'static str>,
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => f.write_str(name),
            None => self.value.fmt(f),
        }
    }
}

impl Display for Set {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut rest = self.values;
        let mut list = List { f, empty: true };
        if self.star {
            // The expression began with a star and some step, so one of these fits.
            let fits = |step: &u32| Self::progression(self.min, self.max, *step) & !self.values == 0;
            let step = (1..=self.max - self.min + 1).find(fits).unwrap_or(1);
            match step {
                1 => list.item(format_args!("*"))?,
                step => list.item(format_args!("*/{step}"))?,
            }
            rest &= !Self::progression(self.min, self.max, step);
        }
        while rest != 0 {
            let first = rest.trailing_zeros();
            let run = (rest >> first).trailing_ones();
            let gap = (rest & (rest - 1)).trailing_zeros().wrapping_sub(first);
            if run >= 3 {
                let last = first + run - 1;
                list.item(format_args!("{}-{}", self.value(first), self.value(last)))?;
                rest &= !Self::progression(first, last, 1);
                continue;
            }
            let in_set = |value: u32| value <= self.max && rest >> value & 1 == 1;
            let steps =
                if gap < 64 { (1..64).take_while(|k| in_set(first + k * gap)).count() as u32 } else { 0 };
            if gap > 1 && steps >= 3 {
                let last = first + steps * gap;
                list.item(format_args!("{}-{}/{gap}", self.value(first), self.value(last)))?;
                rest &= !Self::progression(first, last, gap);
            } else {
                list.item(format_args!("{}", self.value(first)))?;
                rest &= rest - 1;
            }
        }
        Ok(())
    }
}
