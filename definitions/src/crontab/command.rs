//! The command of an entry: its text, its input, its environment and its user.

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use matins_task_command::Command;
use matins_task_command::{Encoding, Inherit};
use nix::unistd::{User, geteuid};

use super::Line;
use super::environment::Environment;

/// The command of an entry, run as `user`, or as the user of this process.
///
/// # Errors
/// If there is no such user.
pub(super) fn of(
    users: &mut Users,
    environment: &Environment,
    line: &Line,
    written: &str,
    user: Option<&str>,
) -> Result<Command, String> {
    let (command_line, stdin) = split_percent(written);
    let mut variables = users.defaults(user)?.clone();
    let fixed = ["LOGNAME", "USER"].map(str::as_bytes);
    variables.extend(
        environment
            .variables()
            .filter(|(name, _)| !fixed.contains(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let all = || variables.iter().flat_map(|(name, value)| [name, value]);
    let is_latin1 = line.is_latin1 || all().any(|bytes| str::from_utf8(bytes).is_err());
    let text = |bytes: &[u8]| -> String {
        if is_latin1 {
            bytes.iter().copied().map(char::from).collect()
        } else {
            String::from_utf8_lossy(bytes).into_owned()
        }
    };
    let get = |name: &str| variables.get(name.as_bytes()).map(|value| text(value));
    let shell = get("SHELL").unwrap_or_else(|| "/bin/sh".to_owned());
    let mut command = Command::new(shell).arguments(["-c".to_owned(), text(&line.bytes(&command_line))]);
    command.inherit = Inherit::Nothing;
    command.encoding = if is_latin1 { Encoding::Latin1 } else { Encoding::Utf8 };
    command.directory = get("HOME").map(Into::into);
    command.stdin = stdin.map(|stdin| text(&line.bytes(&stdin)));
    command.user = user.filter(|user| !users.is_own(user)).map(str::to_owned);
    command.environment = variables.iter().map(|(name, value)| (text(name), text(value))).collect();
    Ok(command)
}

type Variables = BTreeMap<Vec<u8>, Vec<u8>>;

/// What passwd(5) says of the users that a crontab names: each is looked for once.
#[derive(Debug, Default)]
pub(super) struct Users {
    defaults: HashMap<Option<String>, Result<Variables, String>>,
    own: HashMap<String, bool>,
    known: HashMap<String, bool>,
}

impl Users {
    fn defaults(&mut self, user: Option<&str>) -> Result<&Variables, String> {
        let entry = self.defaults.entry(user.map(str::to_owned)).or_insert_with(|| defaults(user));
        entry.as_ref().map_err(Clone::clone)
    }

    /// Whether it is the user of this process.
    fn is_own(&mut self, user: &str) -> bool {
        *self
            .own
            .entry(user.to_owned())
            .or_insert_with(|| User::from_name(user).ok().flatten().is_some_and(|user| user.uid == geteuid()))
    }

    fn is_known(&mut self, user: &str) -> bool {
        let look = || matches!(User::from_name(user), Ok(Some(_)));
        *self.known.entry(user.to_owned()).or_insert_with(look)
    }
}

/// What cron sets before the first line: from passwd(5), whatever the environment of this process says.
fn defaults(user: Option<&str>) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, String> {
    let entry = match user {
        Some(name) => match User::from_name(name) {
            Ok(Some(user)) => Some(user),
            _ => return Err(format!("there is no user {name:?} on this machine; name one of /etc/passwd")),
        },
        None => User::from_uid(geteuid()).ok().flatten(),
    };
    // In a container, a process may run as a number that has no entry.
    let (home, name) = match entry {
        Some(user) => (user.dir.to_string_lossy().into_owned(), user.name),
        None => (env::var("HOME").unwrap_or_else(|_| "/".to_owned()), geteuid().to_string()),
    };
    let variables = [
        ("SHELL", "/bin/sh"),
        ("PATH", "/usr/bin:/bin"),
        ("HOME", &home),
        ("LOGNAME", &name),
        ("USER", &name),
    ];
    Ok(variables.map(|(name, value)| (name.as_bytes().to_owned(), value.as_bytes().to_owned())).into())
}

/// The command, and what it reads.
pub(super) fn split_percent(line: &str) -> (String, Option<String>) {
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
    let stdin = parts.get(1).filter(|input| !input.is_empty()).map(|input| {
        let end = if input.ends_with('\n') { "" } else { "\n" };
        format!("{input}{end}")
    });
    (parts[0].trim_end_matches([' ', '\t']).to_owned(), stdin)
}

/// Says so if the first word of a command is a user of this machine, and no program: then the line is probably from a
/// system crontab.
pub(super) fn user_column(users: &mut Users, word: &str, command: &Command) -> Option<String> {
    let is_user = !word.contains('/') && users.is_known(word);
    let path = command.environment.get("PATH").map(String::as_str).unwrap_or_default();
    let is_program = |directory: &str| {
        let file = Path::new(directory).join(word);
        file.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    (is_user && !path.split(':').any(is_program)).then(|| {
        format!(
            "{word:?} is a user of this machine, and not a program in PATH; is this a system crontab? Then use --system"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Debian's cron 3.0pl1-162 was seen to do.
    #[test]
    fn percent_signs_divide_the_command_from_its_input() {
        for (line, command, stdin) in [
            ("cat%a%", "cat", Some("a\n")),
            ("cat%a", "cat", Some("a\n")),
            ("cat%", "cat", None),
            ("cat%a%%b", "cat", Some("a\n\nb\n")),
            ("cat%x\\%y\\z", "cat", Some("x%y\\z\n")),
            ("cat%  lead", "cat", Some("  lead\n")),
            ("echo 'x\\%y'", "echo 'x%y'", None),
            ("echo 'x\\\\%y'", "echo 'x\\\\", Some("y'\n")),
            ("date +\\%F", "date +%F", None),
        ] {
            let (found, input) = split_percent(line);
            assert_eq!((found.as_str(), input.as_deref()), (command, stdin), "{line}");
        }
    }
}
