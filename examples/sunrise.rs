//! A custom trigger: fires at sunrise at a given place.
//!
//! ```text
//! cargo run --example sunrise -- 52.52 13.40      # the next seven sunrises in Berlin
//! ```

// ANCHOR: program
use chrono::{DateTime, TimeDelta, Utc};
use matins::Trigger;
use serde::{Deserialize, Serialize};

// ANCHOR: type
/// Fires at each sunrise at a place, to the second. By the sunrise equation
/// (Meeus, *Astronomical Algorithms*, chapters 15 and 25, without the smallest
/// terms): right to a minute or two, and away from the poles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sunrise {
    /// In degrees, north positive.
    latitude: f64,
    /// In degrees, east positive.
    longitude: f64,
}
// ANCHOR_END: type

// ANCHOR: trigger
#[typetag::serde(name = "sunrise")]
impl Trigger for Sunrise {
    fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // Sunrises are numbered by days. The next one is among the next few;
        // beyond the polar circle, among those of a year.
        let today = (after - noon_of_2000()).num_days();
        (today - 2..today + 400)
            .filter_map(|day| self.on_day(day))
            .find(|sunrise| *sunrise > after)
    }

    fn describe(&self) -> String {
        format!("at sunrise at {:.2}, {:.2}", self.latitude, self.longitude)
    }
}
// ANCHOR_END: trigger

impl Sunrise {
    /// Returns the trigger for a place, or `None` if there is no such place or
    /// it lies within five degrees of a pole.
    pub fn at(latitude: f64, longitude: f64) -> Option<Self> {
        let is_place = latitude.abs() <= 85.0 && longitude.abs() <= 180.0;
        is_place.then_some(Self { latitude, longitude })
    }

    // ANCHOR: equation
    /// Returns the sunrise of the day with this number, or `None` if the sun
    /// does not rise on it.
    fn on_day(&self, day: i64) -> Option<DateTime<Utc>> {
        // Mean solar noon, in days since noon of the first day of 2000.
        let noon = f64::from(i32::try_from(day).ok()?) - self.longitude / 360.0;
        let anomaly =
            (357.5291 + 0.985_600_28 * noon).rem_euclid(360.0).to_radians();
        let center = 1.9148 * anomaly.sin()
            + 0.02 * (2.0 * anomaly).sin()
            + 0.0003 * (3.0 * anomaly).sin();
        let ecliptic = (anomaly.to_degrees() + center + 180.0 + 102.9372)
            .rem_euclid(360.0)
            .to_radians();
        let transit =
            noon + 0.0053 * anomaly.sin() - 0.0069 * (2.0 * ecliptic).sin();
        let declination =
            (ecliptic.sin() * 23.4397_f64.to_radians().sin()).asin();
        let latitude = self.latitude.to_radians();
        // The upper edge of the sun, with the air's refraction: 50 minutes of
        // arc below the horizon.
        let horizon = (-50.0_f64 / 60.0).to_radians().sin();
        let cosine = (horizon - latitude.sin() * declination.sin())
            / (latitude.cos() * declination.cos());
        if !(-1.0..=1.0).contains(&cosine) {
            return None;
        }
        let rise = transit - cosine.acos().to_degrees() / 360.0;
        noon_of_2000().checked_add_signed(TimeDelta::seconds(
            (rise * 86_400.0).round() as i64,
        ))
    }
    // ANCHOR_END: equation
}

fn noon_of_2000() -> DateTime<Utc> {
    DateTime::from_timestamp(946_728_000, 0).unwrap_or_default()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut places =
        std::env::args().skip(1).map(|degrees| degrees.parse::<f64>());
    // Without arguments, in Berlin.
    let latitude = places.next().transpose()?.unwrap_or(52.52);
    let longitude = places.next().transpose()?.unwrap_or(13.40);
    let sunrise = Sunrise::at(latitude, longitude)
        .ok_or("there is no such place, or it is too near a pole")?;
    let fires = std::iter::successors(sunrise.next_after(Utc::now()), |last| {
        sunrise.next_after(*last)
    });
    fires.take(7).for_each(|fire| println!("{fire}"));
    Ok(())
}
// ANCHOR_END: program
