//! What is printed about a crontab beside its jobs.

use std::path::Path;

use matins::definitions::Definition;
use matins::definitions::crontab::{Note, NoteKind};
use matins_daemon::mail;
use matins_terminal::Text;

/// A line for people.
pub(crate) fn show_note(path: &Path, note: &Note) -> String {
    let kind = match note.kind {
        NoteKind::Warning => "warning",
        NoteKind::Difference => "other than cron",
    };
    format!("{}:{}: {kind}: {}", path.display(), note.line, note.text)
}

/// All that the author of a crontab may not expect: notes on its lines, and what differs from cron for each of its jobs.
pub(crate) fn notes(path: &Path, notes: &[Note], jobs: &[Definition]) -> Text {
    let mut text = Text::new();
    for note in notes {
        text = text.end_line().and(show_note(path, note));
    }
    if !notes.is_empty() {
        text = text.end_line();
    }
    text = text.lines("\nother than cron, for each job here:\n\
             - a fire that finds its earlier run still going is missed; cron would start a second run beside it\n\
             - of the fires that came while the daemon was down, the latest runs at the next start; cron skips them\n\
             - what a command prints is kept in the ledger, its last 8 KiB");
    text = text.lines(if jobs.iter().all(|job| job.mail.is_some()) {
        ", and mailed to MAILTO\n"
    } else {
        "; without a MAILTO it is not mailed, and cron would mail it to the user\n"
    });
    if jobs.iter().any(|job| job.mail.is_some()) && mail::sendmail().is_none() {
        text = text.end_line().and(format_args!("warning: {}", mail::NO_SENDMAIL)).end_line();
    }
    text
}
