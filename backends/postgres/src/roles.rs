//! What is done to a database by hand: its tables are made and brought up to date, and roles are given the rights that they need.

use std::str::FromStr;
use std::sync::Arc;

use matins_core::StoreError;
use tokio_postgres::types::Type;

use crate::PostgresOptions;
use crate::connection::{Link, parameter};
use crate::schema;

/// What a role of the database may do with a store.
///
/// ```
/// use matins_store_postgres::PostgresRole;
///
/// assert_eq!("node".parse(), Ok(PostgresRole::Node));
/// assert_eq!(PostgresRole::Reader.name(), "reader");
/// assert!("admin".parse::<PostgresRole>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostgresRole {
    /// It owns the tables, and brings them up to date. Nothing else needs it.
    Owner,
    /// A scheduler, or a command of `matins`: it reads and writes rows. Rows of the ledger are added and pruned, and not changed.
    Node,
    /// It reads the views that are made for people, and nothing else.
    Reader,
}

/// A text that names no [`PostgresRole`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a kind of role; write owner, node or reader")]
pub struct PostgresRoleError(String);

impl PostgresRole {
    /// Returns its name: `owner`, `node` or `reader`.
    ///
    /// ```
    /// use matins_store_postgres::PostgresRole;
    ///
    /// assert_eq!(PostgresRole::Reader.name(), "reader");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Node => "node",
            Self::Reader => "reader",
        }
    }

    /// What makes a role one of this kind.
    fn statements(self, schema: &str, role: &str) -> String {
        let template = match self {
            Self::Owner => OWN,
            Self::Node => SERVE,
            Self::Reader => READ,
        };
        template.replace("{s}", schema).replace("{role}", role)
    }
}

impl FromStr for PostgresRole {
    type Err = PostgresRoleError;

    fn from_str(text: &str) -> Result<Self, PostgresRoleError> {
        let all = [Self::Owner, Self::Node, Self::Reader];
        all.into_iter().find(|role| role.name() == text).ok_or_else(|| PostgresRoleError(text.to_owned()))
    }
}

/// The formats of the tables before and after they were brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostgresMigration {
    /// The format before; `None` if there were no tables.
    pub from: Option<u32>,
    /// The format now.
    pub to: u32,
}

/// All that belongs to the store changes hands. A sequence of a column goes with its table.
const OWN: &str = "ALTER SCHEMA {s} OWNER TO {role}; DO $of_matins$ DECLARE one record; BEGIN \
    FOR one IN SELECT c.oid::regclass AS name, c.relkind FROM pg_class c WHERE c.relnamespace = '{s}'::regnamespace \
        AND c.relkind IN ('r', 'v', 'S') AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'i') LOOP \
        EXECUTE format('ALTER %s %s OWNER TO {role_in_text}', \
            CASE one.relkind WHEN 'r' THEN 'TABLE' WHEN 'v' THEN 'VIEW' ELSE 'SEQUENCE' END, one.name); \
    END LOOP; \
    FOR one IN SELECT p.oid::regprocedure AS name FROM pg_proc p WHERE p.pronamespace = '{s}'::regnamespace LOOP \
        EXECUTE format('ALTER FUNCTION %s OWNER TO {role_in_text}', one.name); \
    END LOOP; END $of_matins$";

/// The ledger is added to. Only how many missed fires a row stands for is changed later.
const SERVE: &str = "GRANT USAGE ON SCHEMA {s} TO {role}; \
    GRANT SELECT, UPDATE (generation) ON {s}.meta TO {role}; \
    GRANT SELECT, INSERT, UPDATE, DELETE ON {s}.nodes, {s}.jobs, {s}.due, {s}.live TO {role}; \
    GRANT SELECT, INSERT, UPDATE ON {s}.groups TO {role}; \
    GRANT SELECT, INSERT ON {s}.lanes, {s}.notes TO {role}; \
    GRANT SELECT, INSERT, UPDATE (first_fire, last_fire, fires) ON {s}.runs TO {role}; \
    GRANT SELECT, USAGE, UPDATE ON SEQUENCE {s}.run_ids, {s}.versions, {s}.nodes_id_seq TO {role}; \
    GRANT EXECUTE ON FUNCTION {s}.prune_job(text, bigint), {s}.prune_before(timestamptz) TO {role}; \
    GRANT SELECT ON {s}.jobs_readable, {s}.runs_readable, {s}.nodes_readable TO {role}";

