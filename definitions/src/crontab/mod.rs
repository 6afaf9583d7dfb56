//! A crontab, as crontab(5) of Debian's cron describes it.
//!
//! Environment lines hold for the lines below them. A command is run by `SHELL` (by default `/bin/sh`) with `-c`, in the
//! home directory of its user, with the crontab's environment and nothing else. An unescaped `%` ends the command; what
//! follows is its standard input, further `%` being newlines. A system crontab (`/etc/crontab`, `/etc/cron.d`) has a
//! user between the times and the command.
//!
//! A crontab is bytes, as cron reads it: a line that is not valid UTF-8 is read as Latin-1, and its bytes reach the
//! command unchanged.

mod command;
mod debian;
mod environment;
mod identity;
mod random;
mod times;

use chrono::TimeDelta;
use matins_core::{ExecutorName, Policy, StoreName};
use matins_task_command::Command;
use matins_triggers::Zone;

use crate::definition::{Definition, Mail, When};
use crate::diagnostic::Diagnostic;

use environment::{Environment, Setting};

pub use identity::{Existing, Keys, assign_ids, hash};

/// Which columns the lines of a crontab have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Times and a command: a user's crontab.
    #[default]
    User,
    /// Times, a user and a command: `/etc/crontab`, and files in `/etc/cron.d`.
    System,
}

/// How a crontab is read.
#[derive(Debug, Clone)]
pub struct Options {
    /// The time zone of lines without a `CRON_TZ` above them.
    pub zone: Zone,
    /// Which columns its lines have.
    pub form: Form,
    /// Identifies the machine, so that random times differ from machine to machine and are stable on each.
    pub machine: String,
}

impl Options {
    /// For this machine, by its machine-id(5), or else by its host name.
    ///
    /// ```
    /// use matins_definitions::crontab::{Form, Options};
    /// use matins_triggers::Zone;
    ///
    /// let options = Options::new(Zone::named("Europe/Berlin")?, Form::System);
    /// assert!(!options.machine.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(zone: Zone, form: Form) -> Self {
        Self { zone, form, machine: random::machine_id() }
    }
}

/// What a crontab says.
#[derive(Debug)]
pub struct Crontab {
    /// In the order of their lines. Their ids are proposals: see [`assign_ids`].
    pub jobs: Vec<Definition>,
    /// What its author may not expect, in the order of lines.
    pub notes: Vec<Note>,
}

/// Something that is accepted, and worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// From 1.
    pub line: usize,
    /// What it is about.
    pub kind: NoteKind,
    /// A sentence.
    pub text: String,
}

/// What a [`Note`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKind {
    /// It is probably a mistake.
    Warning,
    /// Debian's cron would do something else.
    Difference,
}

/// Reads a crontab.
///
/// ```
/// use matins_definitions::crontab::{Form, NoteKind, Options, parse};
/// use matins_triggers::Zone;
///
/// let text = b"MAILTO=ops\n*/5 * * * *  check-mail\n0 0 30 2 *  never\n";
/// let crontab = parse(text, &Options::new(Zone::utc(), Form::User)).unwrap();
/// assert_eq!(crontab.jobs[0].mail.as_ref().unwrap().to, "ops");
/// assert!(crontab.jobs[1].is_paused());
/// assert_eq!((crontab.notes[0].line, crontab.notes[0].kind), (3, NoteKind::Warning));
/// ```
///
/// # Errors
/// All lines that are wrong.
pub fn parse(text: &[u8], options: &Options) -> Result<Crontab, Vec<Diagnostic>> {
    let mut reader = Reader {
        options,
        zone: options.zone,
        environment: Environment::default(),
        users: command::Users::default(),
        random_delay: 0,
        crontab: Crontab { jobs: Vec::new(), notes: Vec::new() },
    };
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut faults = Vec::new();
    for (index, bytes) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = Line::new(index + 1, bytes);
        if let Err((place, message)) = reader.line(&line) {
            let column = line.text[..place.min(line.text.len())].chars().count() + 1;
            faults.push(Diagnostic { line: line.number, column, message });
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    debian::note_missing_newline(text, &mut reader.crontab.notes);
    Ok(reader.crontab)
}

/// What is wrong in a line, and at which byte of its text.
type Fault = (usize, String);

/// A line as text.
struct Line {
    number: usize,
    text: String,
    /// Whether each character stands for a byte, as the line is not valid UTF-8.
    is_latin1: bool,
}

impl Line {
    fn new(number: usize, bytes: &[u8]) -> Self {
        match str::from_utf8(bytes) {
            Ok(text) => Self { number, text: text.to_owned(), is_latin1: false },
            Err(_) => Self { number, text: bytes.iter().copied().map(char::from).collect(), is_latin1: true },
        }
    }

    /// The bytes of a part of the text, as they are in the file.
    fn bytes(&self, part: &str) -> Vec<u8> {
        if self.is_latin1 { part.chars().map(|c| c as u8).collect() } else { part.as_bytes().to_vec() }
    }
}

struct Reader<'a> {
    options: &'a Options,
    zone: Zone,
    environment: Environment,
    users: command::Users,
    /// In minutes.
    random_delay: u32,
    crontab: Crontab,
}

