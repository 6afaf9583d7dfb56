//! A store on PostgreSQL, which schedulers share: how a command opens it, and what `matins store` does with it.

use matins::config::{PostgresUrl, StoreUrl};
use matins::prelude::*;
use matins::{
    ClaimStore, JobPosition, PostgresMigration, PostgresOptions, PostgresRole, PostgresStore, StoreError,
};

use crate::store::holding;
use crate::{show, shown};
use matins_daemon::{Failure, postgres_options as options};
use matins_terminal::notice;

/// Reads each row, and names those that cannot be read. Schedulers may be running meanwhile.
pub(crate) fn check(url: &PostgresUrl) -> Result<(), String> {
    let chain = |error: StoreError| matins::error_chain(&error);
    let mut store = options(url, true).and_then(PostgresOptions::open).map_err(chain)?;
    let jobs = read_jobs(&mut store).map_err(chain)?;
    let runs = read_runs(&mut store).map_err(chain)?;
    for row in store.quarantined() {
        notice::warn(row);
    }
    shown::line(format_args!("{url}: {} are whole", holding(jobs, runs)));
    match store.quarantined().len() {
        0 => Ok(()),
        count => Err(format!("{} cannot be read", show::counted(count, "row"))),
    }
}

fn read_jobs(store: &mut PostgresStore) -> Result<usize, StoreError> {
    let mut query = JobQuery::default().limit(1_000);
    let mut count = 0;
    loop {
        let page = store.list(&query)?;
        let Some(last) = page.last() else { return Ok(count) };
        query.after = Some(JobPosition::of(last));
        count += page.len();
    }
}

fn read_runs(store: &mut PostgresStore) -> Result<usize, StoreError> {
    let mut query = RunQuery::default().limit(1_000);
    let mut count = 0;
    loop {
        let page = store.runs(&query)?;
        let Some(last) = page.last() else { return Ok(count) };
        query.after = Some(last.id);
        count += page.len();
    }
}

/// Makes the tables, or brings those of an earlier version up to date.
pub(crate) fn migrate(url: &PostgresUrl) -> Result<(), String> {
    let migrated = options(url, true).and_then(PostgresOptions::migrate);
    let PostgresMigration { from, to, .. } = migrated.map_err(|error| matins::error_chain(&error))?;
    shown::line(match from {
        Some(from) if from == to => format!("{url} is up to date, of format {to}"),
        Some(from) => format!("{url}: from format {from} to {to}"),
        None => format!("{url}: the tables are made, of format {to}"),
    });
    Ok(())
}

/// A role of the database, and what it is for: `NAME=node`.
#[derive(Debug, Clone)]
pub(crate) struct NamedRole {
    name: String,
    role: PostgresRole,
}

/// Reads `NAME=KIND`.
pub(crate) fn named_role(text: &str) -> Result<NamedRole, String> {
    let (name, role) = text
        .rsplit_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or("write NAME=owner, NAME=node or NAME=reader, with the name of a role of the database")?;
    let role = role.parse().map_err(|error| format!("{error}"))?;
    Ok(NamedRole { name: name.to_owned(), role })
}

/// Makes the tables, and the roles with their rights.
pub(crate) fn init(url: &StoreUrl, roles: &[NamedRole]) -> Result<(), Failure> {
    let StoreUrl::Postgres(url) = url else {
        let message = "only a store on PostgreSQL is made with roles; the others are made by `matins run` or `matins add`";
        return Err(Failure::BadInput(message.to_owned()));
    };
    let named: Vec<(&str, PostgresRole)> = roles.iter().map(|role| (role.name.as_str(), role.role)).collect();
    let made = options(url, true).and_then(|options| options.init(&named));
    let made = made.map_err(|error| Failure::BadInput(matins::error_chain(&error)))?;
    shown::line(format_args!("{url}: the tables are there"));
    for NamedRole { name, role } in roles {
        let rest = if made.contains(name) {
            "; it was made, and has no password yet: set one with \\password in psql"
        } else {
            ""
        };
        shown::line(format_args!("{name} has the rights of {}{rest}", kind(*role)));
    }
    Ok(())
}

fn kind(role: PostgresRole) -> &'static str {
    match role {
        PostgresRole::Owner => "the owner",
        PostgresRole::Node => "a node",
        _ => "a reader",
    }
}
