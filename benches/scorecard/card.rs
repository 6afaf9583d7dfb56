//! What the scorecard says: rows by family, as a table for people and as JSON for programs.

use std::borrow::Cow;
use std::io::Write;

use anstyle::{AnsiColor, Style};
use matins_benches::contest::Spread;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

/// What a number counts, and which way is better.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit {
    pub(crate) name: &'static str,
    pub(crate) is_better_more: bool,
}

const fn less(name: &'static str) -> Unit {
    Unit { name, is_better_more: false }
}

pub(crate) const NANOS: Unit = less("ns");
pub(crate) const MICROS: Unit = less("µs");
pub(crate) const MILLIS: Unit = less("ms");
pub(crate) const SECONDS: Unit = less("s");
pub(crate) const BYTES: Unit = less("bytes");
pub(crate) const KIBIBYTES: Unit = less("KiB");
pub(crate) const COUNT: Unit = less("count");
pub(crate) const FIRES_A_SECOND: Unit = Unit { name: "fires/s", is_better_more: true };
pub(crate) const REQUESTS_A_SECOND: Unit = Unit { name: "requests/s", is_better_more: true };
pub(crate) const PERCENT: Unit = Unit { name: "%", is_better_more: true };
pub(crate) const LEASES: Unit = less("leases");

const UNITS: [Unit; 11] = [
    NANOS,
    MICROS,
    MILLIS,
    SECONDS,
    BYTES,
    KIBIBYTES,
    COUNT,
    FIRES_A_SECOND,
    REQUESTS_A_SECOND,
    PERCENT,
    LEASES,
];

impl Serialize for Unit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Unit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let unit = UNITS.into_iter().find(|unit| unit.name == name);
        unit.ok_or_else(|| D::Error::custom(format!("unknown unit {name:?}")))
    }
}

/// One measured work, beside one peer or limit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) work: String,
    pub(crate) unit: Unit,
    pub(crate) ours: Spread,
    pub(crate) peer: Option<(String, Spread)>,
    /// The ratio to reach.
    pub(crate) goal: Option<f64>,
    /// The reason, where it is known not to be reached.
    pub(crate) because: Option<Cow<'static, str>>,
}

impl Row {
    /// Above 1 where ours is better.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let theirs = self.peer.as_ref()?.1.median;
        let (better, worse) =
            if self.unit.is_better_more { (self.ours.median, theirs) } else { (theirs, self.ours.median) };
        // Nothing beside nothing is alike.
        let ratio = if better.to_bits() == worse.to_bits() { 1.0 } else { better / worse };
        Some(ratio).filter(|ratio| ratio.is_finite())
    }

    pub(crate) fn reached(&self) -> Option<bool> {
        let goal = self.goal?;
        // Nothing at all is better than whatever the peer needs.
        let ours_is_nothing = !self.unit.is_better_more && self.ours.median <= 0.0 && self.peer.is_some();
        Some(ours_is_nothing || self.ratio().is_some_and(|ratio| ratio >= goal))
    }

    fn to_json(&self, family: &str) -> Value {
        json!({
            "family": family,
            "work": self.work,
            "unit": self.unit.name,
            "ours": self.ours.median,
            "peer": self.peer.as_ref().map(|(name, _)| name),
            "peer_value": self.peer.as_ref().map(|(_, value)| value.median).filter(|value| value.is_finite()),
            "ratio": self.ratio(),
            "goal": self.goal,
            "reached": self.reached(),
        })
    }
}

/// Rows of one kind of work.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Family {
    pub(crate) name: Cow<'static, str>,
    /// What each side does, in a line.
    pub(crate) sides: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    pub(crate) rows: Vec<Row>,
}

impl Family {
    pub(crate) fn new(name: &'static str, sides: &[(&'static str, &'static str)]) -> Self {
        let sides = sides.iter().map(|(side, does)| (Cow::from(*side), Cow::from(*does))).collect();
        Self { name: name.into(), sides, rows: Vec::new() }
    }

    /// A row for each of ours' peers in what a contest measured; `goals` say by the peer's name what is to be reached.
    pub(crate) fn contest(
        &mut self,
        work: &str,
        unit: Unit,
        measured: &[(&'static str, Spread)],
        goals: &[(&str, f64)],
    ) {
        let Some(((_, ours), peers)) = measured.split_first() else { return };
        for (peer, theirs) in peers {
            let goal = goals.iter().find(|(name, _)| name == peer).map(|(_, goal)| *goal);
            self.versus(work, unit, *ours, peer, *theirs, goal);
        }
    }

    pub(crate) fn versus(
        &mut self,
        work: impl Into<String>,
        unit: Unit,
        ours: Spread,
        peer: &str,
        theirs: Spread,
        goal: Option<f64>,
    ) {
        let peer = Some((peer.to_owned(), theirs));
        self.rows.push(Row { work: work.into(), unit, ours, peer, goal, because: None });
    }

    /// Beside nobody.
    pub(crate) fn alone(&mut self, work: impl Into<String>, unit: Unit, ours: Spread) {
        self.rows.push(Row { work: work.into(), unit, ours, peer: None, goal: None, because: None });
    }

    /// Beside a limit that was set, not measured.
    pub(crate) fn at_most(&mut self, work: impl Into<String>, unit: Unit, ours: Spread, limit: f64) {
        self.versus(work, unit, ours, "the limit set", Spread::exactly(limit), Some(1.0));
    }

    /// Gives the last row the reason why its goal is not reached.
    pub(crate) fn because(&mut self, reason: &'static str) {
        if let Some(row) = self.rows.last_mut() {
            row.because = Some(reason.into());
        }
    }
}

/// All rows as an array, as `--json` writes it.
pub(crate) fn to_json(families: &[Family]) -> Value {
    families.iter().flat_map(|family| family.rows.iter().map(|row| row.to_json(&family.name))).collect()
}

/// Three digits that count.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => "-".to_owned(),
        0.0 => "0".to_owned(),
        ..1.0 => format!("{value:.3}"),
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        ..1e6 => {
            let digits = format!("{value:.0}");
            match digits.len() {
                4.. if !digits.starts_with('-') => {
                    let (front, back) = digits.split_at(digits.len() - 3);
                    format!("{front},{back}")
                }
                _ => digits,
            }
        }
        _ => format!("{:.2}M", value / 1e6),
    }
}

