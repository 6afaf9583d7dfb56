//! A store on PostgreSQL, which schedulers share: its tables and its roles.

use matins::config::{PostgresUrl, StoreUrl};
use matins::{PostgresMigration, PostgresOptions, PostgresRole};
use matins_daemon::{Failure, postgres_options as options};

use crate::shown;

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
