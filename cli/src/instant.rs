//! An instant as people type it.

use chrono::{DateTime, Utc};
use matins::control::instant;
use matins::triggers::Zone;

/// Reads `2026-12-24T18:00` or `18:00`, which is today's, in the zone, or with Z or an offset.
pub(crate) fn read(text: &str, zone: Zone, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    instant::read(text, zone, now).map_err(|problem| problem.message)
}
