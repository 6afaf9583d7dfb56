//! A schema of a test's own, and what tests do there beside the store.

#![allow(dead_code, reason = "not every test uses all of it")]

use chrono::{DateTime, Utc};
use matins_conformance::servers;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, Row};

/// A schema, and a connection beside the stores'.
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) schema: String,
    runtime: Runtime,
    client: Client,
}

impl Database {
    /// A schema that is not there yet. `None` where there is no server.
    pub(crate) fn new(test: &str) -> Option<Self> {
        Some(Self::at(&servers::postgres()?, &servers::schema(test)))
    }

    pub(crate) fn at(server: &str, schema: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(server, NoTls).await.expect("a connection");
            tokio::spawn(connection);
            client
        });
        let parameters = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{parameters}schema={schema}");
        Self { url, schema: schema.to_owned(), runtime, client }
    }

    /// Runs a statement; `{s}` stands for the schema.
    pub(crate) fn query(&self, sql: &str) -> Vec<Row> {
        let sql = sql.replace("{s}", &self.schema);
        self.runtime.block_on(self.client.query(&sql, &[])).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    /// Empties the tables.
    pub(crate) fn empty(&self) {
        let tables =
            ["nodes", "lanes", "jobs", "due", "groups", "live", "runs"].map(|table| format!("{{s}}.{table}"));
        self.query(&format!("TRUNCATE {} RESTART IDENTITY", tables.join(", ")));
        self.query("ALTER SEQUENCE {s}.run_ids RESTART");
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.query("SELECT clock_timestamp()")[0].get(0)
    }

    /// Lets the lease of a scheduler end, and its open transaction with it, as the server does with one that is silent for long.
    pub(crate) fn expire(&self, member: u64) {
        let ended = "UPDATE {s}.nodes SET lease_until = clock_timestamp() - interval '1 second' WHERE id = ";
        self.query(&format!("{ended}{member}"));
        let session =
            format!("application_name LIKE 'matins {{s}} {member} %' AND state LIKE 'idle in transaction%'");
        self.query(&format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {session}"));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.query("DROP SCHEMA IF EXISTS {s} CASCADE");
    }
}
