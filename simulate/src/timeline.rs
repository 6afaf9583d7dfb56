//! A timeline of fires as SVG: jobs as rows, with the changes of the clocks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use matins_core::Trigger;
use matins_triggers::Zone;

const WIDTH: i64 = 1000;
const LEFT: i64 = 180;
const RIGHT: i64 = 20;
const ROW: i64 = 24;
const TOP: i64 = 92;
/// Legible on white and on near-black.
const INK: &str = "#7d7d7d";
const FIRE: &str = "#4285c8";
const CHANGE: &str = "#d67c26";

/// A span of time as a picture, by the clocks of a zone.
#[derive(Debug, Clone)]
pub struct Timeline {
    zone: Zone,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

/// A change of the clocks: forward where `by` is above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    at: DateTime<Utc>,
    by: TimeDelta,
}

impl Timeline {
    /// From an instant until a later one, both in the years 1 to 9999: one that is not is moved there. A year is about as much as a
    /// picture can show.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use matins_simulate::Timeline;
    /// use matins_triggers::Zone;
    ///
    /// let from = DateTime::UNIX_EPOCH;
    /// let timeline = Timeline::new(Zone::utc(), from, from + TimeDelta::days(2));
    /// # let _ = timeline;
    /// ```
    pub fn new(zone: Zone, from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        // Some hours from the ends of the calendar, so that no step leaves it.
        let (first, last) =
            (DateTime::from_timestamp(-62_135_596_800, 0), DateTime::from_timestamp(253_402_300_799, 0));
        let within = |at: DateTime<Utc>| at.max(first.unwrap_or(at)).min(last.unwrap_or(at));
        Self { zone, from: within(from), until: within(until) }
    }

