//! `matins next`: when a cron expression fires.

use clap::Args;
use matins::prelude::*;
use matins::triggers::{Zone, tzdb};
use matins::{Clock, SystemClock};
use matins_daemon::system_zone;
use matins_terminal::Text;
use serde_json::json;

use crate::{instant, show, shown};

#[derive(Debug, Args)]
pub(crate) struct NextArguments {
    /// A cron expression: five fields, six with seconds first, seven with years last, or a nickname such as @daily.
    ///
    /// Also fields by name (`hour=9 day_of_week=mon-fri`). `CRON_TZ=ZONE` before it, or a zone after it, is its zone.
    expression: String,
    /// The time zone in which it is meant [default: this machine's]
    #[arg(long, value_name = "ZONE")]
    tz: Option<Zone>,
    /// Fires later than this: 2026-03-29T00:00 in that zone, or with Z or an offset [default: now]
    #[arg(long, value_name = "INSTANT")]
    from: Option<String>,
    /// How many.
    #[arg(short, long, value_name = "N", default_value_t = 5)]
    number: usize,
    /// Says also which tz database the rules of the zone come from.
    #[arg(short, long)]
    verbose: bool,
    /// As JSON: the fires in UTC and in local time.
    #[arg(long)]
    json: bool,
}

pub(crate) fn next(arguments: &NextArguments) -> Result<(), String> {
    let zone = arguments.tz.map_or_else(system_zone, Ok)?;
    let trigger = CronTrigger::parse(&arguments.expression, zone.name())
        .map_err(|error| matins::error_chain(&error))?;
    let zone = trigger.zone();
    let now = SystemClock.now();
    let from = match &arguments.from {
        Some(text) => instant::read(text, zone, now)?,
        None => now,
    };
    let fires = std::iter::successors(trigger.next_after(from), |last| trigger.next_after(*last));
    let fires: Vec<_> = fires.take(arguments.number).collect();
    if arguments.json {
        let fires: Vec<_> = fires
            .iter()
            .map(|fire| json!({"utc": fire, "local": zone.with_offset(*fire).to_rfc3339()}))
            .collect();
        let answer = json!({
            "expression": trigger.expression(),
            "description": trigger.describe(),
            "timezone": zone,
            "tz_database": tzdb::version().to_string(),
            "fires": fires,
        });
        shown::json(answer);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = fires
        .iter()
        .map(|fire| {
            let offset = zone.with_offset(*fire).format("%:z").to_string();
            vec![show::local(*fire, zone), offset, show::relative(*fire, now)]
        })
        .collect();
    shown::line(format_args!("{}: {}", trigger.expression(), trigger.describe()));
    shown::print(&Text::table(&rows));
    if arguments.verbose {
        shown::tz_database(&tzdb::version().to_string(), &tzdb::version().problems);
    }
    Ok(())
}
