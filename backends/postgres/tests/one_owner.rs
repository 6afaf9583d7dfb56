//! What any job store owes, through one owner, on a real server.

mod database;

use std::time::Duration;

use database::Database;
use matins_conformance::servers;
use matins_conformance::store_suite::StoreFactory;
use matins_core::{ClaimStore, JobStore, Node};
use matins_scheduler::OneOwner;
use matins_store_postgres::PostgresStore;

#[derive(Default)]
struct Owners {
    database: Option<Database>,
}

impl Owners {
    fn open(&self) -> Box<dyn JobStore> {
        let database = self.database.as_ref().expect("a database was created");
        let mut store: Box<dyn ClaimStore> = Box::new(PostgresStore::open(&database.url).expect("a store"));
        store.join(&Node::new("owner", Duration::from_secs(3600))).expect("a member");
        Box::new(OneOwner::new(store))
    }
}

impl StoreFactory for Owners {
    fn is_available(&self) -> bool {
        servers::postgres().is_some()
    }

    fn create(&mut self) -> Box<dyn JobStore> {
        match &self.database {
            // Faster than new tables for each case of a property.
            Some(database) => database.empty(),
            None => self.database = Database::new("owner"),
        }
        self.open()
    }

    fn reopen(&mut self, store: Box<dyn JobStore>) -> Option<Box<dyn JobStore>> {
        drop(store);
        // Its runs are the next one's at once.
        self.database.as_ref()?.query("UPDATE {s}.nodes SET state = 'dead'");
        Some(self.open())
    }
}

matins_conformance::store_suite!(Owners::default());
