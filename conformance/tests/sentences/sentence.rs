//! Reads the English.

use std::collections::BTreeSet;

use super::{Day, Days, MONTHS, NTH, Set, Sets, WEEKDAYS, all, every_month, every_week, every_year, times};

/// Reads a sentence, word by word. Commas and "and" only separate.
struct Sentence<'a> {
    words: Vec<&'a str>,
    at: usize,
    /// The months that the days are said to be of: `None` is "the month".
    months_of_days: Vec<Option<u32>>,
    /// Whether the times are said to come in all hours that pass, rather than at local times.
    says_always: bool,
}

/// Returns the sets that a sentence speaks of, and whether it speaks of all hours that pass.
pub(super) fn read(text: &str) -> (Sets, bool) {
    let words = text.split_whitespace().map(|word| word.trim_end_matches(',')).filter(|word| *word != "and");
    let mut sentence =
        Sentence { words: words.collect(), at: 0, months_of_days: Vec::new(), says_always: false };
    (sentence.sets(text), sentence.says_always)
}

impl<'a> Sentence<'a> {
    fn sets(&mut self, text: &str) -> Sets {
        let times = self.times();
        let days = self.days();
        let of_month = self.months_of_days.first().copied().flatten();
        assert!(self.months_of_days.iter().all(|month| *month == of_month), "one month of all days: {text}");
        let mut sets = Sets { times, days, weeks: every_week(), months: every_month(), years: every_year() };
        let only = self.next_is("only");
        let has_plain_weekdays = |days: &BTreeSet<Day>| days.iter().any(|day| matches!(day, Day::Weekday(_)));
        match &sets.days {
            Days::Either(dates, weekdays) => {
                assert!(
                    only || self.is_at_end(),
                    "what follows \"or\" concerns what is before it too: {text}"
                );
                let of_all = !has_plain_weekdays(dates) && !has_plain_weekdays(weekdays);
                assert!(of_month.is_none() || of_all, "the month of one is not that of the other: {text}");
            }
            Days::Of(days) => {
                let of_all = !has_plain_weekdays(days);
                assert!(of_month.is_none() || of_all, "weekdays of a month are said to be so: {text}");
            }
            _ => {}
        }
        while self.next_is("in") {
            if self.next_is("ISO") {
                assert!(self.next_is("week") || self.next_is("weeks"));
                sets.weeks = self.ranges(|word| word.parse().ok());
            } else if self.peek().is_some_and(|word| MONTHS.contains(&word)) {
                sets.months = self.ranges(month);
            } else {
                sets.years = self.years();
            }
        }
        if let Some(month) = of_month {
            assert_eq!(sets.months, every_month(), "months are said once: {text}");
            sets.months = [month].into();
        }
        assert!(self.is_at_end(), "{:?} is left of {text}", &self.words[self.at..]);
        sets
    }

    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    fn is_at_end(&self) -> bool {
        self.at == self.words.len()
    }