    /// Draws the fires of triggers, a row for each with its name, as SVG that is legible on white and on near-black.
    ///
    /// ```
    /// use chrono::TimeDelta;
    /// use matins_simulate::Timeline;
    /// use matins_triggers::{CronTrigger, Zone};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let nightly = CronTrigger::parse("30 2 * * *", "Europe/Berlin")?;
    /// let from = "2026-03-28T12:00:00Z".parse()?;
    /// let timeline = Timeline::new(Zone::named("Europe/Berlin")?, from, from + TimeDelta::days(2));
    /// let svg = timeline.svg("a weekend", [("nightly", &nightly as _)]);
    /// assert!(svg.contains("nightly: 2 fires") && svg.contains("clocks skip 02:00 to 03:00"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn svg<'a>(&self, title: &str, rows: impl IntoIterator<Item = (&'a str, &'a dyn Trigger)>) -> String {
        let rows: Vec<_> =
            rows.into_iter().map(|(name, trigger)| (name.to_owned(), self.columns(trigger))).collect();
        self.draw(title, &rows)
    }

    fn x(&self, at: DateTime<Utc>) -> i64 {
        let whole = (self.until - self.from).num_milliseconds().max(1);
        LEFT + (at - self.from).num_milliseconds() * (WIDTH - LEFT - RIGHT) / whole
    }

    /// How many fires are in each column of the picture: a row of every second would be too long otherwise.
    fn columns(&self, trigger: &dyn Trigger) -> BTreeMap<i64, u64> {
        let mut columns = BTreeMap::new();
        let mut after = self.from - TimeDelta::microseconds(1);
        let column = (self.until - self.from) / (WIDTH - LEFT - RIGHT) as i32;
        while let Some(fire) = trigger.next_after(after).filter(|fire| *fire < self.until) {
            let x = self.x(fire);
            // All that fall into this column at once; its end is a little earlier than the next one's begin.
            let end = (fire + column / 2).min(self.until - TimeDelta::microseconds(1));
            let range = trigger.fire_range(fire, end);
            *columns.entry(x).or_default() += 1 + range.map_or(0, |range| range.count);
            after = range.map_or(fire, |range| range.last);
        }
        columns
    }

    /// The changes of the clocks, each found to the second.
    fn changes(&self) -> Vec<Change> {
        let offset = |at: DateTime<Utc>| {
            TimeDelta::seconds(self.zone.with_offset(at).offset().local_minus_utc().into())
        };
        let mut changes = Vec::new();
        let mut at = self.from;
        while at < self.until {
            let next = (at + TimeDelta::hours(1)).min(self.until);
            let by = offset(next) - offset(at);
            if by != TimeDelta::zero() {
                let (mut before, mut after) = (at, next);
                while after - before > TimeDelta::seconds(1) {
                    let middle = before + (after - before) / 2;
                    if offset(middle) == offset(at) { before = middle } else { after = middle }
                }
                let at = DateTime::from_timestamp(after.timestamp(), 0).unwrap_or(after);
                changes.push(Change { at, by });
            }
            at = next;
        }
        changes
    }

    fn draw(&self, title: &str, rows: &[(String, BTreeMap<i64, u64>)]) -> String {
        let height = TOP + ROW * rows.len() as i64 + 20;
        let title = escape(title);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"{INK}\">\n<title>{title}</title>\n"
        );
        let bottom = height - 14;
        let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"18\" font-size=\"14\">{title}</text>");
        for change in self.changes() {
            self.draw_change(&mut svg, change, bottom);
        }
        self.draw_clock(&mut svg, bottom);
        for (row, (id, columns)) in (0..).zip(rows) {
            let y = TOP + ROW * row + ROW / 2;
            let fires: u64 = columns.values().sum();
            let name: String = id.chars().take(20).collect();
            let _ = writeln!(
                svg,
                "<g><title>{}: {fires} fires</title><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
                 <line x1=\"{LEFT}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{INK}\" stroke-opacity=\"0.3\"/>",
                escape(id),
                LEFT - 12,
                y + 4,
                escape(&name),
                WIDTH - RIGHT
            );
            for (x, count) in columns {
                // One fire is a mark; many are a taller one.
                let half = if *count == 1 { 5 } else { 8 };
                let _ = write!(
                    svg,
                    "<line x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{}\" stroke=\"{FIRE}\" stroke-width=\"2\"/>",
                    y - half,
                    y + half
                );
            }
            svg += "</g>\n";
        }
        svg + "</svg>\n"
    }

    /// A gap is a line, since no time passes in it; the time that is shown twice is an area.
    fn draw_change(&self, svg: &mut String, Change { at, by }: Change, bottom: i64) {
        let x = self.x(at);
        let before = self.zone.local(at - TimeDelta::seconds(1)) + TimeDelta::seconds(1);
        let after = self.zone.local(at);
        let words = if by > TimeDelta::zero() {
            format!("clocks skip {} to {}", before.format("%H:%M"), after.format("%H:%M"))
        } else {
            let (from, until) = (self.x((at + by).max(self.from)), self.x((at - by).min(self.until)));
            let _ = writeln!(
                svg,
                "<rect x=\"{from}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{CHANGE}\" fill-opacity=\"0.25\"/>",
                TOP - 8,
                until - from,
                bottom - TOP + 8
            );
            format!("{} to {} comes twice", after.format("%H:%M"), before.format("%H:%M"))
        };
        let anchor = if x > WIDTH - 150 { "end" } else { "middle" };
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"{CHANGE}\" stroke-dasharray=\"4 3\"/>\
             <text x=\"{x}\" y=\"40\" fill=\"{CHANGE}\" text-anchor=\"{anchor}\">{words}</text>",
            TOP - 8
        );
    }

    /// What the clocks show, at whole hours or days, so far apart that the words have room.
    fn draw_clock(&self, svg: &mut String, bottom: i64) {
        let hours = (self.until - self.from).num_hours().max(1);
        let step = [1, 2, 3, 6, 12, 24, 48, 168, 336, 672]
            .into_iter()
            .find(|step| hours / step <= 14)
            .unwrap_or(1344);
        let mut at = self.from - TimeDelta::seconds(self.from.timestamp().rem_euclid(900));
        let mut last_day = None;
        while at < self.until {
            let local = self.zone.local(at);
            let day = i64::from(local.date().num_days_from_ce());
            let is_marked = local.minute() == 0
                && if step < 24 {
                    i64::from(local.hour()) % step == 0
                } else {
                    local.hour() == 0 && day % (step / 24) == 0
                };
            if is_marked && at >= self.from {
                let x = self.x(at);
                let text = if step < 24 { local.format("%H:%M") } else { local.format("%-d %b") };
                let _ = writeln!(
                    svg,
                    "<text x=\"{x}\" y=\"76\" text-anchor=\"middle\">{text}</text>\
                     <line x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"{INK}\" stroke-opacity=\"0.3\"/>",
                    TOP - 8
                );
                if step < 24 && last_day != Some(day) {
                    let _ = writeln!(
                        svg,
                        "<text x=\"{x}\" y=\"60\" text-anchor=\"middle\">{}</text>",
                        local.format("%a %-d %b")
                    );
                    last_day = Some(day);
                }
            }
            at += TimeDelta::minutes(15);
        }
    }
}

