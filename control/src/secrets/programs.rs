//! Short options of well-known programs that take a secret.

/// Programs (a `*` stands for any end), their options whose value is a secret, and whether the value may be in the same word.
pub(super) const OPTIONS: [(&[&str], &[&str], Value); 7] = [
    (&["curl"], &["-u", "-U", "--user", "--proxy-user"], Value::Either),
    (&["sshpass"], &["-p"], Value::Either),
    (&["mysql*", "mariadb*"], &["-p"], Value::InSameWord),
    (&["redis-cli"], &["-a"], Value::NextWord),
    (&["ldapsearch", "ldapmodify", "ldapadd", "ldapdelete", "ldappasswd"], &["-w"], Value::Either),
    (&["mongo", "mongosh", "mongodump", "mongorestore", "docker", "podman"], &["-p"], Value::NextWord),
    (&["zip", "unzip"], &["-P"], Value::NextWord),
];

/// Where an option's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    NextWord,
    InSameWord,
    Either,
}

/// Returns whether the word after `word` is a secret, where `program` is run.
pub(super) fn takes_secret(program: Option<&str>, word: &str) -> bool {
    options(program).any(|(options, value)| value != Value::InSameWord && options.contains(&word))
}

/// Returns how long the option is at the start of a word that holds a secret too, as `-phunter2` does.
pub(super) fn glued(program: Option<&str>, word: &str) -> Option<usize> {
    options(program).filter(|(_, value)| *value != Value::NextWord).find_map(|(options, _)| {
        let option = options.iter().find(|option| option.len() == 2 && word.starts_with(**option))?;
        (word.len() > option.len()).then_some(option.len())
    })
}

/// Returns whether a word begins as one of the options above does.
pub(super) fn is_known_option(word: &str) -> bool {
    let is_meant = |option: &&str| word == *option || (option.len() == 2 && word.starts_with(*option));
    OPTIONS.iter().any(|(_, options, _)| options.iter().any(is_meant))
}

/// Returns whether a word is one of the programs above.
pub(super) fn is_known_program(word: &str) -> bool {
    options(Some(word)).next().is_some()
}

/// Returns whether a word is a shell, `/bin/sh` for example.
pub(super) fn is_shell(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    matches!(name, "sh" | "ash" | "bash" | "busybox" | "dash" | "fish" | "ksh" | "mksh" | "zsh")
}

/// Returns whether the word after `word`, an option of a shell, is a line for it: `-c`, `-lc`.
pub(super) fn takes_line(word: &str) -> bool {
    word.starts_with('-') && !word.starts_with("--") && word.ends_with('c')
}

fn options(program: Option<&str>) -> impl Iterator<Item = (&'static [&'static str], Value)> {
    let name = program.map(|program| program.rsplit('/').next().unwrap_or(program)).unwrap_or_default();
    let is_meant = move |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    OPTIONS
        .into_iter()
        .filter(move |(programs, ..)| programs.iter().any(|pattern| is_meant(pattern)))
        .map(|(_, options, value)| (options, value))
}