    fn word(&mut self) -> &'a str {
        let word = self.peek().unwrap_or_else(|| panic!("{:?} ends too soon", self.words));
        self.at += 1;
        word
    }

    /// Takes these words, if they come next.
    fn next_is(&mut self, words: &str) -> bool {
        let words: Vec<&str> = words.split(' ').collect();
        let is_next = self.words[self.at..].starts_with(&words);
        self.at += if is_next { words.len() } else { 0 };
        is_next
    }

    fn expect(&mut self, words: &str) {
        assert!(self.next_is(words), "{words:?} is expected: {:?}", &self.words[self.at..]);
    }

    /// Reads `1 3 to 5 9`, as far as the words are values.
    fn ranges(&mut self, value: impl Fn(&str) -> Option<u32>) -> Set {
        let mut set = Set::new();
        while let Some(first) = self.peek().and_then(&value) {
            self.at += 1;
            if self.next_is("to") {
                let last = value(self.word()).expect("the end of a range");
                set.extend(first..=last);
            } else {
                set.insert(first);
            }
        }
        assert!(!set.is_empty(), "values are expected: {:?}", &self.words[self.at..]);
        set
    }

    fn numbers(&mut self) -> Set {
        self.ranges(|word| word.parse().ok())
    }

    fn times(&mut self) -> Vec<bool> {
        if self.next_is("every") {
            return self.every();
        }
        self.expect("at");
        if self.next_is("second") || self.next_is("the seconds") {
            let seconds = self.numbers();
            self.expect("of");
            return self.of_minutes(&seconds);
        }
        if self.peek().is_some_and(|word| word.contains(':')) {
            let mut times = vec![false; 86_400];
            while let Some(second) = self.peek().and_then(clock) {
                self.at += 1;
                times[second as usize] = true;
            }
            self.next_is("every day");
            return times;
        }
        let minutes = self.numbers();
        assert!(self.next_is("minute") || self.next_is("minutes"));
        self.expect("past");
        times(&self.hours(), &minutes, &all(0..=0))
    }

    /// What follows `every`: a unit, or a number and units.
    fn every(&mut self) -> Vec<bool> {
        let step = self.peek().and_then(|word| word.parse::<u32>().ok());
        self.at += usize::from(step.is_some());
        let step = step.unwrap_or(1);
        let unit = self.word().trim_end_matches('s');
        let (seconds, range) = match unit {
            "second" => (1, 60),
            "minute" => (60, 60),
            "hour" => (3600, 24),
            _ => panic!("{unit} is no unit"),
        };
        if self.next_is("from") {
            let first = clock(self.word()).expect("a time");
            self.expect("to");
            let last = clock(self.word()).expect("a time");
            let mut times = vec![false; 86_400];
            (first..=last)
                .step_by((step * seconds) as usize)
                .for_each(|second| times[second as usize] = true);
            return times;
        }
        assert_eq!(range % step, 0, "evenly through the whole range");
        let values: Set = (0..range).step_by(step as usize).collect();
        let (zero, every_hour) = (all(0..=0), all(0..=23));
        let is_limited = self.next_is("of");
        self.says_always = !is_limited;
        match (unit, is_limited) {
            ("second", true) => self.of_minutes(&values),
            ("second", false) => times(&every_hour, &all(0..=59), &values),
            ("minute", true) => times(&self.hours(), &values, &zero),
            ("minute", false) => times(&every_hour, &values, &zero),
            _ => times(&values, &zero, &zero),
        }
    }

    /// These seconds of minutes that are listed, or of minutes and hours.
    fn of_minutes(&mut self, seconds: &Set) -> Vec<bool> {
        if self.words.get(self.at + 2).is_some_and(|word| word.contains(':'))
            && (self.next_is("the minute") || self.next_is("the minutes"))
        {
            let mut times = vec![false; 86_400];
            while let Some(minute) = self.peek().and_then(clock) {
                self.at += 1;
                for second in seconds {
                    times[(minute + second) as usize] = true;
                }
            }
            return times;
        }
        let minutes = if self.next_is("every minute") {
            all(0..=59)
        } else if self.next_is("every") {
            let step = ordinal(self.word()).expect("a step");
            self.expect("minute");
            (0..60).step_by(step as usize).collect()
        } else {
            assert!(self.next_is("minute") || self.next_is("the minutes"));
            self.numbers()
        };
        let hours = if self.next_is("of") { self.hours() } else { self.all_hours() };
        times(&hours, &minutes, seconds)
    }

    fn hours(&mut self) -> Set {
        if self.next_is("every hour") {
            return self.all_hours();
        }
        if self.next_is("every") {
            let step = ordinal(self.word()).expect("a step");
            self.expect("hour from 00:00");
            return (0..24).step_by(step as usize).collect();
        }
        if self.next_is("the hours") {
            return self.numbers();
        }
        self.expect("the hour");
        match self.peek().and_then(|word| word.parse::<u32>().ok()) {
            Some(_) => self.numbers(),
            None => self.all_hours(),
        }
    }

    fn all_hours(&mut self) -> Set {
        self.says_always = true;
        all(0..=23)
    }

    fn days(&mut self) -> Days {
        if !self.next_is("on") {
            return Days::Every;
        }
        let days = self.some_days();
        if self.next_is("or on") {
            return Days::Either(days, self.some_days());
        }
        if self.next_is("but only on") { Days::Both(days, self.some_days()) } else { Days::Of(days) }
    }

    fn some_days(&mut self) -> BTreeSet<Day> {
        let mut days = BTreeSet::new();
        loop {
            if self.next_is("weekdays") {
                days.extend((1..=5).map(Day::Weekday));
            } else if self.next_is("weekends") {
                days.extend([0, 6].map(Day::Weekday));
            } else if let Some(day) = self.peek().and_then(|word| weekday(word.strip_suffix('s')?)) {
                self.at += 1;
                days.insert(Day::Weekday(day));
            } else if self.next_is("every") {
                let step = ordinal(self.word()).expect("a step");
                self.expect("day");
                self.of_month();
                self.expect("from the");
                let first = ordinal(self.word()).expect("a day");
                let last = if self.next_is("to the") { ordinal(self.word()).expect("a day") } else { 31 };
                days.extend((first..=last).step_by(step as usize).map(Day::Date));
            } else if self.next_is("the") {
                self.the_days(&mut days);
            } else {
                break;
            }
        }
        assert!(!days.is_empty(), "days are expected: {:?}", &self.words[self.at..]);
        days
    }

    /// What follows `the`.
    fn the_days(&mut self, days: &mut BTreeSet<Day>) {
        if self.next_is("weekday nearest the") {
            let day = self.before_last().map(Day::NearestWeekdayBeforeLast);
            days.insert(day.unwrap_or_else(|| Day::NearestWeekday(ordinal(self.word()).expect("a day"))));
        } else if self.next_is("last weekday") {
            days.insert(Day::NearestWeekdayBeforeLast(0));
        } else if let Some(back) = self.before_last() {
            days.insert(Day::BeforeLast(back));
        } else if self.next_is("last") {
            days.insert(Day::Last(weekday(self.word()).expect("a weekday")));
        } else if let Some(nth) = self.peek().and_then(|word| NTH.iter().position(|nth| *nth == word)) {
            self.at += 1;
            days.insert(Day::Nth(weekday(self.word()).expect("a weekday"), nth as u32 + 1));
        } else {
            days.extend(self.ranges(ordinal).into_iter().map(Day::Date));
        }
        self.of_month();
    }

    /// Reads `last day`, `day before the last day` or `3rd day before the last day`.
    fn before_last(&mut self) -> Option<u32> {
        if self.next_is("last day") {
            return Some(0);
        }
        if self.next_is("day before the last day") {
            return Some(1);
        }
        let back = self.peek().and_then(ordinal)?;
        self.at += 1;
        if self.next_is("day before the last day") {
            return Some(back);
        }
        self.at -= 1;
        None
    }

    fn of_month(&mut self) {
        self.expect("of");
        let month = if self.next_is("the month") { None } else { Some(month(self.word()).expect("a month")) };
        self.months_of_days.push(month);
    }

    fn years(&mut self) -> Set {
        let year = |word: &str| word.parse::<u32>().ok().filter(|year| *year >= 1970);
        let mut set = Set::new();
        loop {
            if self.peek().and_then(year).is_some() {
                set.extend(self.ranges(year));
            } else if self.next_is("every") {
                let step = if self.next_is("year") {
                    1
                } else {
                    let step = ordinal(self.word()).expect("a step");
                    self.expect("year");
                    step
                };
                self.expect("from");
                let first = year(self.word()).expect("a year");
                let last = if self.next_is("on") {
                    9999
                } else {
                    self.expect("to");
                    year(self.word()).expect("a year")
                };
                set.extend((first..=last).step_by(step as usize));
            } else {
                return set;
            }
        }
    }
}

fn month(word: &str) -> Option<u32> {
    MONTHS.iter().position(|month| *month == word).map(|position| position as u32 + 1)
}

fn weekday(word: &str) -> Option<u32> {
    WEEKDAYS.iter().position(|weekday| *weekday == word).map(|position| position as u32)
}

fn ordinal(word: &str) -> Option<u32> {
    ["st", "nd", "rd", "th"].iter().find_map(|ending| word.strip_suffix(ending)?.parse().ok())
}

/// Reads `09:30` or `09:30:15` as a second of the day.
fn clock(word: &str) -> Option<u32> {
    let mut parts = word.split(':').map(str::parse::<u32>);
    let (hour, minute) = (parts.next()?.ok()?, parts.next()?.ok()?);
    let second = parts.next().map_or(Some(0), Result::ok)?;
    Some((hour * 60 + minute) * 60 + second)
}
