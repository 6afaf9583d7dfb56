//! `matins run`: the arguments of the daemon.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use matins::definitions::crontab;
use matins::triggers::Zone;
use matins_daemon::{Failure, LogForm, Settings, Sources};

use crate::http::HttpArguments;

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// A configuration, in JSON if its name ends in .json, else in TOML. (A number in its place shows that run of the ledger: `matins run 812`.)
    #[arg(value_name = "FILE")]
    config: Option<PathBuf>,
    /// A crontab, as crontab(5) describes it, beside those that the configuration names.
    #[arg(long, value_name = "FILE")]
    crontab: Option<PathBuf>,
    /// The crontab has a user between the times and the command, as /etc/crontab and the files of /etc/cron.d have.
    #[arg(long, requires = "crontab")]
    system: bool,
    /// Takes over the jobs of this file, which has moved to where the configuration or crontab is now.
    #[arg(long, value_name = "FILE")]
    adopt: Option<PathBuf>,
    /// Where jobs and their ledger are kept: `sqlite:PATH`, `file:DIRECTORY`, `memory` or `postgres://USER@HOST/DATABASE` [default: the
    /// configuration's, else sqlite:matins.db]
    #[arg(long, value_name = "STORE", env = "MATINS_STORE", hide_env_values = true)]
    store: Option<String>,
    /// How long to wait for another process that owns the store, such as the previous daemon in a deployment: 30s [default: the
    /// store's parameter `?wait_for_owner=30s`, else the configuration's key, else 2s]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    wait_for_owner: Option<Duration>,
    /// The time zone of jobs that name none, and of the times shown [default: the configuration's, else this machine's]
    #[arg(long, value_name = "ZONE")]
    tz: Option<Zone>,
    /// The control socket [default: beside the store, as NAME-control; none for a store in memory or on PostgreSQL]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Listens to no socket: other commands find the store in use.
    #[arg(long, conflicts_with = "socket")]
    no_socket: bool,
    /// Reads edited crontabs only on `matins reload` or SIGHUP, and does not watch them.
    #[arg(long)]
    no_watch: bool,
    /// What is printed for each run: a line for people, or JSON.
    #[arg(long, value_name = "FORM", default_value = "text")]
    log: Form,
    #[command(flatten)]
    http: HttpArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
}

pub(crate) fn run(arguments: RunArguments) -> Result<(), Failure> {
    let form = if arguments.system { crontab::Form::System } else { crontab::Form::User };
    matins_daemon::run(Settings {
        sources: Sources { config: arguments.config, crontab: arguments.crontab, form, zone: arguments.tz },
        adopt: arguments.adopt,
        store: arguments.store,
        wait_for_owner: arguments.wait_for_owner,
        has_socket: !arguments.no_socket,
        socket: arguments.socket,
        watches_crontabs: !arguments.no_watch,
        log: match arguments.log {
            Form::Text => LogForm::Text,
            Form::Json => LogForm::Json,
        },
        http: arguments.http.settings(),
    })
}
