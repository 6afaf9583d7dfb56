//! `matins plot`: a timeline of fires as SVG, jobs as rows, with the changes of the clocks.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use clap::Args;
use matins::definitions::{Definition, When};
use matins::simulate::Timeline;
use matins::triggers::Zone;
use matins::{Clock, SystemClock};
use matins_daemon::Failure;
use matins_terminal as terminal;

use crate::file_arguments::FileArguments;
use crate::{instant, show, shown};

#[derive(Debug, Args)]
pub(crate) struct PlotArguments {
    #[command(flatten)]
    source: FileArguments,
    /// How much time: 2d, 12h; a year at most
    #[arg(long = "for", value_name = "SPAN", default_value = "2d", value_parser = humantime::parse_duration)]
    span: Duration,
    /// When it begins: 2026-03-28T00:00 in the zone, or with Z or an offset [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// The file to write.
    #[arg(long, value_name = "FILE.svg", default_value = "timeline.svg")]
    out: PathBuf,
    /// The time zone of the picture, and of jobs that name none [default: the configuration's, else this machine's]
    #[arg(long, value_name = "ZONE")]
    tz: Option<Zone>,
}

pub(crate) fn plot(arguments: &PlotArguments) -> Result<(), Failure> {
    let defined = arguments.source.sources(arguments.tz).read()?;
    let zone = defined.defaults.zone;
    let now = SystemClock.now();
    let from = match &arguments.from {
        Some(text) => instant::read(text, zone, now)?,
        None => now,
    };
    if arguments.span.is_zero() || arguments.span > Duration::from_secs(366 * 86_400) {
        return Err(Failure::BadInput("--for must be longer than zero, and at most a year".to_owned()));
    }
    let span = TimeDelta::from_std(arguments.span).map_err(|error| matins::error_chain(&error))?;
    // Those that have times.
    let has_times = |definition: &&Definition| !matches!(definition.when, When::Start | When::After(_));
    let mut rows = Vec::new();
    for definition in defined.definitions().filter(has_times) {
        rows.push((terminal::one_line(&definition.id), definition.trigger(from)?));
    }
    let title = format!(
        "{} from {} for {}",
        arguments.source.file.display(),
        show::local(from, zone),
        show::span(span)
    );
    let rows_drawn = rows.iter().map(|(id, trigger)| (id.as_ref(), &**trigger));
    let svg = Timeline::new(zone, from, from + span).svg(&terminal::one_line(&title), rows_drawn);
    fs::write(&arguments.out, svg)
        .map_err(|error| Failure::NotDone(format!("cannot write {}: {error}", arguments.out.display())))?;
    shown::line(format_args!("{}: {}", arguments.out.display(), show::counted(rows.len(), "job")));
    Ok(())
}
