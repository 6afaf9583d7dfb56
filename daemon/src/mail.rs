//! Mails what a run printed, as cron does where `MAILTO` is set.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use matins::Handle;
use matins::definitions::Mail;
use matins::prelude::*;
use matins::{Run, Value};
use matins_terminal::{self as terminal, notice};
use nix::unistd::{User, geteuid};

/// What is said where mail is asked for, and there is no program to send it.
pub const NO_SENDMAIL: &str = "MAILTO is set, and there is no sendmail here: output is not mailed, and stays in the ledger. Install a mail transfer agent";

/// The key of a job's metadata that says to whom its output is mailed.
const MAIL: &str = "mail";

/// The program that takes mail, where cron looks for it, or in `PATH`.
pub fn sendmail() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = [PathBuf::from("/usr/sbin"), PathBuf::from("/usr/lib")];
    let files = std::env::split_paths(&path).chain(places).map(|directory| directory.join("sendmail"));
    files.into_iter().find(|file| file.is_file())
}

/// Mails the output of runs as they end, on a thread of its own, one after the other.
///
/// # Errors
/// When the scheduler has shut down.
pub(crate) fn listen(scheduler: &Handle) -> Result<(), SchedulerError> {
    let handle = scheduler.clone();
    let wants = |event: &Event| matches!(event, Event::RunFinished { run, .. } if run.output.is_some());
    scheduler.on_event(wants, move |event| match event {
        Event::RunFinished { run, .. } => {
            let Some((mail, command)) = mail_of(&handle, &run) else { return };
            if let Err(error) = send(&mail, &command, &run) {
                notice::warn(format_args!(
                    "the output of run {} of {} was not mailed: {error}",
                    run.id, run.job
                ));
            }
        }
        Event::Lost { count } => {
            notice::warn(format_args!(
                "mailing is slower than runs: the output of up to {count} was not mailed"
            ));
        }
        _ => {}
    })
}

/// To whom the output of a run goes, and the command that printed it.
fn mail_of(scheduler: &Handle, run: &Run) -> Option<(Mail, String)> {
    let job = scheduler.get(&run.job).ok().flatten()?;
    let mail = serde_json::from_value(job.metadata.get(MAIL)?.clone()).ok()?;
    let arguments = job.arguments.get("arguments").and_then(Value::as_array);
    let command =
        arguments.and_then(|arguments| arguments.last()).and_then(Value::as_str).unwrap_or_default();
    Some((mail, command.to_owned()))
}

fn send(mail: &Mail, command: &str, run: &Run) -> Result<(), String> {
    let program = sendmail().ok_or(NO_SENDMAIL)?;
    let text = message(mail, command, run);
    let failed = |error: std::io::Error| format!("{}: {error}", program.display());
    let mut child = Command::new(&program)
        .args(arguments(mail))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(text.as_bytes()));
    let status = child.wait().map_err(failed)?;
    if !status.success() {
        return Err(format!("{} ended with {status}", program.display()));
    }
    written.map_err(failed)
}

/// As Debian's cron calls it; addresses come after `--`, so that none is taken for an option.
fn arguments(mail: &Mail) -> Vec<&str> {
    ["-i", "-FCronDaemon", "-oem", "--"].into_iter().chain(addresses(mail)).collect()
}

fn addresses(mail: &Mail) -> impl Iterator<Item = &str> {
    mail.to.split(',').map(str::trim).filter(|to| !to.is_empty())
}

/// How long a header's text may be, in characters: RFC 5322 allows 998 bytes a line.
const LONGEST_HEADER: usize = 200;

