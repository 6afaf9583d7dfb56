//! A user's crontab, as crontab(5) describes it.
//!
//! Environment lines hold for the lines below them. A command is run by `SHELL` (by default `/bin/sh`) with `-c`, in the
//! home directory, with the crontab's environment and nothing else. An unescaped `%` ends the command; what follows
//! is its standard input, further `%` being newlines.

use std::collections::{BTreeMap, HashMap};

use matins::prelude::*;
use matins::triggers::{CronExpression, Zone};
use matins::{Policy, core::JobId};

use crate::definition::{Definition, When};
use crate::diagnostic::Diagnostic;

/// Reads a crontab; `zone` is that of lines without a `CRON_TZ` above them.
pub(crate) fn parse(text: &str, zone: Zone) -> Result<Vec<Definition>, Vec<Diagnostic>> {
    let mut reader = Reader { text, zone, environment: default_environment(), names: HashMap::new() };
    let mut definitions = Vec::new();
    let mut faults = Vec::new();
    for line in text.lines() {
        match reader.line(line.trim_matches([' ', '\t', '\r'])) {
            Ok(Some(definition)) => definitions.push(definition),
            Ok(None) => {}
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(definitions) } else { Err(faults) }
}

fn default_environment() -> BTreeMap<String, String> {
    let own = |name: &str| std::env::var(name).ok();
    let mut environment: BTreeMap<String, String> = [("SHELL", "/bin/sh"), ("PATH", "/usr/bin:/bin")]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
    let user = own("LOGNAME").or_else(|| own("USER"));
    for (name, value) in [("HOME", own("HOME")), ("LOGNAME", user)] {
        environment.extend(value.map(|value| (name.to_owned(), value)));
    }
    environment
}

struct Reader<'a> {
    text: &'a str,
    zone: Zone,
    environment: BTreeMap<String, String>,
    /// How many jobs have each name so far.
    names: HashMap<String, usize>,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) -> Result<Option<Definition>, Diagnostic> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        if let Some((name, value)) = environment(line) {
            return self.set(&name, value).map(|()| None);
        }
        let (when, command) = self.entry(line)?;
        if command.is_empty() {
            return Err(self.fault(line, line.len(), "the command is missing; write it after the times"));
        }
        Ok(Some(self.definition(when, command)))
    }

    /// A fault at a byte of a line of the text.
    fn fault(&self, line: &str, offset: usize, message: impl std::fmt::Display) -> Diagnostic {
        // The line is a part of the text, so that its address tells its place.
        let start = (line.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        Diagnostic::at(self.text, start + offset, message)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Diagnostic> {
        let unquoted = unquote(value);
        if name == "CRON_TZ" {
            self.zone = Zone::named(unquoted).map_err(|error| self.fault(value, 0, error))?;
        }
        self.environment.insert(name.to_owned(), unquoted.to_owned());
        Ok(())
    }

    /// The times, and the rest of the line.
    fn entry<'l>(&self, line: &'l str) -> Result<(When, &'l str), Diagnostic> {
        let fields = if line.starts_with('@') { 1 } else { 5 };
        let mut rest = line;
        for _ in 0..fields {
            rest = rest.trim_start_matches([' ', '\t']);
            rest = &rest[rest.find([' ', '\t']).unwrap_or(rest.len())..];
        }
        let times = &line[..line.len() - rest.len()];
        let command = rest.trim_start_matches([' ', '\t']);
        if times.eq_ignore_ascii_case("@reboot") {
            return Ok((When::Start, command));
        }
        match CronExpression::parse(times) {
            Ok(expression) => Ok((When::Cron(CronTrigger::new(expression, self.zone)), command)),
            Err(error) => Err(self.fault(line, error.place().start, error)),
        }
    }

    fn definition(&mut self, when: When, line: &str) -> Definition {
        let (command_line, stdin) = split_percent(line);
        let shell = self.environment.get("SHELL").map_or("/bin/sh", String::as_str);
        let mut command = Command::new(shell).arguments(["-c", &command_line]);
        command.inherit = matins::Inherit::Nothing;
        command.environment.clone_from(&self.environment);
        command.directory = self.environment.get("HOME").map(Into::into);
        command.stdin = stdin;
        let id = self.name(&command_line);
        Definition {
            id,
            when,
            command,
            policy: Policy::default(),
            jitter: None,
            expected_duration: None,
            paused: false,
            tags: ["crontab".into()].into(),
        }
    }

    /// A job's name: its program, with a number where there are several.
    fn name(&mut self, command_line: &str) -> String {
        let is_assignment = |word: &&str| word.split_once('=').is_some_and(|(name, _)| is_name(name));
        let program = command_line.split_whitespace().find(|word| !is_assignment(word)).unwrap_or("command");
        let name = program.rsplit('/').find(|part| !part.is_empty()).unwrap_or(program);
        let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
        let name = if JobId::new(&name).is_ok() { name } else { "command".to_owned() };
        let count = self.names.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name}-{count}") }
    }
}

