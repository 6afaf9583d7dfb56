//! The laws of two owners through PgBouncer in transaction mode: each transaction has another connection, and notifications do not pass.

mod database;

use chrono::{DateTime, Utc};
use database::Database;
use matins_conformance::pooler;
use matins_conformance::shared::SharedStoreFactory;
use matins_core::ClaimStore;
use matins_store_postgres::PostgresStore;

#[derive(Default)]
struct Factory {
    database: Option<Database>,
}

impl Factory {
    fn database(&self) -> &Database {
        self.database.as_ref().expect("a database was created")
    }
}

impl SharedStoreFactory for Factory {
    fn is_available(&self) -> bool {
        pooler::pgbouncer().is_some()
    }

    fn create(&mut self) {
        self.database = Database::new("pool");
    }

    fn open(&mut self) -> Box<dyn ClaimStore> {
        let pooler = pooler::pgbouncer().expect("a pool");
        let url = format!("{pooler}?schema={}", self.database().schema);
        Box::new(PostgresStore::open(url).expect("a store"))
    }

    fn expire(&mut self, member: u64) {
        self.database().expire(member);
    }

    fn now(&self) -> DateTime<Utc> {
        self.database().now()
    }
}

matins_conformance::shared_store_suite!(Factory::default());
