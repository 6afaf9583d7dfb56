//! Who is on call, and when is the next handover?
//!
//! ```text
//! cargo run -p on-call -- 2026-10-26T07:30:00Z ada bob eve
//! ```
//!
//! The rota changes each Monday at nine in Berlin, in summer and in winter.
//! Nothing is scheduled here: triggers answer questions about times, and no
//! scheduler, store or executor is compiled.

use std::error::Error;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use matins_triggers::{CalendarTrigger, Trigger, TriggerExt, Zone};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let now: DateTime<Utc> =
        arguments.next().ok_or("usage: on-call INSTANT NAME...")?.parse()?;
    let names: Vec<String> = arguments.collect();

    let berlin: Zone = "Europe/Berlin".parse()?;
    let first =
        NaiveDate::from_ymd_opt(2026, 1, 5).ok_or("there is no such date")?;
    let nine =
        NaiveTime::from_hms_opt(9, 0, 0).ok_or("there is no such time")?;
    let handovers = CalendarTrigger::from_date(first)
        .weeks(1)
        .at(nine)
        .zone("Europe/Berlin")
        .build()?;
    println!("handover {}", handovers.describe());

    // From before the first handover up to now: counting is arithmetic, however
    // many weeks it has been.
    let past = handovers
        .fire_range(DateTime::UNIX_EPOCH, now)
        .ok_or("nobody was on call yet")?;
    let name = names
        .get((past.count - 1) as usize % names.len().max(1))
        .ok_or("name those who are on call")?;
    println!("{name} is on call since {}", past.last.with_timezone(&berlin));
    for (handover, name) in handovers
        .iter_after(now.with_timezone(&berlin))
        .zip(names.iter().cycle().skip(past.count as usize))
        .take(2)
    {
        println!("{name} takes over at {handover}");
    }
    let noon = past.last + chrono::TimeDelta::hours(3);
    println!(
        "is there a handover at {}? {}",
        noon.with_timezone(&berlin),
        handovers.includes(noon)
    );

    // Saved as JSON, as any store would, and read again.
    let saved = serde_json::to_string(&handovers)?;
    let restored: CalendarTrigger = serde_json::from_str(&saved)?;
    println!(
        "the same when restored: {}",
        restored.previous_before(now) == Some(past.last)
    );
    Ok(())
}
