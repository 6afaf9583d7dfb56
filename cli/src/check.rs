//! `matins check`: is this file sound, and what does it mean?

use chrono::{DateTime, Utc};
use clap::Args;
use matins::definitions::{Definition, When, nearest};
use matins::triggers::{Zone, tzdb};
use matins::{Clock, ExecutorName, StoreName, SystemClock};
use matins_daemon::rows;
use matins_terminal::{Text, notice};
use serde_json::json;

use crate::file_arguments::FileArguments;
use crate::{crontab_notes, show, shown};

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    source: FileArguments,
    /// The time zone of jobs that name none [default: the configuration's, else this machine's]
    #[arg(long, value_name = "ZONE")]
    tz: Option<Zone>,
    /// As JSON: a list of jobs.
    #[arg(long)]
    json: bool,
}

/// How many fires of each job are shown.
const FIRES: usize = 3;

/// In bytes.
const PRINTED_AT_ONCE: usize = 64 * 1024;

pub(crate) fn check(arguments: &CheckArguments) -> Result<(), String> {
    let path = &arguments.source.file;
    let defined = arguments.source.sources(arguments.tz).read()?;
    let (zone, count) = (defined.defaults.zone, defined.definitions().count());

    let now = SystemClock.now();
    let ids: Vec<&str> = defined.definitions().map(|job| job.id.as_str()).collect();
    if arguments.json {
        let job = |job: &Definition| {
            json!({
                "id": job.id,
                "description": described(&job.when, now, zone),
                "upcoming": upcoming(job, now),
                "store": job.store,
                "executor": job.executor,
                "command": job.command,
                "policy": job.policy,
                "paused": job.paused,
                "tags": job.tags,
            })
        };
        shown::json(json!(defined.definitions().map(job).collect::<Vec<_>>()));
        for (job, warning) in defined.definitions().filter_map(|job| Some((job, warning(job, &ids)?))) {
            notice::tell(format_args!("{}: job {:?}: {warning}", path.display(), job.id));
        }
        for file in &defined.files {
            file.notes.iter().for_each(|note| notice::tell(crontab_notes::show_note(&file.path, note)));
        }
        return Ok(());
    }
    shown::line(format_args!("{}: sound, {}", path.display(), show::counted(count, "job")));
    let version = tzdb::version();
    shown::tz_database(&version.to_string(), &version.problems);
    let mut text = Text::new();
    for job in defined.definitions() {
        text = text.end_line().text(&describe(job, zone, now)).end_line();
        if let Some(warning) = warning(job, &ids) {
            text = text.and(format_args!("  warning: {warning}")).end_line();
        }
        // Not line by line: a crontab may have a hundred thousand.
        if text.len() > PRINTED_AT_ONCE {
            shown::print(&std::mem::take(&mut text));
        }
    }
    shown::print(&text);
    for file in defined.files.iter().filter(|file| file.is_crontab) {
        shown::print(&crontab_notes::notes(&file.path, &file.notes, &file.jobs));
    }
    Ok(())
}

/// What its author may not have meant.
fn warning(job: &Definition, ids: &[&str]) -> Option<String> {
    let followed = job.after()?.job.as_str();
    if ids.contains(&followed) {
        return None;
    }
    let meant = nearest(followed, ids.iter().copied().filter(|id| *id != job.id));
    let meant = meant.map(|id| format!("; did you mean {id:?}?")).unwrap_or_default();
    Some(format!("it runs after {followed:?}, and no job of that name is defined here{meant}"))
}

/// Its next fires; none where it fires once at each start.
fn upcoming(job: &Definition, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    match (&job.when, job.trigger(now)) {
        (When::Start, _) | (_, Err(_)) => Vec::new(),
        (_, Ok(trigger)) => std::iter::successors(trigger.next_after(now), |last| trigger.next_after(*last))
            .take(FIRES)
            .collect(),
    }
}

/// When a job fires, for people, with times of the zone.
fn described(when: &When, now: DateTime<Utc>, zone: Zone) -> String {
    match when {
        When::In(delay) => {
            format!(
                "once, {} after it is first met",
                humantime::format_duration(delay.to_std().unwrap_or_default())
            )
        }
        When::Start => "once after each boot".to_owned(),
        other => match other.trigger(now) {
            Ok(trigger) => show::trigger(&*trigger, zone),
            Err(error) => error.to_string(),
        },
    }
}

fn describe(job: &Definition, zone: Zone, now: DateTime<Utc>) -> Text {
    let bold = anstyle::Style::new().bold();
    let mut text = Text::new().styled(bold, &job.id).and(": ").and(described(&job.when, now, zone));
    if let Some(jitter) = job.jitter {
        text = text.and(format_args!(", up to {} later", show::span(jitter)));
    }
    let fires: Vec<String> = upcoming(job, now).iter().map(|fire| show::local(*fire, zone)).collect();
    if job.paused {
        text = text.end_line().and("  paused");
    } else if !fires.is_empty() {
        text = text.end_line().and(format_args!("  next: {}", fires.join(", ")));
    } else if matches!(job.when, When::At(_)) {
        text = text.end_line().and("  its time has passed; it would be left out");
    }
    if let Some(mail) = &job.mail {
        text = text.end_line().and(format_args!("  mails its output to {}", mail.to));
    }
    if job.store != StoreName::default() {
        text = text.end_line().and(format_args!("  store: {}", job.store));
    }
    if job.executor != ExecutorName::default() {
        text = text.end_line().and(format_args!("  executor: {}", job.executor));
    }
    text.end_line().and(format_args!("  runs: {}", rows::job::command(&json!(job.command))))
}