/// The cells of a row: work, ours, peer, theirs, ratio, goal, reached.
pub(crate) fn cells(row: &Row) -> [String; 7] {
    let spread = |spread: &Spread| {
        if spread.min.to_bits() == spread.max.to_bits() {
            format!("{} {}", number(spread.median), row.unit.name)
        } else {
            let (median, min, max) = (number(spread.median), number(spread.min), number(spread.max));
            format!("{median} {} ({min} to {max})", row.unit.name)
        }
    };
    let (peer, theirs) =
        row.peer.as_ref().map_or_else(Default::default, |(name, value)| (name.clone(), spread(value)));
    let ratio = row.ratio().map_or_else(String::new, |ratio| format!("{}x", number(ratio)));
    let goal = row.goal.map_or_else(String::new, |goal| format!("{}x", number(goal)));
    let reached = match row.reached() {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    [row.work.clone(), spread(&row.ours), peer, theirs, ratio, goal, reached.to_owned()]
}

pub(crate) const HEADINGS: [&str; 7] = ["work", "ours", "peer", "theirs", "ratio", "goal", "reached"];

/// A table for people.
pub(crate) fn print(family: &Family, to: &mut impl Write) -> std::io::Result<()> {
    let bold = Style::new().bold();
    let (good, bad) = (AnsiColor::Green.on_default(), AnsiColor::Red.on_default().bold());
    let rows: Vec<[String; 7]> = family.rows.iter().map(cells).collect();
    let mut widths = HEADINGS.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String; 7]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    writeln!(to, "\n{bold}{}{bold:#}", family.name)?;
    writeln!(to, "{}", line(&HEADINGS.map(str::to_owned)))?;
    for (row, cells) in family.rows.iter().zip(&rows) {
        let style = match row.reached() {
            Some(true) => good,
            Some(false) => bad,
            None => Style::new(),
        };
        writeln!(to, "{style}{}{style:#}", line(cells))?;
        if let (Some(false), Some(because)) = (row.reached(), &row.because) {
            writeln!(to, "    {because}")?;
        }
    }
    for (side, does) in &family.sides {
        writeln!(to, "  {side}: {does}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(unit: Unit, ours: f64, theirs: f64, goal: f64) -> Row {
        let peer = Some(("peer".to_owned(), Spread::exactly(theirs)));
        Row {
            work: "work".to_owned(),
            unit,
            ours: Spread::exactly(ours),
            peer,
            goal: Some(goal),
            because: None,
        }
    }

    #[test]
    fn a_ratio_above_one_is_better_whichever_way_the_unit_goes() {
        assert_eq!(row(NANOS, 10.0, 50.0, 5.0).ratio(), Some(5.0));
        assert_eq!(row(NANOS, 10.0, 50.0, 5.0).reached(), Some(true));
        assert_eq!(row(NANOS, 10.0, 49.0, 5.0).reached(), Some(false));
        assert_eq!(row(FIRES_A_SECOND, 50.0, 10.0, 5.0).ratio(), Some(5.0));
        assert_eq!(row(COUNT, 0.0, 0.0, 1.0).reached(), Some(true));
        assert_eq!(row(COUNT, 0.0, 3.0, 1.0).reached(), Some(true));
        assert_eq!(row(COUNT, 3.0, 0.0, 1.0).reached(), Some(false));
    }

    #[test]
    fn json_has_numbers_as_numbers_and_null_where_there_is_none() {
        let mut family = Family::new("family", &[("matins", "does it")]);
        family.versus("work", NANOS, Spread::exactly(10.0), "peer", Spread::exactly(25.0), Some(2.0));
        family.alone("other", COUNT, Spread::exactly(3.0));
        let json = to_json(&[family]);
        let first = json!({
            "family": "family", "work": "work", "unit": "ns", "ours": 10.0, "peer": "peer", "peer_value": 25.0,
            "ratio": 2.5, "goal": 2.0, "reached": true,
        });
        assert_eq!(json[0], first);
        assert_eq!(
            (&json[1]["peer"], &json[1]["ratio"], &json[1]["goal"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        let all =
            [0.0, 0.1234, 1.234, 12.34, 123.4, 1234.0, 123_456.0, 1_234_567.0, f64::INFINITY].map(number);
        assert_eq!(all, ["0", "0.123", "1.23", "12.3", "123", "1,234", "123,456", "1.23M", "-"]);
    }
}
