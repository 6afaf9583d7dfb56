//! `matins completions`, `matins man`: what shells and man(1) want to know of the command line.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process;

use clap::{Args, Command, CommandFactory, Parser};
use clap_complete::Shell;
use matins_daemon::Failure;
use matins_terminal::{self as terminal, Text};

use crate::Arguments;
use crate::shown;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// For bash: `matins completions bash > /etc/bash_completion.d/matins`
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// The directory: /usr/local/share/man/man1
    directory: PathBuf,
}

/// Prints help, or what is wrong with the command line, and exits.
pub(crate) fn refuse(error: &clap::Error, words: &[OsString]) -> ! {
    if !error.use_stderr() {
        error.exit();
    }
    // The message quotes the command line, which may hold what others wrote (`matins jobs "$prefix"`): it is made once more,
    // of words that are harmless.
    let harmless = words.iter().map(|word| terminal::one_line(&word.to_string_lossy()));
    if let Err(error) = Arguments::try_parse_from(harmless) {
        error.exit();
    }
    let _ = Text::new().indented(error.render()).end_line().print_to_stderr();
    process::exit(error.exit_code())
}

// A command line that cannot be completed is one that nobody prints: standard output is gone then.
#[allow(clippy::unnecessary_wraps)]
pub(crate) fn completions(arguments: &CompletionsArguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "matins", &mut script);
    shown::raw(&script);
    Ok(())
}

pub(crate) fn man(arguments: &ManArguments) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::NotDone(format!("cannot write {}: {error}", arguments.directory.display()))
    };
    fs::create_dir_all(&arguments.directory).map_err(failed)?;
    let mut command = Arguments::command();
    command.build();
    let mut pages = Vec::new();
    collect(&command, "matins", &mut pages);
    for (name, page) in &pages {
        let file = fs::File::create(arguments.directory.join(format!("{name}.1"))).map_err(failed)?;
        clap_mangen::Man::new(page.clone().display_name(name))
            .title(name.to_uppercase())
            .render(&mut &file)
            .map_err(failed)?;
    }
    shown::line(format_args!(
        "{} pages in {}; read one with: man {}/matins.1",
        pages.len(),
        arguments.directory.display(),
        arguments.directory.display()
    ));
    Ok(())
}

fn collect(command: &Command, name: &str, pages: &mut Vec<(String, Command)>) {
    pages.push((name.to_owned(), command.clone()));
    for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
        collect(child, &format!("{name}-{}", child.get_name()), pages);
    }
}