const READ: &str = "GRANT USAGE ON SCHEMA {s} TO {role}; \
    GRANT SELECT ON {s}.jobs_readable, {s}.runs_readable, {s}.nodes_readable TO {role}";

impl PostgresOptions {
    /// Makes the tables, or brings those of an earlier version to this one. [`open`](Self::open) does so too, where the role may.
    ///
    /// ```
    /// use matins_store_postgres::PostgresOptions;
    ///
    /// # let Some(url) = matins_conformance::servers::postgres() else { return Ok(()) };
    /// # let url = format!("{url}?schema={}", matins_conformance::servers::schema("example"));
    /// let options: PostgresOptions = url.parse()?;
    /// let migration = options.migrate()?;
    /// assert_eq!(migration.from, None, "there were no tables");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the database cannot be reached, the role may not change the tables, or a later version has made them.
    pub fn migrate(self) -> Result<PostgresMigration, StoreError> {
        let options = Arc::new(self);
        migrate(&mut Link::new(options.clone())?, &options)
    }

    /// Makes the tables, and gives roles of the database the rights that they need and no others. A role that is not there is made: it
    /// may log in, and has no password. Returns the names of those that were made.
    ///
    /// ```
    /// use matins_store_postgres::{PostgresOptions, PostgresRole};
    ///
    /// # let Some(url) = matins_conformance::servers::postgres() else { return Ok(()) };
    /// # let url = format!("{url}?schema={}", matins_conformance::servers::schema("example"));
    /// # let (node, dashboard) = ("node_of_example", "dashboard_of_example");
    /// let options: PostgresOptions = url.parse()?;
    /// options.init(&[(node, PostgresRole::Node), (dashboard, PostgresRole::Reader)])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the database cannot be reached, or the role of these options may not do it: nothing about roles has changed then.
    pub fn init(self, roles: &[(&str, PostgresRole)]) -> Result<Vec<String>, StoreError> {
        let options = Arc::new(self);
        let mut link = Link::new(options.clone())?;
        migrate(&mut link, &options)?;
        link.batch("making roles", "BEGIN; SET LOCAL lock_timeout = '5s'")?;
        let made = make_roles(&mut link, &options.schema, roles);
        let ended = link.batch("making roles", if made.is_ok() { "COMMIT" } else { "ROLLBACK" });
        made.and_then(|made| ended.map(|()| made))
    }
}

fn migrate(link: &mut Link, options: &PostgresOptions) -> Result<PostgresMigration, StoreError> {
    let from = schema::prepare(link, &options.schema)?;
    let number = |format: i32| u32::try_from(format).unwrap_or(0);
    Ok(PostgresMigration { from: from.map(number), to: number(schema::FORMAT) })
}

fn make_roles(
    link: &mut Link,
    schema: &str,
    roles: &[(&str, PostgresRole)],
) -> Result<Vec<String>, StoreError> {
    let mut made = Vec::new();
    // Whoever gives the tables away may have no right to grant any more.
    let owners_last = |(_, kind): &&(&str, PostgresRole)| *kind == PostgresRole::Owner;
    let (owners, others): (Vec<_>, Vec<_>) = roles.iter().partition(owners_last);
    for (role, kind) in others.into_iter().chain(owners) {
        let doing = format!("making the role {role}");
        let is_there = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)".into();
        let name = vec![parameter((*role).to_owned(), Type::TEXT)];
        let rows = link.query(&doing, &is_there, name)?;
        let quoted = format!("\"{}\"", role.replace('"', "\"\""));
        if !rows.first().is_some_and(|row| row.get(0)) {
            link.batch(&doing, &format!("CREATE ROLE {quoted} LOGIN"))?;
            made.push((*role).to_owned());
        }
        // In a text of SQL within one of `format`.
        let in_text = quoted.replace('\'', "''").replace('%', "%%");
        let statements = kind.statements(schema, &quoted).replace("{role_in_text}", &in_text);
        link.batch(&format!("giving {role} its rights"), &statements)?;
    }
    Ok(made)
}
