//! What the schedulers can ask about each other, and about the tables.

use std::collections::BTreeMap;

use matins_core::{ExecutorName, Member, RunId, Served, SharedFacts, SharedStore, StoreError, TaskName};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::PostgresStore;
use crate::connection::parameter;

/// Intervals as microseconds: an `interval` has no Rust type here.
const MEMBERS: &str = "SELECT n.id, n.label, n.state = 'dead', n.joined, \
    (extract(epoch FROM n.lease_until - clock_timestamp()) * 1000000)::bigint, \
    (SELECT count(*) FROM {s}.live l WHERE l.node = n.id), n.tasks, n.executors, n.version, n.time_zones, \
    (extract(epoch FROM n.clock_offset) * 1000000)::bigint FROM {s}.nodes n ORDER BY n.id";

const OWNERS: &str = "SELECT r.id, coalesce(n.label, 'scheduler ' || r.node) FROM (\
    SELECT id, node FROM {s}.live WHERE id = ANY ($1) UNION ALL SELECT id, node FROM {s}.runs WHERE id = ANY ($1)) r \
    LEFT JOIN {s}.nodes n ON n.id = r.node WHERE r.node IS NOT NULL";

const FACTS: &str = "SELECT m.format, current_setting('server_version') FROM {s}.meta m";

const SIZES: &str = "SELECT c.relname::text, pg_total_relation_size(c.oid) FROM pg_class c \
    WHERE c.relnamespace = to_regnamespace('{s}') AND c.relkind = 'r' ORDER BY 2 DESC, 1";

const NOTE: &str = "INSERT INTO {s}.notes (line) VALUES ($1)";
/// So many at most: who asks holds them in memory.
const NOTES: &str =
    "SELECT line FROM (SELECT id, line FROM {s}.notes ORDER BY id DESC LIMIT 20000) n ORDER BY id";

impl SharedStore for PostgresStore {
    fn members(&mut self) -> Result<Vec<Member>, StoreError> {
        let rows = self.read("reading which schedulers there are", MEMBERS, Vec::new())?;
        Ok(rows.iter().map(|row| member(row, self.number)).collect())
    }

    fn owners(&mut self, runs: &[RunId]) -> Result<BTreeMap<RunId, String>, StoreError> {
        let ids: Vec<i64> = runs.iter().filter_map(|run| i64::try_from(run.0).ok()).collect();
        let ids = vec![parameter(ids, Type::INT8_ARRAY)];
        let rows = self.read("reading who has begun runs", OWNERS, ids)?;
        Ok(rows.iter().map(|row| (RunId(row.get::<_, i64>(0) as u64), row.get(1))).collect())
    }

    fn facts(&mut self) -> Result<SharedFacts, StoreError> {
        let doing = "reading the sizes of the tables";
        let rows = self.read(doing, FACTS, Vec::new())?;
        let (format, server) =
            rows.first().map_or((0, String::new()), |row| (row.get::<_, i32>(0), row.get(1)));
        let sizes = self.read(doing, SIZES, Vec::new())?;
        let size = |row: &Row| (row.get(0), u64::try_from(row.get::<_, i64>(1)).unwrap_or(0));
        Ok(SharedFacts::new(u32::try_from(format).unwrap_or(0)).with(|facts| {
            facts.server = format!("PostgreSQL {server}");
            facts.place = format!("schema {}", self.options.schema);
            facts.sizes = sizes.iter().map(size).collect();
        }))
    }

    fn note(&mut self, line: &str) -> Result<(), StoreError> {
        let line = vec![parameter(line.to_owned(), Type::TEXT)];
        self.read("noting what was done", NOTE, line).map(drop)
    }

    fn notes(&mut self) -> Result<Vec<String>, StoreError> {
        let rows = self.read("reading what was done", NOTES, Vec::new())?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

fn member(row: &Row, own: i64) -> Member {
    use chrono::TimeDelta;
    let id: i64 = row.get(0);
    let names = |at: usize| row.get::<_, Vec<String>>(at).into_iter();
    Member::new(u64::try_from(id).unwrap_or(0), row.get::<_, String>(1), row.get(3)).with(|member| {
        member.is_dead = row.get(2);
        member.is_self = id == own;
        member.lease_left = TimeDelta::microseconds(row.get(4));
        member.running = u64::try_from(row.get::<_, i64>(5)).unwrap_or(0);
        member.served = Served::new(
            names(6).filter_map(|name| TaskName::new(name).ok()),
            names(7).filter_map(|name| ExecutorName::new(name).ok()),
        );
        (member.version, member.time_zones) = (row.get(8), row.get(9));
        member.clock_offset = row.get::<_, Option<i64>>(10).map(TimeDelta::microseconds);
    })
}
