//! The laws of two owners, on a real server.

mod database;

use chrono::{DateTime, Utc};
use database::Database;
use matins_conformance::servers;
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
        servers::postgres().is_some()
    }

    fn create(&mut self) {
        self.database = Database::new("law");
    }

    fn open(&mut self) -> Box<dyn ClaimStore> {
        Box::new(PostgresStore::open(&self.database().url).expect("a store"))
    }

    fn expire(&mut self, member: u64) {
        self.database().expire(member);
    }

    fn now(&self) -> DateTime<Utc> {
        self.database().now()
    }
}

matins_conformance::shared_store_suite!(Factory::default());