impl Reader<'_> {
    fn note(&mut self, line: &Line, kind: NoteKind, text: impl Into<String>) {
        self.crontab.notes.push(Note { line: line.number, kind, text: text.into() });
    }

    fn line(&mut self, line: &Line) -> Result<(), Fault> {
        let trimmed = line.text.trim_matches([' ', '\t', '\r']);
        if trimmed.is_empty() || trimmed.starts_with('#') {
            return Ok(());
        }
        // The part is a slice of the text, so that its address tells its place.
        let place = |part: &str| (part.as_ptr() as usize).saturating_sub(line.text.as_ptr() as usize);
        if let Some(zero) = line.text.find('\0') {
            return Err((zero, "a zero byte cannot be in a crontab; remove it".to_owned()));
        }
        match environment::setting(trimmed).map_err(|(part, message)| (place(part), message))? {
            Some(setting) => {
                self.set(line, &setting).map_err(|message| (place(setting.written), message))?;
            }
            None => self.entry(line, trimmed).map_err(|(part, message)| (place(part), message))?,
        }
        if line.text.ends_with('\r') {
            let text =
                "the line ends in a carriage return, which cron would pass to the command; it is left out";
            self.note(line, NoteKind::Difference, text);
        }
        Ok(())
    }

    fn set(&mut self, line: &Line, setting: &Setting<'_>) -> Result<(), String> {
        let Setting { name, value, written } = *setting;
        match name {
            "CRON_TZ" => {
                self.zone = match value {
                    "" => self.options.zone,
                    name => Zone::named(name).map_err(|error| matins_core::error_chain(&error))?,
                };
                let text = "Debian's cron ignores CRON_TZ and keeps to the machine's zone";
                self.note(line, NoteKind::Difference, text);
            }
            "RANDOM_DELAY" => {
                self.random_delay = match value {
                    "" => 0,
                    minutes => minutes.parse().map_err(|_| {
                        format!("{minutes:?} is not a number of minutes; write one such as RANDOM_DELAY=30")
                    })?,
                };
                self.note(line, NoteKind::Difference, "Debian's cron ignores RANDOM_DELAY; cronie has it");
            }
            "LOGNAME" | "USER" => {
                let text = format!("{name} cannot be set in a crontab: it is the user that the job runs as");
                self.note(line, NoteKind::Warning, text);
                return Ok(());
            }
            "TZ" => {
                let text = "TZ is passed to commands and does not change when they run; CRON_TZ does";
                self.note(line, NoteKind::Warning, text);
            }
            _ => {}
        }
        if value.is_empty() && written.is_empty() {
            let text = format!("Debian's cron refuses a name without a value; write {name}=\"\"");
            self.note(line, NoteKind::Difference, text);
        }
        self.environment.set(&line.bytes(name), line.bytes(value));
        Ok(())
    }

    fn entry<'l>(&mut self, line: &Line, text: &'l str) -> Result<(), (&'l str, String)> {
        let (times, rest) = times::split(text);
        let (user, written) = match self.options.form {
            Form::User => (None, rest),
            Form::System => {
                let end = rest.find([' ', '\t']).unwrap_or(rest.len());
                let (user, written) = rest.split_at(end);
                (Some(user), written.trim_start_matches([' ', '\t']))
            }
        };
        let first_word = written.split([' ', '\t']).next().unwrap_or_default();
        if user.is_none() && times::reads_like_a_field(first_word) {
            let message = format!(
                "{first_word:?} reads like a sixth field; a crontab has five, then the command. Remove one, or give the \
                 command by its path"
            );
            return Err((first_word, message));
        }
        let salt = random::Salt { machine: &self.options.machine, entry: text };
        let zone = self.zone;
        let when = times::when(times, zone, &salt)
            .map_err(|(offset, message)| (times.get(offset..).unwrap_or(""), message))?;
        if user == Some("") {
            return Err((&text[text.len()..], "the user is missing; write it after the times".to_owned()));
        }
        if written.is_empty() {
            return Err((&text[text.len()..], "the command is missing; write it after the times".to_owned()));
        }
        if let When::Never(never) = &when {
            let text = format!("{never:?} never fires: the calendar has no such day");
            self.note(line, NoteKind::Warning, text);
        }
        let command = command::of(&mut self.users, &self.environment, line, written, user)
            .map_err(|message| (user.unwrap_or(first_word), message))?;
        self.note_about_entry(line, times, written, user, &command);
        let mail = self.environment.mail();
        let random_delay = i64::from(self.random_delay);
        let has_delay = random_delay > 0 && matches!(when, When::Cron(_));
        let proposed_id = identity::proposed_id(&command::split_percent(written).0);
        self.crontab.jobs.push(Definition {
            id: proposed_id.clone(),
            proposed_id: Some(proposed_id),
            when,
            command,
            store: StoreName::default(),
            executor: ExecutorName::default(),
            policy: Policy::default(),
            jitter: has_delay.then(|| TimeDelta::minutes(random_delay)),
            jitter_seed: Some(salt.number("delay", u64::MAX)),
            mail: mail.map(|(to, from)| Mail { to, from }),
            expected_duration: None,
            paused: false,
            tags: ["crontab".to_owned()].into(),
        });
        Ok(())
    }

    fn note_about_entry(
        &mut self,
        line: &Line,
        times: &str,
        written: &str,
        user: Option<&str>,
        command: &Command,
    ) {
        if user.is_none() {
            let first_word = written.split([' ', '\t']).next().unwrap_or_default();
            if let Some(text) = command::user_column(&mut self.users, first_word, command) {
                self.note(line, NoteKind::Warning, text);
            }
        }
        for text in debian::differences(times, written) {
            self.note(line, NoteKind::Difference, text);
        }
    }
}

#[cfg(test)]
mod tests;
