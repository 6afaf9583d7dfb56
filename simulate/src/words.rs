//! A simulation in words and bars.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{TimeDelta, Timelike};
use matins_control::display as show;
use matins_triggers::Zone;

use crate::{Forecast, KnownFrom};

/// How wide the longest bar is, in characters.
const BAR: u64 = 50;

impl Forecast {
    /// Returns how many jobs and fires there are, and when.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use matins_simulate::Simulation;
    /// use matins_triggers::Zone;
    ///
    /// let forecast = Simulation::new(&[], DateTime::UNIX_EPOCH, TimeDelta::days(7)).run()?;
    /// assert!(forecast.title(Zone::utc()).starts_with("0 jobs, 0 fires from "));
    /// # Ok::<(), matins_simulate::SimulationError>(())
    /// ```
    pub fn title(&self, zone: Zone) -> String {
        format!(
            "{} jobs, {} fires from {} to {}, times of {zone}",
            self.jobs,
            self.fires,
            show::local(self.from, zone),
            show::local(self.until, zone)
        )
    }

    /// Returns the rest in words and bars, with times of the zone. `spread` is the forecast of the same jobs with their fires spread over so
    /// much time.
    ///
    /// ```
    /// use chrono::{DateTime, TimeDelta};
    /// use matins_simulate::Simulation;
    /// use matins_triggers::Zone;
    ///
    /// let forecast = Simulation::new(&[], DateTime::UNIX_EPOCH, TimeDelta::days(7)).run()?;
    /// assert!(forecast.text(None, Zone::utc()).contains("fires by the hour of the day"));
    /// # Ok::<(), matins_simulate::SimulationError>(())
    /// ```
    pub fn text(&self, spread: Option<(TimeDelta, &Self)>, zone: Zone) -> String {
        let mut text = String::new();
        if let Some(busiest) = self.busiest_minute {
            let _ = writeln!(
                text,
                "  busiest minute   {}: {} fires",
                show::local(busiest.at, zone),
                busiest.fires
            );
        }
        let _ = writeln!(
            text,
            "  most at once     {} runs, at {}",
            self.most_at_once,
            show::local(self.most_at_once_at, zone)
        );
        if self.most_waiting > 0 {
            let _ = writeln!(text, "  most waiting     {} runs for a place", self.most_waiting);
        }
        for (reason, jobs) in &self.missed {
            let _ = writeln!(text, "  missed           {}: {}", reason, by_job(jobs));
        }
        if !self.timed_out.is_empty() {
            let _ = writeln!(text, "  timed out        {}", by_job(&self.timed_out));
        }
        let unknown = self.durations.values().filter(|time| time.known_from == KnownFrom::Default).count();
        if unknown > 0 {
            let _ = writeln!(
                text,
                "  taken on trust   how long {unknown} jobs run: give them `expected_duration`, or a ledger with --store"
            );
        }
        if let (Some((by, spread)), Some(busiest)) = (spread, self.busiest_second) {
            let then = spread.busiest_second.map_or(0, |second| second.fires);
            let _ = writeln!(
                text,
                "  spread over {:<5} {} at once in place of {}; {} in the busiest second in place of {}",
                show::span(by),
                spread.most_at_once,
                self.most_at_once,
                then,
                busiest.fires
            );
        }
        text += &hours(self, zone);
        text
    }
}

/// `backup 3, sync 1`: the most first.
fn by_job(jobs: &BTreeMap<String, u64>) -> String {
    let mut jobs: Vec<_> = jobs.iter().collect();
    jobs.sort_by_key(|(id, count)| (std::cmp::Reverse(**count), id.as_str()));
    let rest = jobs.len().saturating_sub(10);
    let shown: Vec<String> = jobs
        .iter()
        .take(10)
        .map(|(id, count)| format!("{} {count}", id.replace(char::is_control, "\u{fffd}")))
        .collect();
    if rest > 0 { format!("{}, and {rest} more jobs", shown.join(", ")) } else { shown.join(", ") }
}

/// Fires by the hour that the clocks show: of that hour, or where there are several days of all those hours together.
fn hours(simulation: &Forecast, zone: Zone) -> String {
    let mut by_hour: BTreeMap<u32, u64> = BTreeMap::new();
    for (hour, fires) in &simulation.fires_per_hour {
        *by_hour.entry(zone.local(*hour).hour()).or_default() += fires;
    }
    let most = by_hour.values().copied().max().unwrap_or(0).max(1);
    let mut text = "\nfires by the hour of the day\n".to_owned();
    for hour in 0..24 {
        let fires = by_hour.get(&hour).copied().unwrap_or(0);
        let bar = "#".repeat((fires * BAR).div_ceil(most) as usize);
        let _ = writeln!(text, "  {hour:02}:00  {fires:>9}  {bar}");
    }
    text
}
