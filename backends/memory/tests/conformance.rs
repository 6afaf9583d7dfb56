//! The memory store passes the suite of job stores.

use matins_store_memory::MemoryStore;

matins_conformance::store_suite!(matins_conformance::store_suite::Volatile(MemoryStore::new));