/// A header's text: on one line, whatever is in it, and without what a mail reader would pass to a terminal.
fn header(text: &str) -> String {
    let text = terminal::one_line(&text.replace(['\r', '\n'], " "));
    match text.char_indices().nth(LONGEST_HEADER) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn message(mail: &Mail, command: &str, run: &Run) -> String {
    let user =
        User::from_uid(geteuid()).ok().flatten().map_or_else(|| geteuid().to_string(), |user| user.name);
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    // An address a line: there may be many.
    let to: Vec<String> = addresses(mail).map(header).collect();
    format!(
        "From: {}\nTo: {}\nSubject: {}\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n\
         Content-Transfer-Encoding: 8bit\nAuto-Submitted: auto-generated\nX-Matins-Job: {}\nX-Matins-Run: {}\n\
         X-Matins-Outcome: {}\n\n{}",
        header(mail.from.as_deref().unwrap_or(&format!("{user} (Cron Daemon)"))),
        to.join(",\n "),
        header(&format!("Cron <{user}@{host}> {command}")),
        header(run.job.as_str()),
        run.id,
        run.outcome.map_or("", Outcome::as_str),
        run.output.as_deref().unwrap_or_default(),
    )
}

/// Warns, once, if jobs ask for mail that cannot be sent.
pub(crate) fn warn_without_sendmail<'a>(jobs: impl IntoIterator<Item = &'a Option<Mail>>) {
    if jobs.into_iter().any(Option::is_some) && sendmail().is_none() {
        notice::warn(NO_SENDMAIL);
    }
}

#[cfg(test)]
mod tests {
    use matins::{JobId, RunId};

    use super::*;

    #[test]
    fn a_mail_has_cron_s_subject_and_no_header_takes_a_second_line() {
        let mail = Mail { to: "ops@example.org, -x".into(), from: Some("a\nBcc: b".into()) };
        let now = chrono::DateTime::UNIX_EPOCH;
        let run = Run::started(RunId(7), JobId::new("backup").unwrap(), now, now).with(|run| {
            run.output = Some("line one\nline two\n".into());
            run.outcome = Some(Outcome::Failed);
        });
        let text = message(&mail, "backup\n--all", &run);
        let (headers, body) = text.split_once("\n\n").unwrap();
        assert_eq!(body, "line one\nline two\n");
        assert!(headers.contains("\nSubject: Cron <"), "{headers}");
        assert!(headers.contains("> backup --all\n"), "{headers}");
        assert!(headers.starts_with("From: a Bcc: b\nTo: ops@example.org,\n -x\n"), "{headers}");
        assert_eq!(arguments(&mail), ["-i", "-FCronDaemon", "-oem", "--", "ops@example.org", "-x"]);
    }

    #[test]
    fn no_text_of_others_makes_a_header_or_reaches_a_terminal() {
        let hostile = "x\r\nBcc: all@example.org\u{2028}\u{85}\u{9b}31m\u{1b}]0;t\u{7}\u{202e}\u{b}\u{c}";
        let mail = Mail { to: format!("{hostile},ops@example.org"), from: Some(hostile.into()) };
        let now = chrono::DateTime::UNIX_EPOCH;
        let run = Run::started(RunId(7), JobId::new("a\u{202e}b").unwrap(), now, now)
            .with(|run| run.output = Some("body\n".into()));
        let command = format!("{hostile} --password S3CR3T {}", "y".repeat(2000));
        let text = message(&mail, &command, &run);
        let (headers, _) = text.split_once("\n\n").unwrap();
        let names: Vec<&str> = headers
            .lines()
            .filter(|line| !line.starts_with(' '))
            .map(|line| line.split_once(':').unwrap().0)
            .collect();
        let expected = [
            "From",
            "To",
            "Subject",
            "MIME-Version",
            "Content-Type",
            "Content-Transfer-Encoding",
            "Auto-Submitted",
            "X-Matins-Job",
            "X-Matins-Run",
            "X-Matins-Outcome",
        ];
        assert_eq!(names, expected);
        assert!(!headers.contains(|c| terminal::is_harmful(c) && c != '\n'), "{headers:?}");
        assert!(!headers.contains("S3CR3T") && headers.lines().all(|line| line.len() < 998), "{headers}");
    }
}