/// `NAME = value`, the name perhaps in quotes.
fn environment(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = unquote(name.trim_end_matches([' ', '\t']));
    is_name(name).then(|| (name.to_owned(), value.trim_matches([' ', '\t'])))
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Without a pair of quotes around it.
fn unquote(text: &str) -> &str {
    ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(text)
}

/// The command, and what it reads.
fn split_percent(line: &str) -> (String, Option<String>) {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for c in line.chars() {
        let last = parts.len() - 1;
        match c {
            '%' if escaped => {
                // `\%` is a percent sign; the backslash goes.
                parts[last].pop();
                parts[last].push('%');
            }
            '%' if last == 0 => parts.push(String::new()),
            '%' => parts[last].push('\n'),
            c => parts[last].push(c),
        }
        escaped = c == '\\' && !escaped;
    }
    let stdin = (parts.len() == 2).then(|| format!("{}\n", parts[1]));
    (parts[0].trim_end().to_owned(), stdin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Definition> {
        parse(text, Zone::utc()).unwrap()
    }

    fn faults(text: &str) -> Vec<(usize, usize)> {
        parse(text, Zone::utc()).unwrap_err().iter().map(|fault| (fault.line, fault.column)).collect()
    }

    #[test]
    fn comments_blank_lines_and_environment_are_read() {
        let jobs = read(
            "# m h dom mon dow command\n\n  \t\nMAILTO=\"ops@example.org\"\nSHELL = /bin/bash\n\
             CRON_TZ=Europe/Berlin\nEMPTY=\nQUOTED = ' a b '\n*/5 * * * * echo hello\n",
        );
        let [job] = &jobs[..] else { panic!("one job: {jobs:?}") };
        assert_eq!(job.id, "echo");
        assert_eq!(job.command.program, "/bin/bash");
        assert_eq!(job.command.arguments, ["-c", "echo hello"]);
        assert_eq!(job.command.environment["QUOTED"], " a b ");
        assert_eq!(job.command.environment["EMPTY"], "");
        assert!(matches!(&job.when, When::Cron(trigger) if trigger.zone().name() == "Europe/Berlin"));
    }

    #[test]
    fn environment_holds_for_the_lines_below() {
        let jobs = read("A=1\n@daily one\nA=2\n@daily two\n");
        assert_eq!(jobs[0].command.environment["A"], "1");
        assert_eq!(jobs[1].command.environment["A"], "2");
    }

    #[test]
    fn a_percent_sign_begins_the_input_and_an_escaped_one_is_itself() {
        let jobs = read("0 0 * * * mail -s 'at 100\\%' bob%Dear Bob,%%bye\n0 0 * * * date +\\%F\n");
        assert_eq!(jobs[0].command.arguments[1], "mail -s 'at 100%' bob");
        assert_eq!(jobs[0].command.stdin.as_deref(), Some("Dear Bob,\n\nbye\n"));
        assert_eq!(jobs[1].command.arguments[1], "date +%F");
        assert_eq!(jobs[1].command.stdin, None);
    }

    #[test]
    fn nicknames_and_reboot_are_read() {
        let jobs = read("@reboot /opt/start\n@Hourly\t/opt/tick --all\n@annually A=b /opt/party\n");
        assert!(matches!(jobs[0].when, When::Start));
        assert!(
            matches!(&jobs[1].when, When::Cron(trigger) if trigger.expression().to_string() == "0 * * * *")
        );
        assert_eq!(jobs.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["start", "tick", "party"]);
    }

    #[test]
    fn jobs_of_the_same_program_are_numbered() {
        let jobs = read("@daily /a/run x\n@daily /b/run y\n");
        assert_eq!(jobs.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["run", "run-2"]);
    }

    #[test]
    fn every_fault_is_told_with_line_and_column() {
        assert_eq!(
            faults(
                "* * * * * fine\n  61 * * * * x\n* * * * MOM x\n* * * *\n@fortnightly x\n* * * * *\nCRON_TZ=Mars\n"
            ),
            [(2, 3), (3, 9), (4, 8), (5, 1), (6, 10), (7, 9)]
        );
        assert_eq!(faults("nonsense here\n"), [(1, 14)]);
    }
}