fn escape(text: &str) -> String {
    // XML has no control characters.
    text.replace(char::is_control, "\u{fffd}")
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use matins_triggers::CronTrigger;

    use super::*;

    fn timeline(from: &str, hours: i64) -> Timeline {
        let from: DateTime<Utc> = from.parse().unwrap();
        Timeline { zone: Zone::named("Europe/Berlin").unwrap(), from, until: from + TimeDelta::hours(hours) }
    }

    #[test]
    fn changes_of_the_clocks_are_found_to_the_second() {
        let at = |text: &str| text.parse().unwrap();
        let spring = timeline("2026-03-28T11:17:13Z", 48).changes();
        assert_eq!(spring, [Change { at: at("2026-03-29T01:00:00Z"), by: TimeDelta::hours(1) }]);
        let year = timeline("2026-01-01T00:00:00Z", 365 * 24).changes();
        assert_eq!(year.len(), 2);
        assert_eq!(year[1], Change { at: at("2026-10-25T01:00:00Z"), by: TimeDelta::hours(-1) });
    }

    #[test]
    fn every_fire_is_in_a_column() {
        let timeline = timeline("2026-03-28T23:00:00Z", 48);
        for (expression, fires) in [("30 2 * * *", 2), ("*/5 * * * *", 576), ("* * * * * *", 172_800)] {
            let trigger = CronTrigger::parse(expression, "Europe/Berlin").unwrap();
            let columns = timeline.columns(&trigger);
            assert_eq!(columns.values().sum::<u64>(), fires, "{expression}");
            assert!(columns.keys().all(|x| (LEFT..=WIDTH - RIGHT).contains(x)));
        }
    }

    #[test]
    fn a_picture_shows_rows_and_the_gap() {
        let timeline = timeline("2026-03-28T12:00:00Z", 48);
        let nightly = CronTrigger::parse("30 2 * * *", "Europe/Berlin").unwrap();
        let svg = timeline.draw("a < b", &[("nightly".to_owned(), timeline.columns(&nightly))]);
        for words in ["<title>a &lt; b</title>", "nightly: 2 fires", "clocks skip 02:00 to 03:00"] {
            assert!(svg.contains(words), "{words}: {svg}");
        }
        assert_eq!(svg.matches(FIRE).count(), 2);
    }

    #[test]
    fn no_instant_is_beyond_the_picture() {
        let every_hour = CronTrigger::parse("0 * * * *", "UTC").unwrap();
        let (first, last) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
        for (from, until) in [(first, first), (last, last), (last, first)] {
            let svg = Timeline::new(Zone::utc(), from, until).svg("ends", [("hourly", &every_hour as _)]);
            assert!(svg.contains("hourly: 0 fires"), "{svg}");
        }
    }
}
